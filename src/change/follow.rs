//! From verdicts to regions: votes, how they update known regions, and which regions are new.

use super::bank::INFRARED;
use super::change_region::Seen;
use super::clusters::find;
use super::grid::Grid;
use super::region::{MAX_REGIONS, Region};
use super::vote::{Verdict, colour_shares};
use super::watcher::{ChangeWatcher, Inspection};
use super::workbench::Workbench;
use crate::base::WallTime;

/// What a changed cell gains in votes: three inspections make a region.
const UP: u8 = 64;
/// What an unchanged cell loses.
const DOWN: u8 = 48;

impl ChangeWatcher {
    pub(super) fn vote(&mut self, verdicts: &mut [Verdict], at: WallTime, bank: usize, grid: Grid) {
        if bank == INFRARED {
            // Infrared cannot deny a region that it has never shown.
            for region in self.memory.regions.iter().filter(|r| !r.was_seen_in(bank)) {
                for i in region.cells.iter().map(|c| c.number as usize) {
                    let verdict = &mut verdicts[i];
                    *verdict = if *verdict == Verdict::Changed { *verdict } else { Verdict::Unknown };
                }
            }
        }
        // Infrared shows less of most things. It may deny a whole region, but not parts of one.
        let held = if bank == INFRARED { self.known(grid, 0) } else { Vec::new() };
        for (i, (vote, verdict)) in self.votes.iter_mut().zip(verdicts.iter()).enumerate() {
            *vote = match verdict {
                Verdict::Changed => vote.saturating_add(UP),
                Verdict::Same if !held.get(i).is_some_and(|h| *h) => vote.saturating_sub(DOWN),
                Verdict::Same | Verdict::Unknown => *vote,
            };
        }
        self.memory.judged.push(at);
        if self.memory.judged.len() > 3 {
            self.memory.judged.remove(0);
        }
    }

    pub(super) fn follow(
        &mut self,
        verdicts: &[Verdict],
        at: WallTime,
        bank: usize,
        grid: Grid,
        inspection: &mut Inspection,
    ) {
        let (votes, banks) = (&mut self.votes, &mut self.banks);
        self.memory.regions.retain_mut(|region| {
            let stays = region.judge(at, bank, verdicts);
            if !stays {
                region.cells.iter().for_each(|c| votes[c.number as usize] = 0);
                // Either a thing left, or it was a light that will return on a similar day.
                let seen = banks.iter_mut().enumerate().filter(|(b, _)| region.was_seen_in(*b));
                for bank in seen.filter_map(|(_, bank)| bank.as_mut()) {
                    region.cells.iter().for_each(|c| bank.beware(c.number as usize));
                }
            }
            stays
        });
        let mut owner = vec![0u32; grid.cells()];
        for region in &self.memory.regions {
            region.cells.iter().for_each(|c| owner[c.number as usize] = region.id);
        }
        let least = (self.settings.min_share * grid.cells() as f32).ceil() as usize;
        let mut found = find(&self.votes, &owner, grid.columns(), grid.rows());
        for (cells, touched) in &mut found {
            let owner = self.memory.regions.iter().find(|r| Some(r.id) == *touched);
            *touched = owner.filter(|r| r.absorbs(cells.len(), at)).map(|r| r.id);
        }
        for region in self.memory.regions.iter_mut().filter(|r| r.seen == Seen::Yes && bank != INFRARED) {
            let new: Vec<u32> =
                found.iter().filter(|f| f.1 == Some(region.id)).flat_map(|f| f.0.iter().copied()).collect();
            region.reshape(at, bank, &self.votes, &new, least, grid.cells());
        }
        let seen = self.memory.regions.iter_mut().filter(|r| r.seen == Seen::Yes && bank != INFRARED);
        let given: Vec<Region> = seen.flat_map(|r| r.split(grid, least)).collect();
        let room = MAX_REGIONS.saturating_sub(self.memory.regions.len());
        for part in given.into_iter().take(room) {
            self.memory.last_id += 1;
            self.memory.regions.push(Region { id: self.memory.last_id, ..part });
        }
        for (cells, _) in found.into_iter().filter(|f| f.1.is_none() && f.0.len() >= least) {
            if self.memory.regions.len() >= MAX_REGIONS {
                inspection.crowded = true;
                break;
            }
            self.memory.last_id += 1;
            let first_seen = self.memory.judged.first().copied().unwrap_or(at);
            let mut region = Region::new(self.memory.last_id, first_seen, at, bank);
            region.reshape(first_seen, bank, &self.votes, &cells, 0, grid.cells());
            self.memory.regions.push(region);
        }
    }

    /// Measures colour and brightness of the regions that are visible.
    pub(super) fn measure(&mut self, verdicts: &[Verdict], bank: usize, bench: &Workbench) {
        let Some(bank) = self.banks[bank].as_ref().filter(|_| !bench.cells.grey) else { return };
        let d = &bench.difference;
        let mean = |v: &[u8]| v.iter().map(|l| u32::from(*l)).sum::<u32>() as f32 / v.len().max(1) as f32;
        let (now, then) = (mean(&bench.cells.luma).max(1.0), mean(&bank.luma).max(1.0));
        for region in self.memory.regions.iter_mut().filter(|r| r.seen == Seen::Yes) {
            let changed =
                region.cells.iter().map(|c| c.number as usize).filter(|i| verdicts[*i] == Verdict::Changed);
            let (mut n, mut bared, mut a, mut b) = (0.0f32, 0.0f32, 0.0f32, 0.0f32);
            let mut tint = [0.0f32; 2];
            for i in changed {
                n += 1.0;
                let colours = colour_shares(bank, d, &bench.cells, i);
                tint.iter_mut().zip(colours).for_each(|(t, c)| *t += c);
                // Was green, and has lost more green than a change of light explains.
                let was_green = f32::from(bank.green_magenta[i]) < -8.0;
                bared += if was_green { (d.green_magenta[i] / 0.3).clamp(0.0, 1.0) } else { 0.0 };
                a += f32::from(bench.cells.luma[i]);
                b += f32::from(bank.luma[i]);
            }
            if n > 0.0 {
                let blend = |old: f32, new: f32| old + 0.25 * (new - old);
                region.tint.iter_mut().zip(tint).for_each(|(old, new)| *old = blend(*old, new / n));
                region.bared = blend(region.bared, bared / n);
                region.brighter = blend(region.brighter, (a / now) / (b / then).max(0.05));
            }
        }
    }
}
