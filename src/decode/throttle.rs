//! How far an overloaded box slows its cameras down.

/// What the load governor allows the cameras.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throttle {
    /// Factor on every configured interval; at least 1.
    pub stretch: f64,
    /// New series may begin.
    pub series: bool,
}

impl Throttle {
    /// Everything that is configured.
    pub const NONE: Throttle = Throttle { stretch: 1.0, series: true };
}

impl Default for Throttle {
    fn default() -> Self {
        Self::NONE
    }
}
