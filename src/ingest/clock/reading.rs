//! Readings of clocks, and what sets a step apart from a correction.

use std::time::Instant;

use crate::base::{KernelClock, WallTime};

/// A clock that moves by more was set; less is a correction.
pub(super) const STEP_US: i64 = 2_000_000;

/// The node's two clocks, read together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub mono: Instant,
    pub wall: WallTime,
    pub kernel: Option<KernelClock>,
}

/// Microseconds from `zero` to `at`; negative if `at` is earlier.
pub(super) fn signed_us(at: Instant, zero: Instant) -> i64 {
    let us = |d: std::time::Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
    match at.checked_duration_since(zero) {
        Some(after) => us(after),
        None => -us(zero.saturating_duration_since(at)),
    }
}
