//! What a rule says of itself.

use super::{Rule, RuleKind};

impl Rule {
    /// Is this neither too small nor too large? Every size is right where it is not known.
    pub fn fits(&self, area_m2: Option<f64>) -> bool {
        let (least, most) = self.area_m2;
        area_m2.is_none_or(|size| least.is_none_or(|l| size >= l) && most.is_none_or(|m| size <= m))
    }
}

impl RuleKind {
    /// Is it about what a place looks like, not about objects?
    pub fn is_change(&self) -> bool {
        matches!(self, Self::Change { .. } | Self::Sequence { .. })
    }
}
