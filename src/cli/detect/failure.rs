//! Why a picture gave no results.

pub(super) enum Failure {
    /// The input cannot be read; the next one may be fine.
    Input(anyhow::Error),
    /// The output cannot be written, so there is no point in going on.
    Output(anyhow::Error),
}
