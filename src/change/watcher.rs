//! Watches the place of one camera, picture by picture.

use std::time::Duration;

use super::alignment::{Alignment, align};
use super::bank::{BANKS, Bank, DAY_BANKS, INFRARED, Lesson};
use super::change_region::ChangeRegion;
use super::difference::Differs;
use super::grid::Grid;
use super::memory::Memory;
use super::vote::{Verdict, differs, weather};
use super::workbench::Workbench;
use crate::base::{Rect, WallTime};

/// A bank learns at most this often. Pictures in between are much the same.
const LEARN_EVERY: Duration = Duration::from_secs(600);
/// [`Inspection::unrest`] above which weather begins to hide the place, and below which it passes.
const WEATHER: (f32, f32) = (0.04, 0.02);
/// Weather has passed after so many calm inspections in a row.
const CALM_INSPECTIONS: u32 = 3;
/// Weather and haze that last longer are learnt as the new normal, such as snow in winter.
const NEW_NORMAL: Duration = Duration::from_secs(5 * 24 * 3600);
/// How long fallen snow may lie.
const SNOW_LIES: Duration = Duration::from_secs(48 * 3600);

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How long a new camera learns before it judges.
    pub learn: Duration,
    /// The smallest region, as a share of the picture, 0 to 1.
    pub min_share: f32,
}

/// One picture and its context.
#[derive(Clone, Copy, Debug)]
pub struct ChangeInput<'a> {
    /// `height` rows of `width * 3` bytes.
    pub rgb: &'a [u8],
    pub width: u32,
    pub height: u32,
    pub at: WallTime,
    /// Local hour of the day, 0 to 24.
    pub hour: f32,
    /// Boxes of moving things, normalised. They are not judged.
    pub moving: &'a [Rect],
}

/// What the inspection of one picture found.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// All known regions, including those that this picture does not show.
    pub regions: Vec<ChangeRegion>,
    pub alignment: Alignment,
    /// The picture has no colour: infrared light.
    pub infrared: bool,
    /// The highest region id that this camera has given.
    pub last_id: u32,
    /// False if the picture was not judged: bad weather, a moved camera, or still learning.
    pub judged: bool,
    /// The reference was started again because the picture size changed.
    pub began_anew: bool,
    /// Share of the picture outside regions that differs from the reference, 0 to 1. Leaves out the quarter
    /// of the picture where most differs.
    pub unrest: f32,
    /// There were more regions than a camera can hold.
    pub crowded: bool,
}

/// Watches the place of one camera for lasting change. A clone copies the whole memory.
#[derive(Clone, Debug)]
pub struct ChangeWatcher {
    pub(super) settings: Settings,
    pub(super) size: (u32, u32),
    pub(super) grid: Option<Grid>,
    pub(super) banks: [Option<Bank>; BANKS],
    /// One per cell.
    pub(super) votes: Vec<u8>,
    pub(super) memory: Memory,
}

impl ChangeWatcher {
    pub fn new(settings: Settings) -> Self {
        let banks = std::array::from_fn(|_| None);
        Self { settings, size: (0, 0), grid: None, banks, votes: Vec::new(), memory: Memory::default() }
    }

    /// Inspects one picture and learns from it.
    pub fn inspect(&mut self, bench: &mut Workbench, input: &ChangeInput) -> Inspection {
        let mut inspection = Inspection {
            regions: Vec::new(),
            alignment: Alignment::Learning,
            infrared: false,
            last_id: self.memory.last_id,
            judged: false,
            began_anew: false,
            unrest: 0.0,
            crowded: false,
        };
        if self.size != (input.width, input.height) {
            inspection.began_anew = self.grid.is_some();
            self.begin(input);
        }
        let bytes = input.width as usize * input.height as usize * 3;
        let Some(grid) = self.grid.filter(|_| input.rgb.len() >= bytes) else { return inspection };
        bench.reduce(input.rgb, input.width as usize, grid);
        self.memory.began.get_or_insert(input.at);
        let bank = if bench.cells.grey { INFRARED } else { sector(input.hour) };
        match align(&self.banks, &mut self.memory.elsewhere, bench, bank, input.at, grid) {
            Some(alignment) => inspection.alignment = alignment,
            None => {
                inspection.alignment = Alignment::Learning;
                std::mem::swap(&mut bench.field, &mut bench.aligned);
            }
        }
        if matches!(inspection.alignment, Alignment::Steady { .. } | Alignment::Learning)
            && self.memory.elsewhere.is_none()
        {
            self.judge(bench, input, bank, grid, &mut inspection);
        }
        if !inspection.judged {
            self.memory.regions.iter_mut().for_each(|r| r.hidden(input.at));
        }
        inspection.infrared = bench.cells.grey;
        inspection.last_id = self.memory.last_id;
        inspection.regions = self.memory.regions.iter().map(|r| r.report(grid)).collect();
        inspection
    }

