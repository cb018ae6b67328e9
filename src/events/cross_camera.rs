//! Merges the events of several cameras that see the same object into one shared event.
//!
//! Takes: a camera's step with its place. Gives: the step to publish, if any, and the state to store. The
//! event belongs to the first camera and names the others with their evidence. It stays open while one camera
//! sees the object. Messages are numbered here, because the rules of two cameras do not know of each other.
//! When full: does not queue. On failure: an event without a place is never merged. The state goes into the
//! transaction of the step that changed it, so a restart continues from there.
//! Not here: committing (`journal`), deciding (`rules`).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::base::CameraId;
use crate::geo::{EventPlace, Geodetic};
use crate::rules::{Transition, Violation};
use crate::wire::SeenBy;

/// Prefix of a shared event's key in the outbox's state. The name is older than the type.
pub(crate) const SHARED_EVENT_PREFIX: &str = "thing/";
/// A position error counts up to this much. Far from the camera a larger one would merge unrelated objects.
const LARGEST_ERROR_M: f64 = 10.0;

/// No camera joins an event that was silent for this long: its own camera may be gone.
const FORGOTTEN: Duration = Duration::from_secs(26 * 3600);

/// One event of an object that several cameras may see.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SharedEvent {
    /// The last published step, with the event's own id and camera.
    last: Violation,
    place: EventPlace,
    views: Vec<SharedView>,
}

/// One camera's part of a shared event.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct SharedView {
    camera: CameraId,
    /// The camera's own event id. Its evidence has this id.
    event: Uuid,
    open: bool,
    expected: Vec<String>,
}

/// The step to publish in place of a camera's own.
#[derive(Debug)]
pub(crate) struct MergedStep {
    pub violation: Violation,
    pub place: Option<EventPlace>,
    /// All cameras that see the object; empty if there is only one.
    pub seen_by: Vec<SeenBy>,
}

/// All open shared events, by id.
#[derive(Debug, Default)]
pub(crate) struct SharedEvents {
    same_place_m: f64,
    events: BTreeMap<Uuid, SharedEvent>,
}

/// Key and value to store with the step; `None` removes the key.
pub(crate) type Change = (String, Option<Vec<u8>>);

impl SharedEvents {
    pub fn new(same_place_m: f64) -> Self {
        Self { same_place_m, events: BTreeMap::new() }
    }

    /// Continues with the stored events.
    pub fn restore(&mut self, events: impl IntoIterator<Item = SharedEvent>) {
        self.events.extend(events.into_iter().map(|event| (event.last.id, event)));
    }

    /// Merges a camera's step: the step to publish, `None` if there is nothing new, and the state to store.
    pub fn merge(
        &mut self,
        step: &Violation,
        place: Option<EventPlace>,
        expected: &[String],
    ) -> (Option<MergedStep>, Vec<Change>) {
        let of = |t: &SharedEvent| t.views.iter().any(|v| v.event == step.id);
        let known = self.events.iter().find(|(_, t)| of(t)).map(|(id, _)| *id);
        match (known, step.transition, place) {
            (Some(id), Transition::Closed | Transition::Expired, place) => self.end(id, step, place),
            (Some(id), _, place) => self.go_on(id, step, place),
            (None, Transition::Opened, Some(place)) if self.same_place_m > 0.0 => {
                match self.same(step, &place) {
                    Some(id) => self.join(id, step, expected),
                    None => self.begin(step, place, expected),
                }
            }
            (None, _, place) => {
                (Some(MergedStep { violation: step.clone(), place, seen_by: Vec::new() }), Vec::new())
            }
        }
    }

