//! What can be wrong with a camera itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TamperKind {
    /// Something even or blurred is before the lens.
    Covered,
    /// A light blinds it.
    Blinded,
    /// It looks elsewhere than when it was calibrated.
    Moved,
    /// Nothing of its place has been made out for half an hour: it is covered, looks elsewhere, or weather
    /// hides the place. Only of cameras with a rule about lasting change.
    Lost,
    /// It sees again, or stands as it did.
    Well,
}
