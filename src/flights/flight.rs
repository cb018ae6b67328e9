//! One flight, from its folder to its record.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::inbox::{self, Dropped};
use super::judge::Judge;
use super::service::FlightService;
use super::state::{AreaState, FlightInfo, KeptPicture, area_folder, flight_shots};
use crate::base::{WallTime, error_chain};
use crate::compare::{Options, Shot, TableError, Unusable, compare, pair, stay_on_this_thread};
use crate::config::FlightArea;
use crate::geo::overlap;
use crate::outbox::OutboxError;

/// The smallest change if no rule sets one, in square metres.
const LEAST_M2: f64 = 12.0;
/// The most pictures of one flight: more than one battery gives, and a bound for memory.
const MAX_PICTURES: usize = 3000;

/// Why a flight was not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FlightError {
    #[error("the node stops")]
    Stopped,
    #[error("its files cannot be read or copied")]
    Files(#[from] std::io::Error),
    #[error("its table of places cannot be used")]
    Table(#[from] TableError),
    #[error("{0} pictures are more than {MAX_PICTURES}: drop it in parts")]
    TooMany(usize),
    #[error("none of its pictures can be used: {0}")]
    Nothing(String),
    #[error("none of its pictures has a place, and the area's rules are about zones on the map: {0}")]
    NoPlace(String),
    #[error(
        "its files are of {at}, before the last accepted flight, {flight} of {last}: flights are compared in the order in which \
         they were flown. If only the times are wrong, `touch` the files"
    )]
    Older { at: WallTime, flight: String, last: WallTime },
    #[error("nothing of it can be compared with the last accepted flight, {flight}: {why}")]
    NoPair { flight: String, why: String },
    #[error("only {compared} of {pairs} pairs of pictures could be compared: {why}")]
    TooFew { compared: usize, pairs: usize, why: String },
    #[error("the state of earlier flights cannot be read")]
    State(#[from] OutboxError),
}

impl FlightService {
    /// Compares a flight and records its events. Returns a summary for people.
    pub(crate) fn compare(&self, area: &FlightArea, dropped: &Dropped) -> Result<String, FlightError> {
        let folder = area_folder(&self.data_dir, &area.id);
        let digest = inbox::digest(&dropped.path)?;
        let state = {
            let _held = self.lock();
            self.state(&area.id)?
        };
        if state.taken.contains(&digest) {
            return Ok("the same pictures were compared before".to_owned());
        }
        let (own, patches) = (folder.join(&digest), folder.join(format!("{digest}-looks")));
        let flight = FlightInfo { name: dropped.name.clone(), at: dropped.at };
        inbox::copy_in(&dropped.path, &own).inspect_err(|_| remove(&own))?;
        let job = Job {
            service: self,
            area,
            folder: &folder,
            own: &own,
            patches: &patches,
            digest: &digest,
            flight,
        };
        if let Err(error) = stay_on_this_thread() {
            tracing::warn!("{error}");
        }
        let done = job.run(state);
        if done.is_err() {
            for folder in [&own, &patches] {
                remove(folder);
            }
        }
        done
    }
}

struct Job<'a> {
    service: &'a FlightService,
    area: &'a FlightArea,
    /// Folders of the area, of this flight's pictures, and of its patches of places before events.
    folder: &'a Path,
    own: &'a Path,
    patches: &'a Path,
    digest: &'a str,
    flight: FlightInfo,
}

/// Counts of the compared pairs of pictures.
#[derive(Default)]
struct Compared {
    pairs: usize,
    compared: usize,
    differences: usize,
    /// Pictures without a comparison: of new ground, damaged, or not registered.
    alone: Vec<Unusable>,
}

