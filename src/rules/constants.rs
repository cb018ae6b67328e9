//! Limits that several kinds of rules share.

/// Share of a change that must lie in a zone.
pub(super) const IN_ZONE: f64 = 0.4;
/// Share of its green that a place must have lost to count as bare.
pub(super) const BARE: f32 = 0.35;
/// Each kind of fitting object beside a thing removes this share of the remaining doubt.
const KIND_RAISE: f32 = 0.15;
/// No more kinds than this count.
const MOST_KINDS: usize = 2;

/// The confidence with so many kinds of fitting objects beside the thing, 0 to 1.
pub(super) fn raised(confidence: f32, kinds: usize) -> f32 {
    let raise = KIND_RAISE * kinds.min(MOST_KINDS) as f32;
    confidence + (1.0 - confidence) * raise
}
