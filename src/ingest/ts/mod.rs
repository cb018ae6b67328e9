//! MPEG-TS (ISO/IEC 13818-1), as far as KLV metadata needs it (MISB ST 1402): GStreamer's demultiplexer of Debian 12
//! knows no synchronous metadata (stream type 0x15), and tells nothing about where a packet without a time stood.

mod cells;
mod klv;
mod packet;
mod patch;
mod pes;
mod psi;

#[cfg(test)]
mod tests;

pub(super) use klv::{Klv, klv_of};
pub(super) use patch::MetadataPatch;
