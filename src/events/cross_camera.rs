//! One thing that several cameras see is one event: the first camera's, which names the others with their evidence.
//!
//! The event lives as long as one camera sees the thing. Its messages are numbered here, because two cameras' rules do not
//! know of each other. What is kept of it goes into the transaction of the step that changed it, so a restart goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::base::CameraId;
use crate::geo::{EventPlace, Geodetic};
use crate::rules::{Transition, Violation};
use crate::wire::SeenBy;

/// In front of every thing's key in the outbox's state.
pub(crate) const SHARED_EVENT_PREFIX: &str = "thing/";
/// Errors larger than this do not make things one: far away, everything may be everything.
const LARGEST_ERROR_M: f64 = 10.0;

/// An event of which nothing was told for so long is not joined: its camera may be gone.
const FORGOTTEN: Duration = Duration::from_secs(26 * 3600);

/// A thing that is told as one event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SharedEvent {
    /// As it was last told, under the event's own id and of its own camera.
    last: Violation,
    place: EventPlace,
    views: Vec<View>,
}

/// What one camera has of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct View {
    camera: CameraId,
    /// The camera's own id for it, which its evidence is under.
    event: Uuid,
    open: bool,
    expected: Vec<String>,
}

/// What is told instead of a step.
#[derive(Debug)]
pub(crate) struct MergedStep {
    pub violation: Violation,
    pub place: Option<EventPlace>,
    /// The cameras that see it, if they are several.
    pub seen_by: Vec<SeenBy>,
}

/// All things that are open, by the id of their event.
#[derive(Debug, Default)]
pub(crate) struct SharedEvents {
    same_place_m: f64,
    things: BTreeMap<Uuid, SharedEvent>,
}

/// A thing that changed and must be stored with the step; `None`: it is gone.
pub(crate) type Change = (String, Option<Vec<u8>>);

impl SharedEvents {
    pub fn new(same_place_m: f64) -> Self {
        Self { same_place_m, things: BTreeMap::new() }
    }

    /// Goes on with what was stored.
    pub fn restore(&mut self, things: impl IntoIterator<Item = SharedEvent>) {
        self.things.extend(things.into_iter().map(|thing| (thing.last.id, thing)));
    }

    /// What a camera's step means for the thing: what is to be told, `None` if nothing is, and what is to be stored.
    pub fn merge(
        &mut self,
        step: &Violation,
        place: Option<EventPlace>,
        expected: &[String],
    ) -> (Option<MergedStep>, Vec<Change>) {
        let of = |t: &SharedEvent| t.views.iter().any(|v| v.event == step.id);
        let known = self.things.iter().find(|(_, t)| of(t)).map(|(id, _)| *id);
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

    /// The open thing of the class that is there, and that this camera does not see yet; the nearest.
    fn same(&self, step: &Violation, place: &EventPlace) -> Option<Uuid> {
        let near = |thing: &SharedEvent| {
            if step.at.since(thing.last.at) > FORGOTTEN {
                return None;
            }
            let at = |p: &EventPlace| Geodetic::new(p.position.lon, p.position.lat, 0.0);
            let away = at(&thing.place).distance_m(&at(place));
            let radius = |p: &EventPlace| p.accuracy.map_or(0.0, |accuracy| accuracy.semi_major_m);
            let error = radius(&thing.place).hypot(radius(place));
            let other = thing.last.class == step.class
                && thing.views.iter().all(|v| v.camera != step.camera || !v.open);
            (other && away <= self.same_place_m + error.min(LARGEST_ERROR_M)).then_some(away)
        };
        let found = self.things.iter().filter_map(|(id, thing)| Some((near(thing)?, *id)));
        found.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))).map(|(_, id)| id)
    }

    fn begin(
        &mut self,
        step: &Violation,
        place: EventPlace,
        expected: &[String],
    ) -> (Option<MergedStep>, Vec<Change>) {
        let view =
            View { camera: step.camera.clone(), event: step.id, open: true, expected: expected.to_vec() };
        let thing = SharedEvent { last: step.clone(), place, views: vec![view] };
        let told = thing.telling();
        let stored = vec![thing.stored()];
        self.things.insert(step.id, thing);
        (Some(told), stored)
    }

    fn join(&mut self, id: Uuid, step: &Violation, expected: &[String]) -> (Option<MergedStep>, Vec<Change>) {
        let thing = self.things.get_mut(&id).expect("found before");
        thing.views.push(View {
            camera: step.camera.clone(),
            event: step.id,
            open: true,
            expected: expected.to_vec(),
        });
        let reason = format!("{}; camera {} sees it too", thing.last.reason, step.camera);
        thing.last = Violation {
            transition: Transition::Updated,
            revision: thing.last.revision + 1,
            at: step.at,
            last_seen: thing.last.last_seen.max(step.last_seen),
            confidence: thing.last.confidence.max(step.confidence),
            reason,
            ..thing.last.clone()
        };
        (Some(thing.telling()), vec![thing.stored()])
    }

    /// The first camera's updates are told; the others' would say the same again.
    fn go_on(
        &mut self,
        id: Uuid,
        step: &Violation,
        place: Option<EventPlace>,
    ) -> (Option<MergedStep>, Vec<Change>) {
        let thing = self.things.get_mut(&id).expect("found before");
        if step.id != id && step.permit.is_none() {
            return (None, Vec::new());
        }
        thing.update(step, place);
        (Some(thing.telling()), vec![thing.stored()])
    }

    /// Over once no camera sees it, or once people say so.
    fn end(
        &mut self,
        id: Uuid,
        step: &Violation,
        place: Option<EventPlace>,
    ) -> (Option<MergedStep>, Vec<Change>) {
        let thing = self.things.get_mut(&id).expect("found before");
        for view in thing.views.iter_mut().filter(|v| v.event == step.id) {
            view.open = false;
        }
        if thing.views.iter().any(|v| v.open) && !step.rejected {
            return (None, vec![thing.stored()]);
        }
        thing.update(step, place);
        let told = thing.telling();
        let key = thing.key();
        self.things.remove(&id);
        (Some(told), vec![(key, None)])
    }
}