impl Job<'_> {
    fn run(&self, state: AreaState) -> Result<String, FlightError> {
        let dem = self.service.sites.dem();
        let (shots, alone) = flight_shots(self.own, &self.area.drone(), dem.as_ref())?;
        fit(self.area, &shots, &alone)?;
        let kept = |shot: &Shot| KeptPicture {
            digest: self.digest.to_owned(),
            file: shot.name.clone(),
            flight: self.flight.clone(),
            patches: Vec::new(),
        };
        let newest = state.pictures.iter().map(|kept| &kept.flight).max_by_key(|flight| flight.at);
        if let Some(last) = newest.filter(|last| self.flight.at < last.at) {
            let (at, flight) = (self.flight.at, last.name.clone());
            return Err(FlightError::Older { at, flight, last: last.at });
        }
        let mut pictures: Vec<KeptPicture> = shots.iter().map(kept).collect();
        if state.pictures.is_empty() {
            return self.first(AreaState { pictures, ..state }, &alone);
        }
        let (numbers, before): (Vec<usize>, Vec<Shot>) =
            state.shots(self.folder, &self.area.drone(), dem.as_ref())?.into_iter().unzip();
        let settings = self.service.recorder.settings();
        let config = Arc::clone(&settings.config);
        let mut judge =
            Judge::new(&config, settings, self.area, &self.flight, self.digest, state.events.clone());
        let flights: Vec<&FlightInfo> = numbers.iter().map(|n| &state.pictures[*n].flight).collect();
        let compared = self.pairs(&mut judge, (&before, &flights), &shots, alone, &mut pictures);
        let written = judge.folders();
        let done = compared.and_then(|compared| {
            // Keep the earlier pictures of ground that this flight does not show.
            let shown: Vec<_> =
                shots.iter().filter_map(|shot| shot.georeference.footprint(shot.size)).collect();
            for (n, shot) in numbers.iter().zip(&before) {
                let Some(own) = shot.georeference.footprint(shot.size) else { continue };
                if !shown.iter().any(|new| overlap(&own, new) > 0.5) {
                    pictures.push(state.pictures[*n].clone());
                }
            }
            self.conclude(judge, &state, pictures, compared)
        });
        if done.is_err() {
            written.iter().for_each(|dir| remove(dir));
        }
        done
    }

    /// Accepts the first flight of an area: there is nothing to compare with.
    fn first(&self, mut state: AreaState, alone: &[Unusable]) -> Result<String, FlightError> {
        state.took(self.digest);
        let pictures = state.pictures.len();
        let _held = self.service.lock();
        if !self.service.recorder.record_flight(self.area, Vec::new(), state.stored(&self.area.id)) {
            return Err(FlightError::Stopped);
        }
        state.tidy(self.folder);
        Ok(words("the first flight of the area", pictures, alone))
    }

    fn pairs(
        &self,
        judge: &mut Judge<'_>,
        (before, flights): (&[Shot], &[&FlightInfo]),
        after: &[Shot],
        mut alone: Vec<Unusable>,
        pictures: &mut [KeptPicture],
    ) -> Result<Compared, FlightError> {
        let paired = pair(before, after);
        alone.extend(paired.alone);
        let least = self.area.rules.iter().map(|rule| rule.area_m2.0.unwrap_or(LEAST_M2)).fold(1e6, f64::min);
        let options = Options { min_area_m2: least.max(1.0), aligned: false };
        let mut detector = self.service.detector();
        let mut done = Compared { pairs: paired.pairs.len(), alone, ..Compared::default() };
        for (b, a) in paired.pairs {
            if self.service.stop.is_stopped() {
                return Err(FlightError::Stopped);
            }
            let (earlier, later) = (&before[b], &after[a]);
            match compare(earlier, later, &options, detector.as_mut()) {
                Ok(found) => {
                    done.compared += 1;
                    done.differences += found.changes.len();
                    for note in &found.notes {
                        tracing::warn!(area = %self.area.id, flight = self.flight.name, picture = later.name, "{note}");
                    }
                    pictures[a].patches = judge.push(&found, flights[b], later, self.patches)?;
                }
                Err(error) => {
                    let name = format!("{} and {}", earlier.name, later.name);
                    done.alone.push(Unusable { name, why: error_chain(&error) });
                }
            }
        }
        let why = first_of(&done.alone);
        match done.compared {
            _ if done.pairs == 0 => {
                let flight = flights.first().map_or_else(String::new, |flight| flight.name.clone());
                Err(FlightError::NoPair { flight, why })
            }
            compared if compared * 2 < done.pairs => {
                Err(FlightError::TooFew { compared, pairs: done.pairs, why })
            }
            _ => Ok(done),
        }
    }

    /// Records the flight as the last accepted one, with its events.
    fn conclude(
        &self,
        mut judge: Judge<'_>,
        state: &AreaState,
        mut pictures: Vec<KeptPicture>,
        compared: Compared,
    ) -> Result<String, FlightError> {
        for item in &compared.alone {
            tracing::warn!(area = %self.area.id, flight = self.flight.name, picture = item.name, "not compared: {}", item.why);
        }
        let with_patch: BTreeSet<Uuid> =
            pictures.iter().flat_map(|kept| &kept.patches).map(|patch| patch.event).collect();
        let _held = self.service.lock();
        // People may have decided in the meantime.
        let fresh = self.service.state(&self.area.id)?;
        let open: BTreeSet<Uuid> = fresh.events.iter().map(|open| open.violation.id).collect();
        let before = state.events.iter().map(|event| event.violation.id);
        let decided: BTreeSet<Uuid> = before.filter(|event| !open.contains(event)).collect();
        judge.refresh(&fresh.events);
        let left_out = judge.left_out();
        if left_out > 0 {
            tracing::error!(
                area = %self.area.id, flight = self.flight.name, left_out,
                "more differences than one flight may report; is it another season, or badly registered?"
            );
        }
        let (steps, events) = judge.finish(&decided, &with_patch);
        let open: BTreeSet<Uuid> = events.iter().map(|open| open.violation.id).collect();
        pictures.iter_mut().for_each(|kept| kept.patches.retain(|patch| open.contains(&patch.event)));
        let mut next = AreaState { pictures, events, taken: fresh.taken };
        next.took(self.digest);
        let reported = steps.len();
        if !self.service.recorder.record_flight(self.area, steps, next.stored(&self.area.id)) {
            return Err(FlightError::Stopped);
        }
        next.tidy(self.folder);
        let Compared { pairs, compared, differences, alone } = compared;
        let mut summary = format!(
            "{compared} of {pairs} pairs of pictures compared, {differences} differences, {reported} steps of events"
        );
        if left_out > 0 {
            summary.push_str(&format!(", {left_out} events too many to report"));
        }
        Ok(words(&summary, next.pictures.len(), &alone))
    }
}