    /// Accepts a region as the normal look of the place, because a person has rejected or permitted it.
    /// `None` if there is no such region.
    pub fn accept(&mut self, region: u32) -> Option<()> {
        let index = self.memory.regions.iter().position(|r| r.id == region)?;
        let region = self.memory.regions.remove(index);
        for cell in region.cells.iter().map(|c| c.number as usize) {
            self.votes[cell] = 0;
            // Any difference is usual here until the banks have learnt the new state.
            for bank in self.banks.iter_mut().flatten() {
                bank.forget(cell);
            }
        }
        Some(())
    }

    /// Memory that the camera holds between inspections, in bytes.
    pub fn bytes(&self) -> usize {
        let banks = self.banks.iter().flatten().map(Bank::bytes).sum::<usize>();
        let regions = self.memory.regions.iter().map(|r| r.cells.len() * 16 + 256).sum::<usize>();
        banks + self.votes.len() + regions
    }

    fn begin(&mut self, input: &ChangeInput) {
        let last_id = self.memory.last_id;
        *self = Self::new(self.settings);
        self.memory.last_id = last_id;
        self.size = (input.width, input.height);
        self.grid = Grid::of(input.width, input.height);
        self.votes = vec![0; self.grid.map_or(0, |g| g.cells())];
    }

    fn judge(
        &mut self,
        bench: &mut Workbench,
        input: &ChangeInput,
        index: usize,
        grid: Grid,
        inspection: &mut Inspection,
    ) {
        let beside = neighbour(index, input.hour);
        let mut verdicts = vec![Verdict::Unknown; grid.cells()];
        let mut differing = vec![Differs::No; grid.cells()];
        let hidden = covered(input.moving, grid);
        let known = self.known(grid, 0);
        let mature = |i: &usize| self.banks[*i].as_ref().is_some_and(Bank::is_mature);
        let main = Some(index).filter(mature).or(beside.filter(mature));
        let learned = self.memory.began.is_some_and(|b| input.at.since(b) >= self.settings.learn);
        let mut usable = true;
        if let Some(bank) = main.and_then(|i| self.banks[i].as_ref()) {
            bank.compare(&bench.aligned, &bench.cells, grid, &mut bench.difference);
            let infrared = main == Some(INFRARED);
            differs(bank, &bench.difference, &bench.cells, infrared, &known, &mut differing);
            let mut also = differing.clone();
            if let Some(other) =
                beside.filter(|b| Some(*b) != main).filter(mature).and_then(|i| self.banks[i].as_ref())
            {
                other.compare(&bench.aligned, &bench.cells, grid, &mut bench.second);
                differs(other, &bench.second, &bench.cells, infrared, &known, &mut also);
            }
            for (i, verdict) in verdicts.iter_mut().enumerate().filter(|(i, _)| !hidden[*i]) {
                also[i] = also[i].min(differing[i]);
                *verdict = if also[i] == Differs::No { Verdict::Same } else { Verdict::Changed };
            }
            let snowed = self.memory.snowed.is_some_and(|s| input.at.since(s) < SNOW_LIES);
            let weather = weather(&mut verdicts, &known, bank, &bench.difference, &bench.cells, grid, snowed);
            inspection.unrest = weather.unrest;
            // Weather counts all differences, changes only those that odd light does not explain.
            for (verdict, also) in verdicts.iter_mut().zip(&also) {
                if (*verdict, *also) == (Verdict::Changed, Differs::Oddly) {
                    *verdict = Verdict::Same;
                }
            }
            if weather.snow {
                self.memory.snowed = Some(input.at);
            }
            self.memory.haze = weather.haze.then(|| self.memory.haze.unwrap_or(input.at));
            let hidden = learned && self.is_weather(input.at, weather.unrest) || weather.hidden;
            let long = self.memory.weather.is_some_and(|(since, _)| input.at.since(since) >= NEW_NORMAL);
            usable = !hidden && !weather.snow || long;
            if long {
                verdicts.fill(Verdict::Same);
                differing.fill(Differs::No);
            }
            if learned && !hidden {
                self.vote(&mut verdicts, input.at, index, grid);
                self.follow(&verdicts, input.at, index, grid, inspection);
                self.measure(&verdicts, main.unwrap_or(index), bench);
                inspection.judged = true;
            }
        }
        if usable {
            let lesson_of = main == Some(index);
            // A dome that has misted over is the new normal.
            let misted = self.memory.haze.is_some_and(|since| input.at.since(since) >= NEW_NORMAL);
            let unknown = |v: &Verdict| main.is_some() && !misted && *v == Verdict::Unknown;
            let frozen: Vec<bool> = self
                .known(grid, 2)
                .iter()
                .zip(&hidden)
                .zip(&verdicts)
                .map(|((known, hidden), v)| *known || *hidden || unknown(v))
                .collect();
            self.learn(bench, input.at, index, grid, &frozen, &differing, lesson_of);
        }
    }

