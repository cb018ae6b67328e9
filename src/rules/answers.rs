//! What second looks have said about a thing.

use serde::{Deserialize, Serialize};

use super::violation::{SecondLookFacts, SecondLookVerdict};
use crate::base::WallTime;
use crate::second_look::Bounds;

/// So many answers are enough.
pub(super) const ENOUGH: u32 = 3;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Answers {
    /// Sum of the probabilities that it is of its kind, in ten-thousandths.
    sum: u64,
    pub count: u32,
    /// When the newest question was asked, and when the first one.
    pub asked: Option<WallTime>,
    pub since: Option<WallTime>,
    /// How many times in a row all answers together denied it.
    pub denials: u32,
}

impl Answers {
    /// Nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.asked.is_none()
    }

    pub fn times(&mut self) -> impl Iterator<Item = &mut WallTime> {
        self.asked.iter_mut().chain(&mut self.since)
    }

    /// Mean probability.
    pub fn mean(&self) -> Option<f32> {
        (self.count > 0).then(|| self.sum as f32 / (self.count as f32 * 10_000.0))
    }

    pub fn verdict(&self, bounds: Bounds) -> SecondLookVerdict {
        match self.mean() {
            None => SecondLookVerdict::NotDone,
            Some(mean) if mean < bounds.deny => SecondLookVerdict::Denied,
            Some(mean) if mean >= bounds.confirm => SecondLookVerdict::Confirmed,
            Some(_) => SecondLookVerdict::Unsure,
        }
    }

    /// Enough answers deny it.
    pub fn is_denied(&self, bounds: Bounds) -> bool {
        self.count >= ENOUGH && self.verdict(bounds) == SecondLookVerdict::Denied
    }

    /// `None`: nothing was asked.
    pub fn facts(&self, bounds: Bounds) -> Option<SecondLookFacts> {
        let (verdict, probability, answers) = (self.verdict(bounds), self.mean(), self.count);
        (!self.is_empty()).then_some(SecondLookFacts { verdict, probability, answers })
    }

    /// Notes a question. A thing that was denied is judged anew.
    pub fn ask(&mut self, at: WallTime, bounds: Bounds) {
        if self.is_denied(bounds) {
            *self = Self { denials: self.denials + 1, ..Self::default() };
        }
        (self.asked, self.since) = (Some(at), self.since.or(Some(at)));
    }

    /// Takes the answer to the newest question. `probability`: of its kind.
    pub fn take(&mut self, probability: f32) {
        self.sum += (probability.clamp(0.0, 1.0) * 10_000.0).round() as u64;
        self.count += 1;
    }
}
