//! From a detector's scores to how often detections of such a score are right.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::ClassName;

/// Scores this near to 0 or 1 are as good as it.
const EDGE: f64 = 1e-4;

/// The confidence of a score: the logistic function of `slope * logit(score) + shift`. It rises with the
/// score. Slope 1 and shift 0 leave it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfidenceMap {
    /// Above 0.
    pub slope: f32,
    pub shift: f32,
}

/// By class. Classes without a map keep their scores.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfidenceMaps(BTreeMap<ClassName, ConfidenceMap>);

impl ConfidenceMap {
    /// Both values 0 to 1.
    pub fn confidence(&self, score: f32) -> f32 {
        let p = f64::from(score).clamp(EDGE, 1.0 - EDGE);
        let logit = f64::from(self.slope) * (p / (1.0 - p)).ln() + f64::from(self.shift);
        (1.0 / (1.0 + (-logit).exp())) as f32
    }

    /// Is it a rising function?
    pub fn is_valid(&self) -> bool {
        self.slope.is_finite() && self.slope > 0.0 && self.shift.is_finite()
    }
}

impl ConfidenceMaps {
    pub fn new(maps: impl IntoIterator<Item = (ClassName, ConfidenceMap)>) -> Self {
        Self(maps.into_iter().collect())
    }

    /// The confidence of a score of the class, 0 to 1.
    pub fn confidence(&self, class: &ClassName, score: f32) -> f32 {
        self.0.get(class).map_or(score, |map| map.confidence(score))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_rises_with_the_score_and_changes_only_its_class() {
        let map = ConfidenceMap { slope: 1.8, shift: -0.97 };
        let told: Vec<f32> = (0..=100).map(|n| map.confidence(n as f32 / 100.0)).collect();
        assert!(told.windows(2).all(|pair| pair[0] <= pair[1]), "{told:?}");
        assert!(told[0] >= 0.0 && told[100] <= 1.0);
        // By hand: logit(0.5) is 0, and 1 / (1 + e^0.97) is 0.2749.
        assert!((map.confidence(0.5) - 0.2749).abs() < 1e-4, "{}", map.confidence(0.5));
        let same = ConfidenceMap { slope: 1.0, shift: 0.0 };
        assert!((same.confidence(0.31) - 0.31).abs() < 1e-6);
        let maps = ConfidenceMaps::new([(ClassName::from("truck"), map)]);
        assert!(maps.confidence(&ClassName::from("truck"), 0.5) < 0.3);
        assert!((maps.confidence(&ClassName::from("car"), 0.5) - 0.5).abs() < 1e-9);
    }
}
