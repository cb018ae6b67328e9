//! All rules of one camera: steps with a picture, ticks without one, and restart.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::events::EventLifecycle;
use super::geometry::is_finite;
use super::input::{Changes, RuleInput, Thresholds};
use super::observe::{is_held, observe};
use super::schedule::is_awake;
use super::second_look::{self, ThingInQuestion};
use super::state::{EventSight, RuleState, RulesState, Spot};
use super::violation::Violation;
use crate::base::{CameraId, ClassKinds, ConfidenceMaps, WallTime};
use crate::config::Rule;
use crate::decode::Picture;
use crate::motion::Motion;
use crate::observation::{Backdrop, Observation};
use crate::second_look::{CropAnswer, SecondLookManifest};
use crate::track::Track;

/// How long a closed place is remembered as clear, after its quiet time.
const KNOWN_CLEAR: Duration = Duration::from_secs(3600);

/// What is known of a picture besides its observation.
pub struct Seen<'a> {
    /// The changes found in it; `None`: it was not inspected.
    pub changes: Option<&'a Changes>,
    /// Tells one standing vehicle from several that follow each other, and a missed thing from one that left.
    pub picture: Option<&'a Picture>,
    /// How the place looked before; `None`: the camera moves, or has shown nothing yet.
    pub backdrop: Option<&'a Backdrop>,
}

/// Judges the pictures of one camera. The same tracks give the same violations, including their ids.
pub struct CameraRules {
    pub(super) lifecycle: EventLifecycle,
    pub(super) rules: Vec<Rule>,
    thresholds: Thresholds,
    kinds: ClassKinds,
    /// `None`: there are no second looks.
    second_look: Option<Arc<SecondLookManifest>>,
    /// Things to look at in the newest picture.
    questions: Vec<ThingInQuestion>,
    /// The newest picture is the first to show something that could become an event.
    shows_first: bool,
    confidences: ConfidenceMaps,
    /// The camera moves.
    moving: bool,
    /// No event opens, because the clocks are not in step.
    waits: bool,
    /// `state.rules` is in the order of `rules`.
    pub(super) state: RulesState,
}

impl CameraRules {
    pub fn new(
        node: &str,
        camera: CameraId,
        rules: Vec<Rule>,
        thresholds: Thresholds,
        max_events_per_hour: u32,
    ) -> Self {
        let state = RulesState::new(rules.iter().map(|r| (r.id.clone(), meaning(r))));
        let (node, time_zone) = (node.to_owned(), TimeZone::UTC);
        let lifecycle = EventLifecycle { node, camera, time_zone, max_events_per_hour };
        Self {
            lifecycle,
            rules,
            thresholds,
            kinds: ClassKinds::default(),
            confidences: ConfidenceMaps::default(),
            second_look: None,
            questions: Vec::new(),
            shows_first: false,
            moving: false,
            waits: false,
            state,
        }
    }

    /// Sets the time zone for times of day in reasons. The default is UTC.
    #[must_use]
    pub fn with_time_zone(mut self, time_zone: TimeZone) -> Self {
        self.lifecycle.time_zone = time_zone;
        self
    }

    /// Sets the kinds of the model's classes. By default the kinds follow from their names.
    #[must_use]
    pub fn with_class_kinds(mut self, kinds: ClassKinds) -> Self {
        self.kinds = kinds;
        self
    }

    /// Sets the model for second looks. By default there are none.
    #[must_use]
    pub fn with_second_look(mut self, model: Option<Arc<SecondLookManifest>>) -> Self {
        self.second_look = model;
        self
    }

    /// The things of the newest picture that a second look should be taken at, noted as asked. Once for each
    /// picture.
    pub fn take_questions(&mut self) -> Vec<ThingInQuestion> {
        std::mem::take(&mut self.questions)
    }

    /// Is the newest picture the first to show something that could become an event?
    pub fn shows_first(&self) -> bool {
        self.shows_first
    }

    /// Takes what a second look shows.
    pub fn answer(&mut self, answer: &CropAnswer) {
        if let Some(model) = &self.second_look {
            second_look::answer(answer, model, &mut self.state.rules);
        }
    }