    /// Does weather hide the place? One inspection starts it, several calm ones end it.
    fn is_weather(&mut self, at: WallTime, unrest: f32) -> bool {
        match &mut self.memory.weather {
            None if unrest > WEATHER.0 => self.memory.weather = Some((at, 0)),
            None => {}
            Some((_, calm)) if unrest > WEATHER.1 => *calm = 0,
            Some((_, calm)) => {
                *calm += 1;
                if *calm >= CALM_INSPECTIONS {
                    self.memory.weather = None;
                }
            }
        }
        self.memory.weather.is_some()
    }

    /// The cells of all regions, grown by `reach`.
    pub(super) fn known(&self, grid: Grid, reach: usize) -> Vec<bool> {
        let (columns, rows) = (grid.columns(), grid.rows());
        let mut out = vec![false; grid.cells()];
        for i in self.memory.regions.iter().flat_map(|r| &r.cells).map(|c| c.number as usize) {
            let (x, y) = (i % columns, i / columns);
            for v in y.saturating_sub(reach)..(y + reach + 1).min(rows) {
                out[v * columns + x.saturating_sub(reach)..v * columns + (x + reach + 1).min(columns)]
                    .fill(true);
            }
        }
        out
    }

    #[expect(clippy::too_many_arguments, reason = "a lesson needs all parts of an inspection")]
    fn learn(
        &mut self,
        bench: &mut Workbench,
        at: WallTime,
        index: usize,
        grid: Grid,
        frozen: &[bool],
        differs: &[Differs],
        compared: bool,
    ) {
        if self.banks[index].is_none() {
            // A copy keeps frozen cells as they were before the change, in the new light too.
            let like = |i: &usize| (index == INFRARED) == (*i == INFRARED) && self.banks[*i].is_some();
            let nearest = (0..BANKS).filter(like).min_by_key(|i| {
                let apart = i.abs_diff(index);
                apart.min(DAY_BANKS.abs_diff(apart))
            });
            let copy = nearest.and_then(|i| self.banks[i].clone());
            let fresh = copy.map(|b| Bank { learnt: 0, learnt_at: at, ..b });
            self.banks[index] = Some(fresh.unwrap_or_else(|| Bank::new(grid, at)));
        }
        let Some(bank) = &mut self.banks[index] else { return };
        if bank.learnt > 0 && at.since(bank.learnt_at) < LEARN_EVERY {
            return;
        }
        if !compared {
            bank.compare(&bench.aligned, &bench.cells, grid, &mut bench.difference);
        }
        let Workbench { aligned: field, cells, difference, .. } = bench;
        bank.learn(&Lesson { at, field, cells, difference, frozen, differs }, grid);
    }
}

fn sector(hour: f32) -> usize {
    (hour / 24.0 * DAY_BANKS as f32).clamp(0.0, DAY_BANKS as f32 - 1.0) as usize
}

/// The bank with the next most similar light.
fn neighbour(bank: usize, hour: f32) -> Option<usize> {
    let early = (hour / 24.0 * DAY_BANKS as f32).fract() < 0.5;
    (bank != INFRARED).then(|| (bank + if early { DAY_BANKS - 1 } else { 1 }) % DAY_BANKS)
}

/// Cells behind moving things, with a rim of one cell.
fn covered(moving: &[Rect], grid: Grid) -> Vec<bool> {
    let (columns, rows) = (grid.columns(), grid.rows());
    let mut out = vec![false; grid.cells()];
    for rect in moving.iter().map(Rect::clamped) {
        let to = |v: f32, n: usize| (v * n as f32) as usize;
        let x = to(rect.x0, columns).saturating_sub(1)..(to(rect.x1, columns) + 2).min(columns);
        for y in to(rect.y0, rows).saturating_sub(1)..(to(rect.y1, rows) + 2).min(rows) {
            out[y * columns + x.start..y * columns + x.end].fill(true);
        }
    }
    out
}
