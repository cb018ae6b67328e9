//! One integration binary: real servers, real pictures, the real program.

mod support;

mod architecture;
mod calibration;
mod change;
mod compare;
mod config;
mod decode;
mod detect;
mod drone;
mod errors;
mod evidence;
mod field;
mod flight;
mod ingest;
mod init;
mod motion;
mod mqtt;
mod odd_files;
mod outbox;
mod replay;
mod second_look;
mod system;
mod truth;
