//! Regions that stay different: judged with each inspection until they are gone.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bank::{BANKS, INFRARED};
use super::change_region::{GROWN_IN, Seen, YOUNG};
use super::vote::Verdict;
use crate::base::WallTime;

/// The most regions of a camera at a time.
pub(super) const MAX_REGIONS: usize = 64;
/// Votes at which a cell counts as changed.
pub(super) const ON: u8 = 192;
/// With fewer votes a cell leaves its region.
const OFF: u8 = 64;
/// Share of changed cells, weighted by age, with which a region is seen.
const SEEN_SHARE: f32 = 0.3;
/// In a light that usually shows less of it: this share of the usual.
const SEEN_OF_USUAL: f32 = 0.6;
/// With at most this part of the share for being seen, the region is absent.
const ABSENT_OF_ENOUGH: f32 = 0.5;
/// It is also absent with at most this share of the usual.
const ABSENT_OF_USUAL: f32 = 0.34;
/// Infrared does not deny a region of which it usually shows less than this share.
const TELLING: f32 = 0.5;
/// With so many more infrared inspections that show it than that do not, the camera's own lamp shows the
/// region.
pub(super) const BY_INFRARED: u32 = 3;
/// An inspection that can judge a smaller share of its cells says nothing about a region.
const JUDGED_SHARE: f32 = 0.35;
/// A region is gone after it was clearly absent in so many inspections in a row.
const ABSENT_INSPECTIONS: u32 = 3;
/// It must also be absent for a sixteenth of its age, but no longer than this.
const ABSENT_AT_MOST: Duration = Duration::from_secs(2 * 3600);
/// A region that has stood for longer, in more than one light, is gone only when two lights agree.
const SETTLED: Duration = Duration::from_secs(12 * 3600);
/// A cell's weight grows with each hour that it has belonged to its region, up to so many hours.
const OLD_H: f32 = 48.0;
/// A region has grown when it is larger by this factor than its last recorded share.
const GROWN: f32 = 1.15;
const MAX_STEPS: usize = 12;
/// Cells that appear beside a region this young belong to it.
const APPEARING: Duration = Duration::from_secs(2 * 3600);
/// A region that was denied this recently may be odd light.
const RESTLESS: Duration = Duration::from_secs(24 * 3600);

/// A cell of a region.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cell {
    pub(super) number: u32,
    /// One bit per bank that has shown it changed.
    pub(super) lights: u16,
    /// One bit per bank that has since shown it as it was before.
    #[serde(default)]
    denied: u16,
    pub(super) joined: WallTime,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Region {
    pub(super) id: u32,
    /// Sorted by number.
    pub(super) cells: Vec<Cell>,
    pub(super) first_seen: WallTime,
    pub(super) last_confirmed: WallTime,
    pub(super) seen: Seen,
    /// One bit per bank that has shown it.
    pub(super) lights: u16,
    /// Share of its cells that each bank usually shows as changed. 0 until the bank shows it.
    pub(super) usual: [f32; BANKS],
    #[serde(rename = "absent_looks")]
    pub(super) absent_inspections: u32,
    /// One bit per bank that has shown it absent since it was last seen.
    pub(super) absent_lights: u16,
    pub(super) absent_since: Option<WallTime>,
    #[serde(default)]
    pub(super) denied: Option<WallTime>,
    /// Infrared inspections that showed it minus those that did not, up to [`BY_INFRARED`].
    #[serde(default)]
    pub(super) by_infrared: u32,
    /// How far its colours differ by day, as shares of their limits: green to magenta, blue to yellow.
    #[serde(default)]
    pub(super) tint: [f32; 2],
    pub(super) growth: Vec<(WallTime, f32)>,
    pub(super) bared: f32,
    pub(super) brighter: f32,
}

impl Region {
    /// A region without cells, shown at `at` in the light of `bank`.
    pub(super) fn new(id: u32, first_seen: WallTime, at: WallTime, bank: usize) -> Self {
        Self {
            id,
            cells: Vec::new(),
            first_seen,
            last_confirmed: at,
            seen: Seen::Yes,
            lights: 1 << bank,
            usual: [0.0; BANKS],
            absent_inspections: 0,
            absent_lights: 0,
            absent_since: None,
            denied: None,
            by_infrared: 0,
            tint: [0.0; 2],
            growth: Vec::new(),
            bared: 0.0,
            brighter: 1.0,
        }
    }

    pub(super) fn was_seen_in(&self, bank: usize) -> bool {
        self.lights & (1 << bank) != 0
    }

    /// The cells to report: shown by at least half as many lights as the best cell, and standing for at least
    /// a third of the longest time. Leaves out what joined in odd light, or is parked beside it for some
    /// hours.
    pub(super) fn core(&self) -> impl Iterator<Item = u32> {
        let most = self.cells.iter().map(|c| c.lights.count_ones()).max().unwrap_or(0);
        let stood = |c: &Cell| self.last_confirmed.since(c.joined);
        let oldest = self.cells.iter().map(stood).max().unwrap_or_default();
        let least = (oldest / YOUNG).min(GROWN_IN);
        let is_core = move |c: &&Cell| 2 * c.lights.count_ones() >= most && stood(c) >= least;
        self.cells.iter().filter(is_core).map(|c| c.number)
    }

