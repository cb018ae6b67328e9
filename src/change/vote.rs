//! One look's verdict on each cell: changed, as ever, or not to be told.

use super::bank::Bank;
use super::cells::Cells;
use super::difference::{Difference, Differs};
use super::grid::{BANDS, Grid, bands};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Verdict {
    #[default]
    Unknown,
    Same,
    Changed,
}

/// How far structure may differ anywhere, and beyond what is usual for the cell: the larger is its limit.
const STRUCTURE: (f32, f32) = (0.50, 0.30);
const GREEN_MAGENTA: (f32, f32) = (0.16, 0.14);
const BLUE_YELLOW: (f32, f32) = (0.42, 0.30);
/// Sum of the three shares of their limits, each to the power of 1.5, at which a cell differs: one alone at its limit, or
/// several that are nearly there, as a pit in a field is. What belongs to a region already is held at less, so that a
/// weaker light does not lose it.
const FRESH: f32 = 1.0;
const HELD: f32 = 0.8;
/// A light is unusual when what does not differ is so many times as far from its reference as usual; and the most that it
/// can ask of what is new.
const ODD_LIGHT: f32 = 1.25;
const ODD_AT_MOST: f32 = 3.0;
/// Darker than this, colour is noise.
const DARK: u8 = 28;
/// Cells that had structure and lost it, by share of a band, that are haze.
const FADED_SHARE: f32 = 0.35;
/// A band with more changed cells than this says nothing; so does a picture.
const BAND_SHARE: f32 = 0.45;
const PICTURE_SHARE: f32 = 0.22;
/// Blocks of a band.
const BLOCKS: usize = 8;
/// Cells that turned white, by share of the picture, that are snow.
const SNOW_SHARE: f32 = 0.03;

/// What weather leaves of a look.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Weathered {
    /// So much of the picture differs that nothing can be told.
    pub(super) hidden: bool,
    pub(super) snow: bool,
    /// A part of the picture at least is hazy.
    pub(super) haze: bool,
    /// Share of the cells outside of regions that differ, without the quarter of the picture where most do.
    pub(super) unrest: f32,
}

/// A difference as a share of its limit: `least` anywhere, and `beyond` what is usual for the cell.
#[inline]
fn share(value: f32, usual: u8, (least, beyond): (f32, f32)) -> f32 {
    value / least.max(Bank::usual(usual) + beyond)
}

/// Is there light enough for colours, now and in the bank?
#[inline]
fn has_colour(now: u8, then: u8) -> bool {
    now > DARK && then > DARK
}

/// The cell's two colours' differences as shares of their limits, with their sign; 0 where it is too dark for them.
pub(super) fn colour_shares(bank: &Bank, d: &Difference, cells: &Cells, cell: usize) -> [f32; 2] {
    if !has_colour(cells.luma[cell], bank.luma[cell]) {
        return [0.0; 2];
    }
    let [_, green_magenta, blue_yellow] = &bank.usual;
    [
        share(d.green_magenta[cell], green_magenta[cell], GREEN_MAGENTA),
        share(d.blue_yellow[cell], blue_yellow[cell], BLUE_YELLOW),
    ]
}

/// How much each cell differs from a bank by all three measures together, each share of its limit to the power of 1.5.
/// Straight loops over whole planes: they take a third of the time of one over cells.
fn sums(bank: &Bank, d: &Difference, cells: &Cells, infrared: bool) -> Vec<f32> {
    let power = |share: f32| share.abs() * share.abs().sqrt();
    let [structure, green_magenta, blue_yellow] = &bank.usual;
    let with = |(value, usual): (&f32, &u8)| power(share(*value, *usual, STRUCTURE));
    let mut out: Vec<f32> = d.structure.iter().zip(structure).map(with).collect();
    let colours =
        [(&d.green_magenta, green_magenta, GREEN_MAGENTA), (&d.blue_yellow, blue_yellow, BLUE_YELLOW)];
    for (values, usual, limit) in colours.into_iter().filter(|_| !infrared) {
        let light = cells.luma.iter().zip(&bank.luma);
        for (((sum, value), usual), (now, then)) in out.iter_mut().zip(values).zip(usual).zip(light) {
            *sum += if has_colour(*now, *then) { power(share(*value, *usual, limit)) } else { 0.0 };
        }
    }
    out
}

