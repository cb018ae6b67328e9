//! Records that are carried by hand: a node writes them to a folder, such as a USB stick, and a platform's words
//! come back in the same folder.
//!
//! Takes: what waits in the outbox of a node, running or not. Gives: `DIR/lintel/<node>/` with `messages.jsonl`,
//! `files.jsonl`, the files in `files/<event>/`, and from the platform `confirmed/*.json`.
//! When full: the messages go first, then the oldest files; what has no room stays on the node.
//! On failure: everything is written beside its name first, so a stick that is pulled out is read as it was before.
//! Not here: storing on the platform's side (`receive`), MQTT.

mod export;
mod layout;
mod words;

pub use export::{ExportReport, export};
pub(crate) use layout::lines;
pub use layout::{Carried, CarriedFile, CarriedMessage, CarryError};
pub use words::{take_words, words_dir};
