//! The verdict of one inspection on each cell: changed, the same, or unknown.

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

/// How far structure may differ anywhere, and beyond the usual for the cell. The larger one is the limit.
const STRUCTURE: (f32, f32) = (0.50, 0.30);
const GREEN_MAGENTA: (f32, f32) = (0.16, 0.14);
const BLUE_YELLOW: (f32, f32) = (0.42, 0.30);
/// A cell differs when the shares of its three limits, each to the power of 1.5, sum up to this. One measure
/// alone can reach it, or several that come close, as for a pit in a field.
const FRESH: f32 = 1.0;
/// The sum for a cell that already belongs to a region, so that a weaker light does not lose it.
const HELD: f32 = 0.8;
/// A light is unusual when unchanged cells are farther from the bank than usual by this factor.
const ODD_LIGHT: f32 = 1.25;
/// The most by which an unusual light raises the limit of new changes.
const ODD_AT_MOST: f32 = 3.0;
/// Below this brightness, colour is noise.
const DARK: u8 = 28;
/// A band is hazy when this share of its structured cells lost their structure.
const FADED_SHARE: f32 = 0.35;
/// A band with a larger share of changed cells says nothing.
const BAND_SHARE: f32 = 0.45;
/// A picture with a larger share of changed cells says nothing.
const PICTURE_SHARE: f32 = 0.22;
/// Blocks in a band.
const BLOCKS: usize = 8;
/// It snows when this share of the picture turned white.
const SNOW_SHARE: f32 = 0.03;

/// How weather affects an inspection.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Weathered {
    /// Too much of the picture differs to judge anything.
    pub(super) hidden: bool,
    pub(super) snow: bool,
    /// At least one band is hazy.
    pub(super) haze: bool,
    /// Share of differing cells outside regions, without the quarter of the picture where most differ.
    pub(super) unrest: f32,
}

/// A difference as a share of its limit: at least `least`, or `beyond` plus the usual difference of the cell.
#[inline]
fn share(value: f32, usual: u8, (least, beyond): (f32, f32)) -> f32 {
    value / least.max(Bank::usual(usual) + beyond)
}

/// Is there enough light for colour, now and in the bank?
#[inline]
fn has_colour(now: u8, then: u8) -> bool {
    now > DARK && then > DARK
}

/// A cell's two differences in colour as signed shares of their limits. 0 where it is too dark for colour.
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

/// How far each cell differs from a bank: the sum over three measures of its share of the limit, to the power
/// of 1.5.
///
/// Loops over whole planes take a third of the time of a loop over cells.
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

/// Marks the cells that differ from a bank. Cells that are `known` belong to a region.
///
/// In an unusual light even unchanged cells are farther from the bank, as on the first sunny day after a
/// cloudy week. New changes must then differ by as much more.
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

/// Removes the effects of haze, snow or a broken picture from `verdicts`.
///
/// Cells that are `known` belong to regions and are no sign of weather. `snowed`: snow fell recently.
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
            block.judged += 1;
            block.changed += usize::from(verdicts[i] == Verdict::Changed);
        }
        if Block::sum(&across).share() > BAND_SHARE {
            verdicts[band].fill(Verdict::Unknown);
        } else if hazy {
            // Haze makes everything look alike, so an unchanged cell means nothing.
            verdicts[band].iter_mut().filter(|v| **v == Verdict::Same).for_each(|v| *v = Verdict::Unknown);
        }
        haze |= hazy;
        blocks.extend(across);
    }
    let all = Block::sum(&blocks);
    let hidden = all.share() > PICTURE_SHARE || all.judged * 5 < grid.cells();
    if hidden {
        verdicts.fill(Verdict::Unknown);
    }
    // Built things are in a few places, weather is everywhere.
    blocks.retain(|b| b.judged > 0);
    blocks.sort_by(|a, b| a.share().total_cmp(&b.share()));
    let kept = &blocks[..blocks.len() * 3 / 4];
    let unrest = kept.iter().map(Block::share).sum::<f32>() / kept.len().max(1) as f32;
    Weathered { hidden, snow, haze, unrest }
}

/// Cells outside regions, in one part of the picture.
#[derive(Clone, Copy, Default)]
struct Block {
    judged: usize,
    changed: usize,
}

impl Block {
    fn sum(parts: &[Block]) -> Block {
        parts.iter().fold(Block::default(), |a, b| Block {
            judged: a.judged + b.judged,
            changed: a.changed + b.changed,
        })
    }

    fn share(&self) -> f32 {
        self.changed as f32 / self.judged.max(1) as f32
    }
}

/// Marks cells that turned white as unknown while snow lies. Returns whether it snows now.
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
            let mut d = Difference { structure: vec![light; n], ..Difference::default() };
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
        let d = Difference { strength: vec![[1.0; 2]; n], ..Difference::default() };
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
        // Half of the structure far away is gone.
        let strength =
            (0..n).map(|i| [if far.contains(&i) && i % 2 == 0 { 0.1 } else { 1.0 }, 1.0]).collect();
        let d = Difference { strength, ..Difference::default() };
        let mut verdicts = vec![Verdict::Same; n];
        let found = weather(&mut verdicts, &vec![false; n], &bank, &d, &cells, grid, false);
        assert!(found.haze && !found.hidden && found.unrest == 0.0, "{found:?}");
        assert!(verdicts[far.clone()].iter().all(|v| *v == Verdict::Unknown));
        assert!(verdicts[far.end..].iter().all(|v| *v == Verdict::Same));
    }
}