    /// The nearest open event of the class at this place that the camera does not see yet.
    fn same(&self, step: &Violation, place: &EventPlace) -> Option<Uuid> {
        let near = |event: &SharedEvent| {
            if step.at.since(event.last.at) > FORGOTTEN {
                return None;
            }
            let at = |p: &EventPlace| Geodetic::new(p.position.lon, p.position.lat, 0.0);
            let away = at(&event.place).distance_m(&at(place));
            let radius = |p: &EventPlace| p.accuracy.map_or(0.0, |accuracy| accuracy.semi_major_m);
            let error = radius(&event.place).hypot(radius(place));
            let other = event.last.class == step.class
                && event.views.iter().all(|v| v.camera != step.camera || !v.open);
            (other && away <= self.same_place_m + error.min(LARGEST_ERROR_M)).then_some(away)
        };
        let found = self.events.iter().filter_map(|(id, event)| Some((near(event)?, *id)));
        found.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))).map(|(_, id)| id)
    }

    fn begin(
        &mut self,
        step: &Violation,
        place: EventPlace,
        expected: &[String],
    ) -> (Option<MergedStep>, Vec<Change>) {
        let view = SharedView {
            camera: step.camera.clone(),
            event: step.id,
            open: true,
            expected: expected.to_vec(),
        };
        let event = SharedEvent { last: step.clone(), place, views: vec![view] };
        let merged = event.merged_step();
        let stored = vec![event.stored()];
        self.events.insert(step.id, event);
        (Some(merged), stored)
    }

    fn join(&mut self, id: Uuid, step: &Violation, expected: &[String]) -> (Option<MergedStep>, Vec<Change>) {
        let event = self.events.get_mut(&id).expect("found before");
        event.views.push(SharedView {
            camera: step.camera.clone(),
            event: step.id,
            open: true,
            expected: expected.to_vec(),
        });
        let reason = format!("{}; camera {} sees it too", event.last.reason, step.camera);
        event.last = Violation {
            transition: Transition::Updated,
            revision: event.last.revision + 1,
            at: step.at,
            last_seen: event.last.last_seen.max(step.last_seen),
            confidence: event.last.confidence.max(step.confidence),
            reason,
            ..event.last.clone()
        };
        (Some(event.merged_step()), vec![event.stored()])
    }

    /// Publishes the first camera's updates. Those of the others would repeat them.
    fn go_on(
        &mut self,
        id: Uuid,
        step: &Violation,
        place: Option<EventPlace>,
    ) -> (Option<MergedStep>, Vec<Change>) {
        let event = self.events.get_mut(&id).expect("found before");
        if step.id != id && step.permit.is_none() {
            return (None, Vec::new());
        }
        event.update(step, place);
        (Some(event.merged_step()), vec![event.stored()])
    }

    /// The event ends when no camera sees the object, or when a person rejects it.
    fn end(
        &mut self,
        id: Uuid,
        step: &Violation,
        place: Option<EventPlace>,
    ) -> (Option<MergedStep>, Vec<Change>) {
        let event = self.events.get_mut(&id).expect("found before");
        for view in event.views.iter_mut().filter(|v| v.event == step.id) {
            view.open = false;
        }
        if event.views.iter().any(|v| v.open) && !step.rejected {
            return (None, vec![event.stored()]);
        }
        event.update(step, place);
        let merged = event.merged_step();
        let key = event.key();
        self.events.remove(&id);
        (Some(merged), vec![(key, None)])
    }
}

impl SharedEvent {
    /// Applies a step of any of the cameras to the event.
    fn update(&mut self, step: &Violation, place: Option<EventPlace>) {
        let revision = self.last.revision + 1;
        if step.id == self.last.id {
            self.last = Violation { revision, ..step.clone() };
            self.place = place.unwrap_or_else(|| self.place.clone());
        } else {
            self.last = Violation {
                revision,
                transition: step.transition,
                at: step.at,
                last_seen: self.last.last_seen.max(step.last_seen),
                permit: step.permit.clone().or_else(|| self.last.permit.clone()),
                rejected: step.rejected,
                reason: format!("camera {}: {}", step.camera, step.reason),
                ..self.last.clone()
            };
        }
    }

    fn merged_step(&self) -> MergedStep {
        let seen_by = |view: &SharedView| SeenBy {
            camera: view.camera.to_string(),
            evidence: view.event,
            expected: view.expected.clone(),
        };
        let several = self.views.len() > 1;
        let seen_by = if several { self.views.iter().map(seen_by).collect() } else { Vec::new() };
        MergedStep { violation: self.last.clone(), place: Some(self.place.clone()), seen_by }
    }

    fn key(&self) -> String {
        format!("{SHARED_EVENT_PREFIX}{}", self.last.id)
    }