impl SharedEvent {
    /// A step of any of its cameras, as one of the event.
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

    fn telling(&self) -> MergedStep {
        let seen_by = |view: &View| SeenBy {
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

    /// So many metres east of a place.
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

    fn tell(
        things: &mut SharedEvents,
        step: &Violation,
        place: Option<EventPlace>,
    ) -> Option<(String, u32, Transition, usize)> {
        let (told, _) = things.merge(step, place, &["clip".to_owned()]);
        told.map(|t| {
            (t.violation.camera.to_string(), t.violation.revision, t.violation.transition, t.seen_by.len())
        })
    }

    #[test]
    fn two_cameras_that_see_one_thing_tell_one_event_with_both() {
        use Transition::{Closed, Opened, Updated};
        let mut things = SharedEvents::new(3.0);
        let a = |t, r| step("a", 1, t, r);
        let b = |t, r| step("b", 2, t, r);
        assert_eq!(tell(&mut things, &a(Opened, 0), at(0.0)), Some(("a".into(), 0, Opened, 0)));
        assert_eq!(tell(&mut things, &step("b", 9, Opened, 0), at(30.0)), Some(("b".into(), 0, Opened, 0)));
        assert_eq!(tell(&mut things, &b(Opened, 0), at(2.0)), Some(("a".into(), 1, Updated, 2)));
        assert_eq!(tell(&mut things, &b(Updated, 1), at(2.0)), None);
        assert_eq!(tell(&mut things, &a(Updated, 1), at(0.0)), Some(("a".into(), 2, Updated, 2)));

        // A restart in the middle changes nothing.
        let stored: Vec<SharedEvent> = things
            .things
            .values()
            .map(|t| serde_json::from_slice(&t.stored().1.expect("stored")).expect("JSON"))
            .collect();
        let mut things = SharedEvents::new(3.0);
        things.restore(stored);
        assert_eq!(tell(&mut things, &a(Closed, 2), at(0.0)), None, "the other camera still sees it");
        assert_eq!(tell(&mut things, &b(Closed, 2), at(2.0)), Some(("a".into(), 3, Closed, 2)));
        assert_eq!(things.things.len(), 1);
    }

    #[test]
    fn things_of_one_camera_of_other_classes_or_without_a_place_stay_apart() {
        let mut things = SharedEvents::new(3.0);
        let open = |camera, number| step(camera, number, Transition::Opened, 0);
        tell(&mut things, &open("a", 1), at(0.0));
        assert_eq!(tell(&mut things, &open("a", 2), at(0.5)).map(|t| t.2), Some(Transition::Opened));
        let other = Violation { class: "exposed_garbage".into(), ..open("b", 3) };
        assert_eq!(tell(&mut things, &other, at(0.5)).map(|t| t.2), Some(Transition::Opened));
        assert_eq!(tell(&mut things, &open("b", 4), None).map(|t| t.2), Some(Transition::Opened));
        let mut apart = SharedEvents::new(0.0);
        tell(&mut apart, &open("a", 1), at(0.0));
        assert_eq!(tell(&mut apart, &open("b", 2), at(0.0)).map(|t| t.2), Some(Transition::Opened));
    }

    #[test]
    fn people_who_reject_it_end_it_for_all_cameras() {
        let mut things = SharedEvents::new(3.0);
        tell(&mut things, &step("a", 1, Transition::Opened, 0), at(0.0));
        tell(&mut things, &step("b", 2, Transition::Opened, 0), at(0.0));
        let rejected = Violation { rejected: true, ..step("a", 1, Transition::Closed, 1) };
        assert_eq!(tell(&mut things, &rejected, at(0.0)), Some(("a".into(), 2, Transition::Closed, 2)));
        assert!(things.things.is_empty());
    }
}
