//! How well a model decides a class, as its author measured it. The figures travel with the model.

use std::fmt;

use serde::Deserialize;

/// Test boxes below which precision and recall mean little, as in `models/training/evaluate.py`.
const ENOUGH_BOXES: u32 = 30;

/// The figures of one class at the manifest's threshold.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassFigures {
    /// Boxes of the class that the model learned from.
    pub training_boxes: u32,
    /// Boxes of the class in the pictures on which it was tested.
    pub test_boxes: u32,
    /// Which pictures these are. `None`: there are none.
    pub shown_on: Option<ShownOn>,
    /// Share of the detections that are right, 0 to 1. `None`: there was no detection.
    pub precision: Option<f32>,
    /// Share of the test boxes that are found, 0 to 1.
    pub recall: Option<f32>,
}

/// The kind of pictures on which a class was tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShownOn {
    Real,
    Generated,
}

impl ClassFigures {
    /// Are there enough real test boxes for the figures to mean something?
    pub fn is_shown(&self) -> bool {
        self.shown_on == Some(ShownOn::Real) && self.test_boxes >= ENOUGH_BOXES
    }

    /// Fails with the field and the problem of its value.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        for (field, share) in [("precision", self.precision), ("recall", self.recall)] {
            if let Some(share) = share.filter(|share| !(0.0..=1.0).contains(share)) {
                return Err((field, format!("{share} is not in 0 to 1")));
            }
            if share.is_some() && self.test_boxes == 0 {
                return Err((field, "nothing can be measured on no test boxes".into()));
            }
        }
        if self.shown_on.is_some() != (self.test_boxes > 0) {
            return Err(("shown_on", "goes with test_boxes above 0, and only with them".into()));
        }
        Ok(())
    }
}

impl fmt::Display for ShownOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Real => "real pictures",
            Self::Generated => "generated pictures",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ClassFigures, String> {
        let figures: ClassFigures = toml::from_str(text).map_err(|error| error.to_string())?;
        figures.check().map_err(|(field, problem)| format!("{field}: {problem}"))?;
        Ok(figures)
    }

    #[test]
    fn figures_say_on_what_they_were_shown() {
        let shown = |text: &str| read(text).expect("valid").is_shown();
        let many = "training_boxes = 9\ntest_boxes = 30\nshown_on = \"real\"\nprecision = 0.6\nrecall = 0.5";
        assert!(shown(many));
        assert!(!shown(&many.replace("30", "29")), "too few");
        assert!(!shown(&many.replace("real", "generated")));
        assert!(!shown("training_boxes = 9\ntest_boxes = 0"));
    }

    #[test]
    fn figures_that_cannot_be_are_refused() {
        for (text, part) in [
            ("training_boxes = 1\ntest_boxes = 5", "shown_on"),
            ("training_boxes = 1\ntest_boxes = 0\nshown_on = \"real\"", "shown_on"),
            ("training_boxes = 1\ntest_boxes = 5\nshown_on = \"real\"\nrecall = 60.0", "recall: 60"),
            ("training_boxes = 1\ntest_boxes = 0\nprecision = 0.5", "no test boxes"),
            ("training_boxes = 1\ntest_boxes = 5\nshown_on = \"guess\"", "guess"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(part), "{error}");
        }
    }
}
