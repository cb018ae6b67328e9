//! A GStreamer pipeline that stops its threads and closes its sockets when dropped.

use std::path::Path;

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::access_unit::{AccessUnit, delimiter_len};
use super::{Codec, IngestError};
use crate::base::MediaTime;

/// Set to Null when dropped. This blocks until its threads have ended (with rtspsrc up to 100 ms for
/// TEARDOWN).
pub(super) struct Pipeline {
    pub inner: gst::Pipeline,
    /// Outputs Annex B access units, H.264 or H.265.
    pub sink: gst_app::AppSink,
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        if let Err(error) = self.inner.set_state(gst::State::Null) {
            tracing::error!(%error, "cannot stop a GStreamer pipeline");
        }
    }
}

impl Pipeline {
    /// A pipeline with only a sink of `depth` access units. When the sink is full, the source waits.
    pub fn new(depth: u32) -> Result<Self, IngestError> {
        gst::init().map_err(gstreamer_error)?;
        let caps = ["video/x-h264", "video/x-h265"].into_iter().map(|name| {
            gst::Structure::builder(name)
                .field("stream-format", "byte-stream")
                .field("alignment", "au")
                .build()
        });
        let sink = gst_app::AppSink::builder()
            .caps(&caps.collect::<gst::Caps>())
            .sync(false)
            .max_buffers(depth)
            .wait_on_eos(false)
            .build();
        // A container's edit may begin behind the key frame that its first picture needs.
        sink.set_drop_out_of_segment(false);
        let inner = gst::Pipeline::new();
        inner.add(&sink).map_err(gstreamer_error)?;
        Ok(Self { inner, sink })
    }

    pub fn add(&self, element: &str) -> Result<gst::Element, IngestError> {
        let element = gst::ElementFactory::make(element).build().map_err(gstreamer_error)?;
        self.inner.add(&element).map_err(gstreamer_error)?;
        Ok(element)
    }

    pub fn set_state(&self, state: gst::State) -> Result<(), IngestError> {
        self.inner.set_state(state).map(drop).map_err(gstreamer_error)
    }
}

pub(super) fn gstreamer_error(error: impl std::fmt::Display) -> IngestError {
    IngestError::Gstreamer { what: error.to_string() }
}

/// Links `pad` to the sink through the codec's `elements`. Called from GStreamer's threads while the pipeline
/// runs.
pub(super) fn join(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    elements: &[&str],
    sink: &gst_app::AppSink,
) -> Result<(), gst::glib::BoolError> {
    let mut from = pad.clone();
    for name in elements {
        let element = gst::ElementFactory::make(name).build()?;
        if element.has_property("config-interval") {
            // Repeat the parameter sets before every key frame.
            element.set_property("config-interval", -1i32);
        }
        pipeline.add(&element)?;
        element.sync_state_with_parent()?;
        let missing = || gst::glib::bool_error!("{} has no such pad", name);
        from.link(&element.static_pad("sink").ok_or_else(missing)?)
            .map_err(|e| gst::glib::bool_error!("{}: {:?}", name, e))?;
        from = element.static_pad("src").ok_or_else(missing)?;
    }
    let into = sink.static_pad("sink").ok_or_else(|| gst::glib::bool_error!("appsink has no pad"))?;
    from.link(&into).map(drop).map_err(|e| gst::glib::bool_error!("appsink: {:?}", e))
}

pub(super) fn codec_of(caps: &gst::CapsRef) -> Option<Codec> {
    match caps.structure(0)?.name().as_str() {
        "video/x-h264" => Some(Codec::H264),
        "video/x-h265" => Some(Codec::H265),
        _ => None,
    }
}

/// The sample as an access unit. `otherwise`: the time of a sample that has none.
pub(super) fn unit(sample: &gst::Sample, otherwise: MediaTime) -> Option<AccessUnit> {
    let caps = sample.caps()?;
    let buffer = sample.buffer()?;
    let structure = caps.structure(0)?;
    let side = |name| structure.get::<i32>(name).ok().and_then(|v| u32::try_from(v).ok());
    let time = buffer.pts().or(buffer.dts());
    let codec = codec_of(caps)?;
    let bytes = buffer.map_readable().ok()?;
    Some(AccessUnit {
        codec,
        data: Bytes::copy_from_slice(&bytes[delimiter_len(codec, &bytes)..]),
        raw_pts: time.and_then(|t| i64::try_from(t.nseconds() / 1000).ok()).map_or(otherwise, MediaTime),
        size: side("width").zip(side("height")),
        lost_packets: 0,
        lost_pictures: 0,
    })
}

pub(super) fn file_error(path: &Path, what: impl std::fmt::Display) -> IngestError {
    IngestError::File { path: path.to_path_buf(), what: what.to_string() }
}