    fn stored(&self) -> Change {
        (self.key(), serde_json::to_vec(self).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::Method;
    use crate::geo::{Accuracy, CalibrationState, Coordinates};

    fn step(camera: &str, number: u8, transition: Transition, revision: u32) -> Violation {
        let id = uuid::Builder::from_unix_timestamp_millis(1_795_321_800_000, &[number; 10]).into_uuid();
        Violation::step_of(id, camera, transition, revision)
    }

    /// A place `east_m` metres east of a fixed point.
    fn at(east_m: f64) -> Option<EventPlace> {
        let position = Coordinates { lon: 120.1 + east_m / 96_300.0, lat: 30.2, alt: Some(0.0) };
        Some(EventPlace {
            position,
            accuracy: Some(Accuracy { semi_major_m: 1.0, semi_minor_m: 0.5, azimuth_deg: 0.0 }),
            method: Method::PoseDem,
            calibration: CalibrationState::Valid,
            footprint: None,
            gcj02: None,
            objects: Vec::new(),
        })
    }

    fn merge(
        shared: &mut SharedEvents,
        step: &Violation,
        place: Option<EventPlace>,
    ) -> Option<(String, u32, Transition, usize)> {
        let (merged, _) = shared.merge(step, place, &["clip".to_owned()]);
        merged.map(|t| {
            (t.violation.camera.to_string(), t.violation.revision, t.violation.transition, t.seen_by.len())
        })
    }

    #[test]
    fn two_cameras_that_see_one_object_share_one_event() {
        use Transition::{Closed, Opened, Updated};
        let mut shared = SharedEvents::new(3.0);
        let a = |t, r| step("a", 1, t, r);
        let b = |t, r| step("b", 2, t, r);
        assert_eq!(merge(&mut shared, &a(Opened, 0), at(0.0)), Some(("a".into(), 0, Opened, 0)));
        assert_eq!(merge(&mut shared, &step("b", 9, Opened, 0), at(30.0)), Some(("b".into(), 0, Opened, 0)));
        assert_eq!(merge(&mut shared, &b(Opened, 0), at(2.0)), Some(("a".into(), 1, Updated, 2)));
        assert_eq!(merge(&mut shared, &b(Updated, 1), at(2.0)), None);
        assert_eq!(merge(&mut shared, &a(Updated, 1), at(0.0)), Some(("a".into(), 2, Updated, 2)));

        // A restart in the middle changes nothing.
        let stored: Vec<SharedEvent> = shared
            .events
            .values()
            .map(|t| serde_json::from_slice(&t.stored().1.expect("stored")).expect("JSON"))
            .collect();
        let mut shared = SharedEvents::new(3.0);
        shared.restore(stored);
        assert_eq!(merge(&mut shared, &a(Closed, 2), at(0.0)), None, "the other camera still sees it");
        assert_eq!(merge(&mut shared, &b(Closed, 2), at(2.0)), Some(("a".into(), 3, Closed, 2)));
        assert_eq!(shared.events.len(), 1);
    }

    #[test]
    fn objects_of_one_camera_of_other_classes_or_without_a_place_stay_apart() {
        let mut shared = SharedEvents::new(3.0);
        let open = |camera, number| step(camera, number, Transition::Opened, 0);
        merge(&mut shared, &open("a", 1), at(0.0));
        assert_eq!(merge(&mut shared, &open("a", 2), at(0.5)).map(|t| t.2), Some(Transition::Opened));
        let other = Violation { class: "exposed_garbage".into(), ..open("b", 3) };
        assert_eq!(merge(&mut shared, &other, at(0.5)).map(|t| t.2), Some(Transition::Opened));
        assert_eq!(merge(&mut shared, &open("b", 4), None).map(|t| t.2), Some(Transition::Opened));
        let mut apart = SharedEvents::new(0.0);
        merge(&mut apart, &open("a", 1), at(0.0));
        assert_eq!(merge(&mut apart, &open("b", 2), at(0.0)).map(|t| t.2), Some(Transition::Opened));
    }

    #[test]
    fn people_who_reject_it_end_it_for_all_cameras() {
        let mut shared = SharedEvents::new(3.0);
        merge(&mut shared, &step("a", 1, Transition::Opened, 0), at(0.0));
        merge(&mut shared, &step("b", 2, Transition::Opened, 0), at(0.0));
        let rejected = Violation { rejected: true, ..step("a", 1, Transition::Closed, 1) };
        assert_eq!(merge(&mut shared, &rejected, at(0.0)), Some(("a".into(), 2, Transition::Closed, 2)));
        assert!(shared.events.is_empty());
    }
}
