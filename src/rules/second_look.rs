//! When a thing gets a second look, and what may follow from the answers.

use std::time::Duration;

use super::answers::ENOUGH;
use super::input::RuleInput;
use super::spot::{least, mean_score, time_of};
use super::state::{Arrival, RuleState, Spot};
use super::violation::SecondLookVerdict;
use crate::base::{Rect, TrackId, WallTime};
use crate::config::{PresentAtStart, RuleKind};
use crate::second_look::{Bounds, CropAnswer, SecondLookManifest};

/// Answers come from pictures that lie a share of the dwell apart, within these limits.
const APART: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));
const SHARE: u32 = 4;
/// From this mean probability on even a thing that has always been there is believed.
const SURE: f32 = 0.9;
/// So long an event waits for answers that do not come.
const PATIENCE: Duration = Duration::from_secs(60);
/// What was denied is looked at again after this time; then after twice, four times and so on.
const AGAIN: Duration = Duration::from_secs(600);
const MOST_DOUBLINGS: u32 = 4;
/// The most questions about one picture. The others come with a later one.
const QUESTIONS: usize = 4;

/// A thing to look at in the newest picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThingInQuestion {
    pub track: TrackId,
    pub rect: Rect,
    /// When something was last asked about it.
    pub(super) asked: Option<WallTime>,
}

/// May an event open, as far as second looks are concerned? After answers that confirm it, after enough
/// answers that do not deny it, or when none come.
pub(super) fn allows(input: &RuleInput, spot: &Spot) -> bool {
    let Some(bounds) = bounds(input.second_look, spot) else { return true };
    let answers = &spot.answers;
    let waited = answers.since.is_some_and(|since| input.at.since(since) >= PATIENCE);
    let passes_by = input.rule.kind.dwell().is_zero();
    match answers.verdict(bounds) {
        SecondLookVerdict::Denied => false,
        SecondLookVerdict::Confirmed => true,
        // What passes by does not wait: an answer had time until this picture.
        _ if passes_by => answers.asked.is_some_and(|asked| asked < input.at) || input.rule.hysteresis.0 <= 1,
        SecondLookVerdict::Unsure => answers.count >= ENOUGH || waited,
        SecondLookVerdict::NotDone => waited,
    }
}

/// Do the answers confirm it?
pub(super) fn is_confirmed(input: &RuleInput, spot: &Spot) -> bool {
    let confirmed = |bounds| spot.answers.verdict(bounds) == SecondLookVerdict::Confirmed;
    bounds(input.second_look, spot).is_some_and(confirmed)
}

/// Are there enough answers that confirm it clearly, to report a thing that was there when the camera began?
pub(super) fn is_sure(input: &RuleInput, spot: &Spot) -> bool {
    let clearly = spot.answers.mean().is_some_and(|mean| mean >= SURE);
    spot.answers.count >= ENOUGH && clearly && is_confirmed(input, spot)
}

/// The things of a rule to look at in this picture. `spots` are those after it.
pub(super) fn questions(input: &RuleInput, spots: &[Spot]) -> Vec<ThingInQuestion> {
    if !input.observation.visibility.is_clear() || !input.observation.is_new {
        return Vec::new();
    }
    let due = |spot: &&Spot| bounds(input.second_look, spot).is_some_and(|b| is_due(input, spot, b));
    let question =
        |spot: &Spot| ThingInQuestion { track: spot.track, rect: spot.rect, asked: spot.answers.asked };
    spots.iter().filter(due).map(question).collect()
}

/// Chooses the questions about a picture: each thing once, who has waited longest first. Notes them with the
/// things of all rules.
pub(super) fn ask(
    mut questions: Vec<ThingInQuestion>,
    model: Option<&SecondLookManifest>,
    rules: &mut [RuleState],
    at: WallTime,
) -> Vec<ThingInQuestion> {
    questions.sort_by_key(|question| (question.asked, question.track));
    questions.dedup_by_key(|question| question.track);
    questions.truncate(QUESTIONS);
    for spot in rules.iter_mut().flat_map(|rule| &mut rule.spots) {
        if spot.seen_now
            && questions.iter().any(|question| question.track == spot.track)
            && let Some(bounds) = bounds(model, spot)
        {
            spot.answers.ask(at, bounds);
        }
    }
    questions
}

/// Takes an answer, for the thing in all rules.
pub(super) fn answer(answer: &CropAnswer, model: &SecondLookManifest, states: &mut [RuleState]) {
    // Track numbers begin anew with the program; the time tells them apart.
    let asked = |spot: &&mut Spot| spot.track == answer.track && spot.answers.asked == Some(answer.at);
    for spot in states.iter_mut().flat_map(|rule| &mut rule.spots).filter(asked) {
        spot.answers.take(model.probability_of_kind(&answer.probabilities, &spot.class));
    }
}

/// `None`: the model's word on things of this class is not worth having.
pub(super) fn bounds(model: Option<&SecondLookManifest>, spot: &Spot) -> Option<Bounds> {
    model?.bounds(&spot.class)
}

/// Should the thing be looked at in this picture?
fn is_due(input: &RuleInput, spot: &Spot, bounds: Bounds) -> bool {
    let (rule, answers) = (input.rule, &spot.answers);
    let dwell = rule.kind.dwell();
    let denied = answers.is_denied(bounds);
    let pause = if denied {
        AGAIN * (1 << answers.denials.min(MOST_DOUBLINGS))
    } else {
        (dwell / SHARE).clamp(APART.0, APART.1)
    };
    let ignored = spot.arrival == Arrival::PresentAtStart && rule.present_at_start == PresentAtStart::Ignore;
    let begun = spot.happened || rule.kind != RuleKind::Entry;
    let is_thing = spot.counted.is_empty() && spot.change.is_none();
    (denied || answers.count < ENOUGH)
        && is_thing
        && begun
        && !ignored
        && !spot.suppressed
        && input.awake
        && spot.seen_now
        && time_of(input, spot) * 2 >= dwell
        && mean_score(spot.scores) >= least(input, &spot.class)
        && answers.asked.is_none_or(|asked| input.at.since(asked) >= pause)
}
