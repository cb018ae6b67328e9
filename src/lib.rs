//! Lintel: an edge detector of suspected violations for fixed cameras and drones.
//!
//! ```text
//! camera -> ingest -> ring -----------------------------> evidence ----+
//!               \-> decode -> detect -> track -> geo, rules -----------+-> outbox -> publish -> MQTT
//! ```
//!
//! The modules stand in the order in which the data flows. A stage imports `base`, `config` and the output
//! types of the stages above it; only `app/node` and `cli` import everything (held by
//! tests/it/architecture.rs).

pub mod base;
pub mod geo;
pub mod config;
pub mod drone;
pub mod ingest;
pub mod ring;
pub mod decode;
pub mod motion;
pub mod draw;
pub mod detect;
pub mod second_look;
pub mod observation;
pub mod track;
pub mod change;
pub mod calibration;
pub mod tamper;
pub mod compare;
pub mod rules;
pub mod scene;
pub mod evidence;
pub mod outbox;
pub mod wire;
pub mod carry;
pub mod publish;
pub mod receive;
pub mod harvest;
pub mod monitor;
pub mod events;
pub mod flights;
pub mod app;
pub mod cli;
