//! Judges a flight and writes the files of its events: stills, and patches of the ground as it looked before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::state::{FlightInfo, KeptPatch, OpenEvent};
use crate::compare::{Comparison, Shot};
use crate::config::{Config, FlightArea};
use crate::events::{FlightEventStep, RecorderSettings};
use crate::evidence::{FlightJob, Stills, event_dir};
use crate::geo::{Accuracy, CalibrationState, Coordinates, EventPlace, gcj02_from_wgs84, rounded_degrees};
use crate::rules::{Flight, FlightEvent, FlightFinding, FlightJudge, FlightStep, PairFindings, Violation};

pub(crate) struct Judge<'a> {
    judge: FlightJudge<'a>,
    config: &'a Config,
    settings: Arc<RecorderSettings>,
    places: BTreeMap<Uuid, EventPlace>,
    /// The stills of events that the flight opens or closes.
    stills: BTreeMap<Uuid, Stills>,
}

impl<'a> Judge<'a> {
    pub fn new(
        config: &'a Config,
        settings: Arc<RecorderSettings>,
        area: &'a FlightArea,
        flight: &'a FlightInfo,
        digest: &'a str,
        open: Vec<OpenEvent>,
    ) -> Self {
        let (mut places, mut events) = (BTreeMap::new(), Vec::new());
        for OpenEvent { violation, place, ground } in open {
            places.extend(place.map(|place| (violation.id, place)));
            events.push(FlightEvent { violation, ground });
        }
        let judged = Flight {
            node: config.node.id.as_str(),
            area,
            permits: &config.map.permits,
            name: &flight.name,
            at: flight.at,
            digest,
        };
        let judge = FlightJudge::new(judged, events);
        Self { judge, config, settings, places, stills: BTreeMap::new() }
    }

    /// Judges a pair of pictures. Returns how the ground of its events looked before, written to files in
    /// `folder`.
    ///
    /// # Errors
    /// Such a file cannot be written.
    pub fn push(
        &mut self,
        pair: &Comparison,
        earlier: &FlightInfo,
        after: &Shot,
        folder: &Path,
    ) -> std::io::Result<Vec<KeptPatch>> {
        let PairFindings { gone, opened, ground } = self.judge.push(pair, &earlier.name, after);
        for (event, rect) in gone {
            let stills = self.settings.stills.write_gone(&self.dir(event), &pair.after, rect);
            self.stills.insert(event, stills);
        }
        for (event, finding) in opened {
            let outline = &finding.facts.region.outline;
            let job = FlightJob { before: &pair.before, after: &pair.after, outline, rect: finding.rect };
            let stills = self.settings.stills.write_flights(&self.dir(event), &job);
            self.stills.insert(event, stills);
            self.places.extend(place(&finding, self.config.map.gcj02).map(|place| (event, place)));
        }
        std::fs::create_dir_all(folder)?;
        let folder_name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut kept = Vec::new();
        for (event, (changes, patches)) in ground {
            let name = format!("{}-{event}.png", after.name);
            if let Some(patch) = pair.save_baseline(event, &changes, &patches, &folder.join(&name))? {
                kept.push(KeptPatch { event, file: format!("{folder_name}/{name}"), rect: patch.rect });
            }
        }
        Ok(kept)
    }

    /// Brings the open events up to date: people may have decided about them since the flight began.
    pub fn refresh(&mut self, now: &[OpenEvent]) {
        let now: Vec<Violation> = now.iter().map(|open| open.violation.clone()).collect();
        self.judge.refresh(&now);
    }

    /// How many events were too many to open.
    pub fn left_out(&self) -> usize {
        self.judge.left_out()
    }

    /// The folders of the events that the flight opens; they are deleted if it is not accepted.
    pub fn folders(&self) -> Vec<PathBuf> {
        self.judge.opened().map(|event| self.dir(event)).collect()
    }

    /// The steps of the flight's events, and the events that stay open: see [`FlightJudge::finish`].
    pub fn finish(
        mut self,
        decided: &BTreeSet<Uuid>,
        held: &BTreeSet<Uuid>,
    ) -> (Vec<FlightEventStep>, Vec<OpenEvent>) {
        let (steps, open) = self.judge.finish(decided, held);
        let places = &self.places;
        let mut step = |FlightStep { violation, size }: FlightStep| {
            let place = places.get(&violation.id).cloned();
            let stills = self.stills.remove(&violation.id).unwrap_or_default();
            FlightEventStep { violation, place, stills, size, decision: None }
        };
        let steps = steps.into_iter().map(&mut step).collect();
        let open = open.into_iter().map(|FlightEvent { violation, ground }| {
            let place = places.get(&violation.id).cloned();
            OpenEvent { violation, place, ground }
        });
        (steps, open.collect())
    }

    fn dir(&self, event: Uuid) -> PathBuf {
        event_dir(&self.config.node.data_dir, event)
    }
}

fn place(finding: &FlightFinding, gcj02: bool) -> Option<EventPlace> {
    let (at, outline) = finding.on_map.as_ref()?;
    let position = Coordinates::rounded(at.lon, at.lat, at.alt);
    let mut ring: Vec<[f64; 2]> = outline.iter().copied().map(rounded_degrees).collect();
    ring.push(*ring.first()?);
    let (lon, lat) = gcj02_from_wgs84(at.lon, at.lat);
    Some(EventPlace {
        position,
        accuracy: at.accuracy.map(Accuracy::rounded),
        method: at.method,
        calibration: CalibrationState::Valid,
        footprint: Some(ring),
        gcj02: gcj02.then(|| rounded_degrees([lon, lat])),
        objects: vec![Some(position)],
    })
}
