//! Applies people's decisions about events to the rules.

use std::time::Duration;

use uuid::Uuid;

use super::camera::CameraRules;
use super::geometry::around;
use super::reason;
use super::state::Ignored;
use super::violation::{Transition, Violation};
use crate::base::Rect;

/// The most ignored decisions of a camera. The oldest goes first.
const MAX_IGNORED: usize = 256;

impl CameraRules {
    /// Rejects an event: closes it if it is open, and ignores its class at its places for `during`.
    ///
    /// `places` (normalised boxes) are used when the event is not open.
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
            let reason = reason::of_rejected(rule, &open, at, &self.lifecycle.time_zone, why);
            let violation = self.lifecycle.violation(&open, Transition::Closed, at, reason);
            out.push(Violation { rejected: true, ..violation });
        }
        self.state.ignored.retain(|i| i.event != event && at < i.until);
        if !during.is_zero() && !ignored.places.is_empty() {
            if self.state.ignored.len() >= MAX_IGNORED {
                self.state.ignored.remove(0);
            }
            // Boxes of a detector vary, so the box around all of them is ignored too.
            let all = ignored.places.iter().copied().reduce(|a, b| around(&a, &b));
            ignored.places.extend(all.filter(|all| ignored.places.iter().all(|p| p.iou(all) > 0.25)));
            self.state.ignored.push(ignored);
        }
        out
    }

    /// Watches the places of a rejected event again, because people have changed their decision.
    pub fn lift(&mut self, event: Uuid) {
        self.state.ignored.retain(|i| i.event != event);
    }

    /// Records a permit in an open event and reports it.
    pub fn permit(&mut self, event: Uuid, permit: &str) -> Vec<Violation> {
        let Some(at) = self.state.last_at else { return Vec::new() };
        let mut out = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            for open in self.state.rules[index].events.iter_mut().filter(|e| e.id == event) {
                open.revision += 1;
                open.reported = at;
                open.permit = Some(permit.to_owned());
                let reason = reason::of_open(rule, open, at, &self.lifecycle.time_zone);
                out.push(self.lifecycle.violation(open, Transition::Updated, at, reason));
            }
        }
        out
    }

    /// What is ignored now.
    pub fn ignored(&self) -> &[Ignored] {
        &self.state.ignored
    }
}
