//! Violation classes.

/// A violation class as the catalogue has it.
#[derive(Clone, Debug, PartialEq)]
pub struct ViolationClass {
    /// Stable id, for example `motor_vehicle_parking`.
    pub id: String,
    pub zh: String,
    pub en: String,
    pub group: Group,
    /// The city's event code; empty where it has none.
    pub code: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    Construction,
    Street,
}
