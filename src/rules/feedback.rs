//! What people decided about events, and what the rules learn from it.

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::camera::CameraRules;
use super::events::EventLifecycle;
use super::geometry::{SAME_IOU, around};
use super::reason;
use super::{Transition, Violation};
use crate::base::{CameraId, Rect, WallTime};

/// Places that a camera leaves alone at most; the oldest goes first.
const MAX_IGNORED: usize = 256;

/// Nothing of a class is told at a place, because people said that it is no violation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ignored {
    /// The event that they decided about.
    pub event: Uuid,
    pub class: String,
    pub places: Vec<Rect>,
    pub until: WallTime,
}

impl Ignored {
    /// The same place, or one that lies for the greater part within it: what moves about there is meant too.
    pub(super) fn covers(&self, class: &str, rect: &Rect, at: WallTime) -> bool {
        let here = |p: &Rect| p.iou(rect) >= SAME_IOU || p.intersection(rect) >= 0.5 * rect.area();
        self.class == class && at < self.until && self.places.iter().any(here)
    }
}

fn teller<'a>(node: &'a str, camera: &'a CameraId, time_zone: &'a TimeZone, cap: u32) -> EventLifecycle<'a> {
    EventLifecycle { node, camera, time_zone, max_events_per_hour: cap }
}

impl CameraRules {
    /// The event is no violation: it ends if it is open, and its class is left alone at its places for `during`.
    ///
    /// `places` are those that whoever asks remembers; an open event knows better.
    pub fn reject(
        &mut self,
        event: Uuid,
        class: &str,
        places: Vec<Rect>,
        during: Duration,
        why: &str,
    ) -> Vec<Violation> {
        let Some(at) = self.state.last_at else { return Vec::new() };
        let mut out = Vec::new();
        let mut ignored = Ignored { event, class: class.to_owned(), places, until: at + during };
        for (index, rule) in self.rules.iter().enumerate() {
            let state = &mut self.state.rules[index];
            let Some(n) = state.events.iter().position(|e| e.id == event) else { continue };
            let mut open = state.events.remove(n);
            open.revision += 1;
            ignored.class.clone_from(&open.class);
            ignored.places.clone_from(&open.places);
            state.spots.iter_mut().filter(|s| s.event == Some(event)).for_each(|s| s.event = None);
            let reason = reason::of_rejected(rule, &open, at, &self.time_zone, why);
            let mut told = teller(&self.node, &self.camera, &self.time_zone, self.max_events_per_hour).tell(
                &open,
                Transition::Closed,
                at,
                reason,
            );
            told.rejected = true;
            out.push(told);
        }
        self.state.ignored.retain(|i| i.event != event && at < i.until);
        if !during.is_zero() && !ignored.places.is_empty() {
            if self.state.ignored.len() >= MAX_IGNORED {
                self.state.ignored.remove(0);
            }
            // Detectors do not draw the same box twice.
            let all = ignored.places.iter().copied().reduce(|a, b| around(&a, &b));
            ignored.places.extend(all.filter(|all| ignored.places.iter().all(|p| p.iou(all) > 0.25)));
            self.state.ignored.push(ignored);
        }
        out
    }

    /// People found the event to be right after all: its place is watched again.
    pub fn lift(&mut self, event: Uuid) {
        self.state.ignored.retain(|i| i.event != event);
    }

    /// The event is allowed: an open one says so from now on.
    pub fn permit(&mut self, event: Uuid, permit: &str) -> Vec<Violation> {
        let Some(at) = self.state.last_at else { return Vec::new() };
        let mut out = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let teller = teller(&self.node, &self.camera, &self.time_zone, self.max_events_per_hour);
            for open in self.state.rules[index].events.iter_mut().filter(|e| e.id == event) {
                open.revision += 1;
                open.told = at;
                open.permit = Some(permit.to_owned());
                let reason = reason::of_open(rule, open, at, &self.time_zone);
                out.push(teller.tell(open, Transition::Updated, at, reason));
            }
        }
        out
    }

    /// Places that are left alone now.
    pub fn ignored(&self) -> &[Ignored] {
        &self.state.ignored
    }
}