    /// Judges one inspection. Returns false once the region is gone for good.
    pub(super) fn judge(&mut self, at: WallTime, bank: usize, verdicts: &[Verdict]) -> bool {
        let (mut all, mut judged, mut changed) = (0.0f32, 0.0f32, 0.0f32);
        // Cells that joined late may be odd light and do not count here.
        let oldest = self.cells.iter().map(|c| at.since(c.joined)).max().unwrap_or_default();
        for cell in self.cells.iter().filter(|c| 2 * at.since(c.joined) >= oldest) {
            let hours = at.since(cell.joined).as_secs_f32() / 3600.0;
            let weight = 1.0 + hours.min(OLD_H);
            let verdict = verdicts[cell.number as usize];
            all += weight;
            judged += if verdict == Verdict::Unknown { 0.0 } else { weight };
            changed += if verdict == Verdict::Changed { weight } else { 0.0 };
        }
        // Infrared that has never shown it: the changed cells must be enough of all cells.
        let blind = bank == INFRARED && !self.was_seen_in(bank);
        let share = changed / if blind { all } else { judged }.max(1.0);
        let usual = self.usual[bank];
        let enough = if usual > 0.0 { SEEN_SHARE.min(SEEN_OF_USUAL * usual) } else { SEEN_SHARE };
        let few = (ABSENT_OF_ENOUGH * enough).max(ABSENT_OF_USUAL * usual).min(enough);
        self.seen = if judged < JUDGED_SHARE * all {
            Seen::Unknown
        } else if share >= enough {
            Seen::Yes
        } else if share <= few && (bank != INFRARED || usual >= TELLING) {
            Seen::No
        } else {
            Seen::Unknown
        };
        if bank == INFRARED && judged >= JUDGED_SHARE * all {
            let shown = (self.by_infrared + 1).min(BY_INFRARED);
            self.by_infrared =
                if self.seen == Seen::Yes { shown } else { self.by_infrared.saturating_sub(1) };
        }
        match self.seen {
            Seen::Yes => {
                self.last_confirmed = at;
                self.lights |= 1 << bank;
                self.usual[bank] = if usual > 0.0 { usual + 0.2 * (share - usual) } else { share };
                for cell in &mut self.cells {
                    if verdicts[cell.number as usize] == Verdict::Changed {
                        cell.lights |= 1 << bank;
                        cell.denied = 0;
                    }
                }
                (self.absent_inspections, self.absent_since, self.absent_lights) = (0, None, 0);
            }
            Seen::No => {
                // Each light counts for itself: the first inspection at dawn shows little of most things.
                let another = self.absent_lights & (1 << bank) == 0;
                self.absent_inspections = if another { 1 } else { self.absent_inspections + 1 };
                self.absent_lights |= 1 << bank;
                self.absent_since.get_or_insert(at);
                // Infrared shows little of many things that are there.
                if bank != INFRARED {
                    self.denied = Some(at);
                }
            }
            Seen::Unknown => self.hidden(at),
        }
        let age = self.last_confirmed.since(self.first_seen);
        let patience = (age / 16).min(ABSENT_AT_MOST);
        let long = self.absent_since.is_some_and(|since| at.since(since) >= patience);
        let settled = age >= SETTLED && self.lights.count_ones() > 1;
        let agreed = !settled || self.absent_lights.count_ones() > 1;
        self.absent_inspections < ABSENT_INSPECTIONS || !long || !agreed
    }

    /// An inspection that says nothing about it. A denied region stays denied until it is seen again.
    pub(super) fn hidden(&mut self, at: WallTime) {
        self.seen = Seen::Unknown;
        if self.denied.is_some_and(|d| d > self.last_confirmed) {
            self.denied = Some(at);
        }
    }

    /// Whether `cells` new cells beside it belong to it.
    ///
    /// All do while the region itself is just appearing. Later up to half its size do, or a quarter if it was
    /// denied within the last day. More cells are a region of their own.
    pub(super) fn absorbs(&self, cells: usize, at: WallTime) -> bool {
        let restless = self.denied.is_some_and(|d| at.since(d) < RESTLESS);
        let most = self.cells.len() / if restless { 4 } else { 2 };
        at.since(self.first_seen) < APPEARING || cells <= most
    }

    /// Drops the cells that no longer count, adds new ones and records growth.
    ///
    /// A cell that several lights have shown is dropped only when two lights deny it. Does nothing if fewer
    /// than `least` cells would remain.
    pub(super) fn reshape(
        &mut self,
        at: WallTime,
        bank: usize,
        votes: &[u8],
        new: &[u32],
        least: usize,
        all: usize,
    ) {
        let core: Vec<u32> = self.core().collect();
        let mut cells = self.cells.clone();
        cells.retain_mut(|cell| {
            let denied = votes[cell.number as usize] < OFF;
            cell.denied |= u16::from(denied) << bank;
            let held = cell.lights.count_ones() > 1 && core.binary_search(&cell.number).is_ok();
            !denied || held && cell.denied.count_ones() < 2
        });
        cells.extend(new.iter().map(|n| Cell { number: *n, lights: 1 << bank, denied: 0, joined: at }));
        cells.sort_unstable_by_key(|c| c.number);
        cells.dedup_by_key(|c| c.number);
        if cells.len() < least {
            return;
        }
        self.cells = cells;
        let share = self.core().count() as f32 / all as f32;
        let before = self.growth.last().map_or(0.0, |g| g.1);
        if share > before * GROWN {
            if self.growth.len() == MAX_STEPS {
                self.growth.remove(1);
            }
            self.growth.push((at, share));
        }
    }
}