/// Marks each cell that differs from one bank; those that are `known` belong to a region. Where even the cells that do not
/// differ are further from the bank than they usually are, as on the first sunny day after a cloudy week, what is new must
/// differ by as much more.
pub(super) fn differs(
    bank: &Bank,
    d: &Difference,
    cells: &Cells,
    infrared: bool,
    known: &[bool],
    out: &mut [Differs],
) {
    let sums = sums(bank, d, cells, infrared);
    let (mut calm, mut usual) = (0.0f32, 0.0f32);
    let measured = d.structure.iter().zip(&bank.usual[0]).zip(sums.iter().zip(known));
    for ((structure, often), _) in measured.filter(|(_, (sum, known))| !**known && **sum <= FRESH) {
        calm += structure;
        usual += Bank::usual(*often);
    }
    let unusual = calm / usual.max(f32::MIN_POSITIVE);
    let odd = if infrared { 1.0 } else { (unusual / ODD_LIGHT).clamp(1.0, ODD_AT_MOST) };
    for ((out, sum), known) in out.iter_mut().zip(sums).zip(known) {
        *out = match (*known && !infrared, sum) {
            (true, sum) if sum > HELD => Differs::Yes,
            (false, sum) if sum > FRESH * odd => Differs::Yes,
            (false, sum) if sum > FRESH => Differs::Oddly,
            _ => Differs::No,
        };
    }
}

/// Takes out of `verdicts` what haze, snow or a spoilt picture makes of it. `known` cells belong to regions and are no
/// sign of weather; `snowed`: snow fell lately.
pub(super) fn weather(
    verdicts: &mut [Verdict],
    known: &[bool],
    bank: &Bank,
    d: &Difference,
    cells: &Cells,
    grid: Grid,
    snowed: bool,
) -> Weathered {
    let (columns, rows) = (grid.columns(), grid.rows());
    let snow = whiten(verdicts, known, bank, cells, snowed);
    let mut blocks: Vec<Block> = Vec::with_capacity(BANDS * BLOCKS);
    let mut haze = false;
    for band in bands(columns, rows) {
        let faded = |i: usize| d.strength[i][1] > 0.25 && d.strength[i][0] < 0.3 * d.strength[i][1];
        let structured = band.clone().filter(|i| d.strength[*i][1] > 0.25).count();
        let lost = band.clone().filter(|i| faded(*i)).count();
        let hazy = lost as f32 > FADED_SHARE * structured.max(20) as f32;
        if hazy {
            band.clone().filter(|i| faded(*i)).for_each(|i| verdicts[i] = Verdict::Unknown);
        }
        let mut across = [Block::default(); BLOCKS];
        for i in band.clone().filter(|i| !known[*i] && verdicts[*i] != Verdict::Unknown) {
            let block = &mut across[i % columns * BLOCKS / columns];
            block.told += 1;
            block.changed += usize::from(verdicts[i] == Verdict::Changed);
        }
        if Block::sum(&across).share() > BAND_SHARE {
            verdicts[band].fill(Verdict::Unknown);
        } else if hazy {
            // Haze makes everything look alike: that it shows no difference says nothing.
            verdicts[band].iter_mut().filter(|v| **v == Verdict::Same).for_each(|v| *v = Verdict::Unknown);
        }
        haze |= hazy;
        blocks.extend(across);
    }
    let all = Block::sum(&blocks);
    let hidden = all.share() > PICTURE_SHARE || all.told * 5 < grid.cells();
    if hidden {
        verdicts.fill(Verdict::Unknown);
    }
    // What was built stands in few places, weather is everywhere.
    blocks.retain(|b| b.told > 0);
    blocks.sort_by(|a, b| a.share().total_cmp(&b.share()));
    let kept = &blocks[..blocks.len() * 3 / 4];
    let unrest = kept.iter().map(Block::share).sum::<f32>() / kept.len().max(1) as f32;
    Weathered { hidden, snow, haze, unrest }
}

/// Cells outside of regions, in a part of the picture.
#[derive(Clone, Copy, Default)]
struct Block {
    told: usize,
    changed: usize,
}

impl Block {
    fn sum(parts: &[Block]) -> Block {
        parts
            .iter()
            .fold(Block::default(), |a, b| Block { told: a.told + b.told, changed: a.changed + b.changed })
    }

    fn share(&self) -> f32 {
        self.changed as f32 / self.told.max(1) as f32
    }
}

