//! The checked configuration: what the stages are built from. Every value here is valid and complete.

mod camera;
mod catalogue;
mod detect;
mod flights;
mod map;
mod node;
mod rule;
mod sampling;
mod schedule;
mod secret;
mod source;
mod zone;

pub use camera::{CameraConfig, ChangeConfig, Position, RingConfig, Tiling, TrackConfig};
pub use catalogue::{Group, ViolationClass};
pub use detect::{DetectConfig, Provider, SecondLookConfig};
pub use flights::FlightArea;
pub use map::{Home, MapConfig, Permit};
pub use node::{
    BudgetConfig, CommandsConfig, Confirm, DecodeConfig, EvidenceConfig, HttpConfig, Issuer, KeepConfig,
    LineLimit, LogConfig, LogFormat, MediaSending, MqttConfig, NodeConfig, OutboxConfig, RuntimeConfig,
    TlsConfig,
};
pub use rule::{Direction, GroundChange, PresentAtStart, Rule, RuleKind, Severity};
pub use sampling::{Adaptive, Priority, Sampling};
pub use schedule::{Schedule, WeekSpan};
pub use secret::Secret;
pub use source::{FileConfig, Pace, RtspConfig, SourceConfig, Transport};
pub use zone::{Zone, ZoneArea};

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub node: NodeConfig,
    pub runtime: RuntimeConfig,
    pub decode: DecodeConfig,
    pub detect: DetectConfig,
    pub second_look: SecondLookConfig,
    pub budget: BudgetConfig,
    pub evidence: EvidenceConfig,
    pub outbox: OutboxConfig,
    pub mqtt: MqttConfig,
    pub commands: CommandsConfig,
    pub map: MapConfig,
    pub http: HttpConfig,
    pub log: LogConfig,
    /// Every violation class of the catalogue, with city codes filled in. Order of the catalogue file.
    pub catalogue: Vec<ViolationClass>,
    pub cameras: Vec<CameraConfig>,
    pub flight_areas: Vec<FlightArea>,
}