    /// Sets what a score of each class is worth, for the confidence of events. By default it is the score.
    #[must_use]
    pub fn with_confidences(mut self, confidences: ConfidenceMaps) -> Self {
        self.confidences = confidences;
        self
    }

    /// Judges one analysed picture, even if it shows nothing. `tracks` are all live tracks of the tracker.
    ///
    /// Returns expired events first, then for each rule what closed, opened and was updated.
    ///
    /// Without the picture all of it counts as looked at and seen clearly, and all of the time as watched.
    pub fn step(&mut self, at: WallTime, tracks: &[Track]) -> Vec<Violation> {
        let elapsed = self.state.last_at.map_or(Duration::ZERO, |last| at.since(last));
        let seen = Seen { changes: None, picture: None, backdrop: None };
        self.observe(&Observation::clear(at, elapsed, Vec::new()), tracks, &seen)
    }

    /// Judges one observation. `tracks` are all live tracks after it.
    pub fn observe(&mut self, observation: &Observation, tracks: &[Track], seen: &Seen) -> Vec<Violation> {
        let at = observation.at;
        let Seen { changes, picture, backdrop } = *seen;
        let mut out = self.tick(at);
        let tracks = finite(tracks);
        let state = &mut self.state;
        let last = state.last_at.replace(at);
        if let Some(last) = last {
            state.step_back(last.since(at));
        }
        let elapsed = last.map_or(Duration::ZERO, |last| at.since(last));
        if observation.new_view {
            state.carry(None);
        }
        if observation.watched < elapsed {
            state.watched_from = Some(at);
        }
        let watched_from = *state.watched_from.get_or_insert(at);
        state.present_at_start = 0;
        let mut questions = Vec::new();
        self.shows_first = false;
        state.quiet.retain(|q| at < q.until || at.since(q.from) < KNOWN_CLEAR);
        state.ignored.retain(|i| at < i.until);
        for (index, rule) in self.rules.iter().enumerate() {
            let input = RuleInput {
                at,
                observation,
                elapsed,
                backdrop,
                watched_from,
                tracks: &tracks,
                changes,
                picture,
                thresholds: &self.thresholds,
                kinds: &self.kinds,
                second_look: self.second_look.as_deref(),
                confidences: &self.confidences,
                rule,
                awake: rule.schedule.as_ref().is_none_or(|s| is_awake(s, at)),
                moving: self.moving,
                waits: self.waits,
                watched_before: last.is_some_and(|last| at.since(last) < rule.expire_after),
            };
            state.passed_over += observe(&input, &state.quiet, &mut state.rules[index]);
            let held = state.rules[index].spots.iter().filter(|spot| is_held(&input, spot)).count();
            state.present_at_start += held as u64;
            self.shows_first |= shows_first(&input, &state.rules[index]);
            questions.extend(second_look::questions(&input, &state.rules[index].spots));
            self.lifecycle.advance(&input, state, index, &mut out);
        }
        let model = self.second_look.as_deref();
        self.questions = second_look::ask(questions, model, &mut state.rules, at);
        out
    }

    /// Moves all places with the camera. `None`: the motion is unknown.
    ///
    /// Call it before [`CameraRules::step`] for the same picture. Standing things are recognised by their
    /// place, which is on the ground.
    pub fn follow(&mut self, motion: Option<&Motion>) {
        self.moving = true;
        self.state.carry(motion);
    }

    /// Sets whether new events wait. What stands meanwhile opens afterwards, with all its dwell.
    pub fn wait_for_clock(&mut self, waits: bool) {
        self.waits = waits;
    }

    /// Moves all times, because the camera's clock jumped: nothing has lasted longer or shorter by that.
    pub fn move_times(&mut self, by_us: i64) {
        self.state.move_times(by_us);
    }

    /// Expires events that no picture has shown clearly for too long.
    ///
    /// `at` is on the clock of the pictures: the last capture time plus the time since. A tick changes nothing else.
    pub fn tick(&mut self, at: WallTime) -> Vec<Violation> {
        let mut out = Vec::new();
        self.lifecycle.expire_orphans(at, &mut self.state, &mut out);
        for (index, rule) in self.rules.iter().enumerate() {
            self.lifecycle.expire(at, rule, &mut self.state, index, &mut out);
        }
        out
    }