fn remove(folder: &Path) {
    if folder.exists()
        && let Err(error) = std::fs::remove_dir_all(folder)
    {
        tracing::warn!(folder = %folder.display(), "what was written for a flight is not deleted: {error}");
    }
}

fn fit(area: &FlightArea, shots: &[Shot], alone: &[Unusable]) -> Result<(), FlightError> {
    if shots.is_empty() || alone.len() > shots.len() {
        return Err(FlightError::Nothing(first_of(alone)));
    }
    if shots.len() > MAX_PICTURES {
        return Err(FlightError::TooMany(shots.len()));
    }
    let by_place = area.rules.iter().all(|rule| !rule.zones.is_empty());
    if by_place && shots.iter().all(|shot| shot.unplaced.is_some()) {
        return Err(FlightError::NoPlace(shots[0].unplaced.clone().unwrap_or_default()));
    }
    Ok(())
}

fn first_of(alone: &[Unusable]) -> String {
    let more = alone.len().saturating_sub(1);
    let first = alone.first().map_or_else(String::new, |item| format!("{}: {}", item.name, item.why));
    if more == 0 { first } else { format!("{first} (and {more} more)") }
}

fn words(summary: &str, pictures: usize, alone: &[Unusable]) -> String {
    let mut text = format!("{summary}; {pictures} pictures are kept to compare later flights with");
    for item in alone {
        text.push_str(&format!("\nnot compared: {}: {}", item.name, item.why));
    }
    text
}
