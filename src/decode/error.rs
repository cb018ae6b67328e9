//! Why a frame gave no picture, or why no frame of the camera ever will.

use std::time::Duration;

use crate::ingest::Codec;

#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("GStreamer cannot start: {0}; are its libraries of one version?")]
    Gstreamer(String),
    #[error("{key} names `{name}`, but {why}; this box has: {}; name one of these, or leave the key out", list(.has))]
    Named { key: &'static str, name: String, why: &'static str, has: Vec<String> },
    #[error("this box cannot decode {}: install the package gstreamer1.0-libav, or set the camera to another codec", name(*.0))]
    NoDecoder(Codec),
    #[error("GStreamer has no element `{element}`: install the package {package}")]
    NoElement { element: String, package: &'static str },
    #[error("the decode thread could not be started")]
    Thread(#[source] std::io::Error),
    #[error("frame {0} is not a key frame")]
    NotAKey(u64),
    #[error("{element} did not start: {detail}")]
    Start { element: String, detail: String },
    #[error("{element} failed: {detail}")]
    Failed { element: String, detail: String },
    #[error(
        "{element} made no picture of the frame: it is damaged, or of a profile that {element} does not support"
    )]
    NoPicture { element: String },
    #[error("{element} did not answer within {} s", .limit.as_secs())]
    Timeout { element: String, limit: Duration },
    #[error("{element} gave a picture in a layout that cannot be read: {detail}")]
    Layout { element: String, detail: String },
}

fn list(has: &[String]) -> String {
    if has.is_empty() { "none (install the package gstreamer1.0-libav)".into() } else { has.join(", ") }
}

pub(super) fn name(codec: Codec) -> &'static str {
    match codec {
        Codec::H264 => "H.264",
        Codec::H265 => "H.265",
    }
}
