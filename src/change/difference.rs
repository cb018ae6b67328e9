//! How a picture differs from a bank, cell by cell.

/// How far each cell differs from a bank.
#[derive(Default)]
pub(super) struct Difference {
    /// 1 minus the correlation of structure: 0 is the same, 1 has nothing in common.
    pub(super) structure: Vec<f32>,
    /// In natural logarithms, without the tint of the picture and the muting of colours by haze.
    pub(super) green_magenta: Vec<f32>,
    pub(super) blue_yellow: Vec<f32>,
    /// Mean square of structure now and in the bank.
    pub(super) strength: Vec<[f32; 2]>,
    /// Sums of structure by cell: now times then, now squared, then squared.
    pub(super) sums: [Vec<i32>; 3],
}

/// Does a cell differ from a bank?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Differs {
    #[default]
    No,
    /// By more than its limit, but in a light so unusual that the light may be the cause.
    Oddly,
    Yes,
}