    /// The state to keep for a restart: dwell in progress, open events, quiet places, counters.
    pub fn state(&self) -> RulesState {
        self.state.clone()
    }

    /// Restores a saved state. New rules start empty. Open events expire at the next step or tick if their
    /// rule is gone or its class, kind, zones or objects have changed.
    pub fn restore(&mut self, mut saved: RulesState) {
        let mut old = std::mem::take(&mut saved.rules);
        for now in &self.state.rules {
            let kept = old.iter().position(|o| o.id == now.id && o.meaning == now.meaning);
            saved.rules.push(match kept {
                Some(i) => old.swap_remove(i),
                None => RuleState {
                    id: now.id.clone(),
                    meaning: now.meaning.clone(),
                    spots: Vec::new(),
                    events: Vec::new(),
                    stops: Vec::new(),
                },
            });
        }
        saved.orphans.extend(old.into_iter().flat_map(|o| o.events));
        self.state = saved;
    }

    /// Stops judging. All open events expire at the next tick.
    pub fn disarm(&mut self) {
        self.rules.clear();
        let rules = std::mem::take(&mut self.state.rules);
        self.state.orphans.extend(rules.into_iter().flat_map(|rule| rule.events));
    }

    /// The ids of the changed regions of an open event.
    pub fn changes_of(&self, event: Uuid) -> Vec<u32> {
        let spots = self.state.rules.iter().flat_map(|r| &r.spots);
        let of_event = spots.filter(|s| s.event == Some(event));
        // A region from before the memory was lost does not count: another may have its id now.
        of_event.filter(|s| s.change.is_some()).filter_map(|s| u32::try_from(s.track.0).ok()).collect()
    }

    /// Capture time of the last judged picture, including before a restart.
    pub fn last_picture(&self) -> Option<WallTime> {
        self.state.last_at
    }

    /// How many things the hourly cap has kept from opening an event, each counted once.
    pub fn suppressed(&self) -> u64 {
        self.state.suppressed
    }

    /// How many things were skipped because a rule held too many, counted in each picture.
    pub fn passed_over(&self) -> u64 {
        self.state.passed_over
    }

    /// What the newest look says about the things of an open event: the best that holds for any of them.
    pub fn sight_of(&self, event: Uuid) -> Option<EventSight> {
        use EventSight::{Gone, Here, NotLookedAt, Unsure};
        let spots = self.state.rules.iter().flat_map(|r| &r.spots).filter(|s| s.event == Some(event));
        let sights: Vec<EventSight> = spots.map(|s| s.sight).collect();
        [Here, Unsure, NotLookedAt, Gone].into_iter().find(|sight| sights.contains(sight))
    }

    /// How many things were there when the camera began and are not reported.
    pub fn present_at_start(&self) -> u64 {
        self.state.present_at_start
    }

    /// How many events are open.
    pub fn open_events(&self) -> usize {
        self.state.rules.iter().map(|r| r.events.len()).sum()
    }
}

/// Does the picture first show a thing that the rule must watch for a while, or a stop of its sequence?
fn shows_first(input: &RuleInput, state: &RuleState) -> bool {
    let now = Some(input.at);
    let spot = |spot: &Spot| spot.shown == now && spot.change.is_none() && spot.counted.is_empty();
    !input.rule.kind.dwell().is_zero()
        && (state.spots.iter().any(spot) || state.stops.iter().any(|stop| stop.shown == now))
}

fn finite(tracks: &[Track]) -> Cow<'_, [Track]> {
    if tracks.iter().all(|t| is_finite(&t.rect)) {
        return Cow::Borrowed(tracks);
    }
    Cow::Owned(tracks.iter().filter(|t| is_finite(&t.rect)).cloned().collect())
}

/// A hash of what a rule is about, without severity and timing of its reports.
fn meaning(rule: &Rule) -> String {
    let zones: Vec<_> = rule.zones.iter().map(|z| (z.id.as_str(), &z.area)).collect();
    let text = format!("{:?}", (&rule.class.id, &rule.kind, zones, &rule.objects));
    let digest = Sha256::digest(text);
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
