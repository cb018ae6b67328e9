//! How a picture differs from a bank, cell by cell.

/// How far each cell is from a bank.
#[derive(Default)]
pub(super) struct Difference {
    /// 1 minus likeness of structure: 0 the same, 1 nothing in common.
    pub(super) structure: Vec<f32>,
    /// In natural logarithms; the picture's own tint is taken out, and how much haze mutes colours.
    pub(super) green_magenta: Vec<f32>,
    pub(super) blue_yellow: Vec<f32>,
    /// Mean square of structure now and in the bank.
    pub(super) strength: Vec<[f32; 2]>,
    /// Of structure by cell: now times then, now squared, then squared.
    pub(super) sums: [Vec<i32>; 3],
}

/// Does a cell differ from a bank?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Differs {
    #[default]
    No,
    /// By more than its limit, in a light so unusual that it may be the light.
    Oddly,
    Yes,
}