/// Cells that turned white say nothing while there is snow. Gives whether there is.
fn whiten(verdicts: &mut [Verdict], known: &[bool], bank: &Bank, cells: &Cells, snowed: bool) -> bool {
    let mean = |v: &[u8]| v.iter().map(|l| u32::from(*l)).sum::<u32>() as f32 / v.len().max(1) as f32;
    let (now, then) = (mean(&cells.luma).max(1.0), mean(&bank.luma).max(1.0));
    let white = |i: usize| {
        let (a, b) = (f32::from(cells.luma[i]) / now, f32::from(bank.luma[i]) / then);
        let pale = cells.grey || cells.green_magenta[i].unsigned_abs() < 9;
        a > 1.15 && a > b + 0.12 && pale
    };
    let whitened: Vec<usize> = (0..verdicts.len()).filter(|i| white(*i)).collect();
    let fresh = whitened.iter().filter(|i| !known[**i] && verdicts[**i] == Verdict::Changed).count();
    let snow = fresh as f32 > SNOW_SHARE * verdicts.len() as f32;
    if snow || snowed {
        whitened.into_iter().for_each(|i| verdicts[i] = Verdict::Unknown);
    }
    snow
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::WallTime;

    /// Even cells without a hue, by daylight.
    fn grey_day(n: usize) -> Cells {
        Cells { luma: vec![90; n], green_magenta: vec![0; n], blue_yellow: vec![0; n], grey: false }
    }

    #[test]
    fn several_measures_that_are_nearly_there_are_a_change_and_a_known_one_is_held_at_less() {
        let grid = Grid::of(64, 64).expect("large enough");
        let n = grid.cells();
        let mut bank = Bank::new(grid, WallTime(0));
        bank.luma = vec![90; n];
        let cells = grey_day(n);
        let differs_by = |structure: f32, green_magenta: f32, known: bool| {
            let mut d = Difference::default();
            (d.structure, d.green_magenta) = (vec![structure; n], vec![green_magenta; n]);
            d.blue_yellow = vec![0.0; n];
            let mut out = vec![Differs::No; n];
            differs(&bank, &d, &cells, false, &vec![known; n], &mut out);
            out[0] == Differs::Yes
        };
        let (structure, green) = (0.7 * STRUCTURE.0, 0.7 * GREEN_MAGENTA.0);
        assert!(!differs_by(structure, 0.0, false) && !differs_by(0.0, green, false));
        assert!(differs_by(structure, green, false));
        assert!(!differs_by(0.9 * STRUCTURE.0, 0.0, false) && differs_by(0.9 * STRUCTURE.0, 0.0, true));
        assert!(differs_by(0.0, 1.1 * GREEN_MAGENTA.0, false));
    }

    #[test]
    fn in_an_unusual_light_what_is_new_must_differ_by_more() {
        let grid = Grid::of(64, 64).expect("large enough");
        let n = grid.cells();
        let mut bank = Bank::new(grid, WallTime(0));
        (bank.luma, bank.usual[0]) = (vec![90; n], vec![5; n]);
        let cells = grey_day(n);
        let differs_in = |light: f32, structure: f32, known: bool| {
            let mut d = Difference::default();
            d.structure = vec![light; n];
            d.structure[0] = structure;
            (d.green_magenta, d.blue_yellow) = (vec![0.0; n], vec![0.0; n]);
            let mut out = vec![Differs::No; n];
            let known: Vec<bool> = (0..n).map(|i| known && i == 0).collect();
            differs(&bank, &d, &cells, false, &known, &mut out);
            out[0]
        };
        assert_eq!(differs_in(0.05, 1.2 * STRUCTURE.0, false), Differs::Yes);
        assert_eq!(differs_in(0.15, 1.2 * STRUCTURE.0, false), Differs::Oddly);
        assert_eq!(differs_in(0.15, 2.0 * STRUCTURE.0, false), Differs::Yes);
        assert_eq!(differs_in(0.15, 1.2 * STRUCTURE.0, true), Differs::Yes, "what is known is held");
    }

    #[test]
    fn what_differs_in_a_few_places_is_built_and_what_differs_everywhere_is_weather() {
        let grid = Grid::of(128, 128).expect("large enough");
        let n = grid.cells();
        let mut bank = Bank::new(grid, WallTime(0));
        bank.luma = vec![90; n];
        let cells = grey_day(n);
        let mut d = Difference::default();
        d.strength = vec![[1.0; 2]; n];
        let unrest = |changed: &dyn Fn(usize, usize) -> bool| {
            let of = |i| if changed(i % 64, i / 64) { Verdict::Changed } else { Verdict::Same };
            let mut verdicts: Vec<Verdict> = (0..n).map(of).collect();
            weather(&mut verdicts, &vec![false; n], &bank, &d, &cells, grid, false).unrest
        };
        // Each is a tenth of the picture.
        assert_eq!(unrest(&|x, y| (20..40).contains(&x) && (20..40).contains(&y)), 0.0);
        assert!(unrest(&|x, y| (x * 7 + y * 3) % 10 == 0) > 0.08);
    }

    #[test]
    fn haze_hides_what_it_shows_no_difference_of_in_its_own_rows() {
        let grid = Grid::of(128, 128).expect("large enough");
        let n = grid.cells();
        let bank = Bank::new(grid, WallTime(0));
        let cells = grey_day(n);
        let far = bands(grid.columns(), grid.rows())[0].clone();
        let mut d = Difference::default();
        // Half of the structure far away is gone.
        d.strength = (0..n).map(|i| [if far.contains(&i) && i % 2 == 0 { 0.1 } else { 1.0 }, 1.0]).collect();
        let mut verdicts = vec![Verdict::Same; n];
        let found = weather(&mut verdicts, &vec![false; n], &bank, &d, &cells, grid, false);
        assert!(found.haze && !found.hidden && found.unrest == 0.0, "{found:?}");
        assert!(verdicts[far.clone()].iter().all(|v| *v == Verdict::Unknown));
        assert!(verdicts[far.end..].iter().all(|v| *v == Verdict::Same));
    }
}
