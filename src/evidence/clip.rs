//! Cuts a clip from the ring by stream copy into MP4, so the pictures are the camera's, bit for bit.
//!
//! The pipeline is `appsrc ! h264parse ! mp4mux ! filesink` (or h265parse). Decode times are computed here
//! from the whole span. This is exact with B-frames too, and no element has to guess them. The container's
//! creation time is the true start of the clip.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use gstreamer::prelude::*;
use gstreamer::{self as gst, MessageView};
use gstreamer_app::AppSrc;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::files::{adopt_file, discard, unfinished};
use super::timeline::{Slot, is_self_contained, leading, timeline};
use super::{EvidenceError, EvidenceFile, EvidenceKind, mp4};
use crate::base::{CameraId, TimeSource, WallTime, monotonic};
use crate::ingest::{Codec, EncodedFrame};
use crate::ring::RingClip;

/// The time span of an event's clip. Plain data, so that it survives a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClipRequest {
    pub event: Uuid,
    pub camera: CameraId,
    pub from: WallTime,
    pub to: WallTime,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClipInfo {
    pub file: EvidenceFile,
    /// Capture time of the first picture: a key frame at or before the requested start, if the ring had one.
    pub starts: WallTime,
    /// Capture time of the last picture.
    pub ends: WallTime,
    /// Time source of the first picture.
    pub time_source: TimeSource,
    pub offset_ms: Option<i64>,
    /// Playing time in milliseconds: from the first picture to the end of the last.
    pub duration_ms: u64,
    pub frames: u64,
    /// Frames lost on the way from the camera, by gaps in their numbers.
    pub lost_frames: u64,
    pub codec: Codec,
    pub width: u32,
    pub height: u32,
    pub starts_late: bool,
    pub ends_early: bool,
}

/// Ticks per second in the files: the clock rate of video (RFC 6184, 8.2.1).
const CLOCK: u32 = 90_000;
/// Ticks per second of a time-lapse too long for 32 bits of [`CLOCK`], which are 13 hours.
const SLOW_CLOCK: u32 = 1000;

/// Cuts clips. Keeps no state between two cuts; threads can share it.
#[derive(Debug)]
pub struct ClipCutter {
    timeout: Duration,
}

impl ClipCutter {
    /// # Errors
    /// GStreamer does not start, or lacks a required element.
    pub fn new() -> Result<Self, EvidenceError> {
        gst::init().map_err(|e| EvidenceError::Gstreamer(e.to_string()))?;
        for name in ["appsrc", "h264parse", "h265parse", "mp4mux", "filesink"] {
            if gst::ElementFactory::find(name).is_none() {
                return Err(EvidenceError::Gstreamer(format!("the element {name} is missing")));
            }
        }
        Ok(Self { timeout: Duration::from_secs(30) })
    }

    /// Sets the time limit of one cut; the default is 30 s.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout }
    }

    /// Writes `clip.mp4` into the event's folder. A clip of 8 s needs 6 to 20 ms plus the time of the disk.
    /// The file gets its name only after it was read back in full.
    ///
    /// # Errors
    /// There is nothing to cut, the parser or the disk refuses frames, or the time limit passes. No file is
    /// left.
    pub fn cut(&self, span: &RingClip, dir: &Path) -> Result<ClipInfo, EvidenceError> {
        let frames = playable(&span.frames)?;
        let slots = timeline(&frames.iter().map(|f| f.pts).collect::<Vec<_>>());
        std::fs::create_dir_all(dir).map_err(EvidenceError::io("create the folder", dir))?;
        let file = unfinished(dir, EvidenceKind::Clip);
        let made = self.mux(&frames, &slots, &file).and_then(|()| finish(span, &frames, &file, dir));
        if made.is_err() {
            discard(&file);
        }
        made
    }

    fn mux(&self, frames: &[&EncodedFrame], slots: &[Slot], file: &Path) -> Result<(), EvidenceError> {
        let (parser, format) = match frames[0].codec {
            Codec::H264 => ("h264parse", "avc"),
            Codec::H265 => ("h265parse", "hvc1"),
        };
        let media = frames[0].codec.media_type();
        let caps = |format: &str| {
            gst::Caps::builder(media).field("stream-format", format).field("alignment", "au").build()
        };
        let source =
            AppSrc::builder().caps(&caps("byte-stream")).format(gst::Format::Time).max_bytes(0).build();
        let parse = element(parser, &[])?;
        let filter = element("capsfilter", &[("caps", caps(format).into())])?;
        // Without a name here the muxer would first write the pictures to the system's temporary folder.
        let media_part = path_text(&file.with_extension("mdat"))?;
        let mux =
            element("mp4mux", &[("faststart", true.into()), ("faststart-file", media_part.as_str().into())])?;
        let sink = element("filesink", &[("location", path_text(file)?.into()), ("sync", false.into())])?;

        let pipeline = Running(gst::Pipeline::new(), source.clone());
        let chain = [source.upcast_ref(), &parse, &filter, &mux, &sink];
        let built = pipeline.0.add_many(chain).and_then(|()| gst::Element::link_many(chain));
        built.map_err(|e| EvidenceError::Gstreamer(e.to_string()))?;
        // By default the muxer derives its time unit from the rate in the parameter sets, in whole frames a
        // second. For a time-lapse that is zero, and a file without a time unit cannot be played.
        mux.sink_pads().iter().for_each(|pad| pad.set_property("trak-timescale", clock(slots)));
        let outcome = self.feed(&pipeline.0, &source, frames, slots);
        drop(pipeline);
        discard(Path::new(&media_part));
        outcome
    }

    fn feed(
        &self,
        pipeline: &gst::Pipeline,
        source: &AppSrc,
        frames: &[&EncodedFrame],
        slots: &[Slot],
    ) -> Result<(), EvidenceError> {
        let bus = pipeline.bus().expect("a pipeline has a bus");
        // The bus has the reason why a state change or a push failed, so only the bus is checked.
        let started = pipeline.set_state(gst::State::Playing);
        if started.is_ok() {
            // No limit is needed: the frames are in memory already, and the queue only refers to them.
            for (frame, slot) in frames.iter().zip(slots) {
                let mut buffer = gst::Buffer::from_slice(frame.data.clone());
                let writable = buffer.get_mut().expect("nobody else has it yet");
                writable.set_pts(gst::ClockTime::from_useconds(slot.pts));
                writable.set_dts(gst::ClockTime::from_useconds(slot.dts));
                writable.set_duration(gst::ClockTime::from_useconds(slot.duration));
                if !frame.key {
                    writable.set_flags(gst::BufferFlags::DELTA_UNIT);
                }
                if source.push_buffer(buffer).is_err() {
                    break;
                }
            }
            // This fails only after an error, which the bus reports.
            let _reported_by_the_bus = source.end_of_stream();
        }
        let deadline = monotonic() + self.timeout;
        loop {
            let left = deadline.saturating_duration_since(monotonic());
            let wait = gst::ClockTime::from_mseconds(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
            let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
            match bus.timed_pop_filtered(wait, &wanted).as_ref().map(|m| m.view()) {
                Some(MessageView::Eos(_)) => return Ok(()),
                Some(MessageView::Error(e)) => return Err(refused(e)),
                Some(_) => {}
                None => return Err(EvidenceError::Timeout(self.timeout)),
            }
        }
    }
}

fn clock(slots: &[Slot]) -> u32 {
    let seconds = slots.last().map_or(0, |last| last.pts + last.duration) / 1_000_000;
    if seconds < u64::from(u32::MAX / CLOCK) { CLOCK } else { SLOW_CLOCK }
}

/// The frames that a player can show: one stream, from a key frame on.
fn playable(frames: &[EncodedFrame]) -> Result<Vec<&EncodedFrame>, EvidenceError> {
    let mut kept: Vec<&EncodedFrame> = frames.iter().skip_while(|f| !f.key).collect();
    let Some(&first) = kept.first() else {
        return Err(EvidenceError::NoFootage("no key frame among the frames".to_owned()));
    };
    if !is_self_contained(first) {
        let reason = "the first key frame has no parameter sets, so nothing can decode it".to_owned();
        return Err(EvidenceError::Unplayable(reason));
    }
    if let Some(other) = kept.iter().find(|f| f.stream != first.stream || f.codec != first.codec) {
        return Err(EvidenceError::MixedStreams(first.stream, other.stream));
    }
    let heads = leading(&kept);
    kept.drain(1..=heads);
    Ok(kept)
}

/// Reads the file back, sets its dates, hashes it and gives it its final name.
fn finish(
    span: &RingClip,
    frames: &[&EncodedFrame],
    file: &Path,
    dir: &Path,
) -> Result<ClipInfo, EvidenceError> {
    let shown_first = frames.iter().min_by_key(|f| f.pts).expect("a clip has frames");
    let shown_last = frames.iter().max_by_key(|f| f.pts).expect("a clip has frames");
    let video = mp4::check_and_date(file, shown_first.capture.at)?;
    if video.frames != frames.len() as u64 {
        let reason = format!("{} of {} frames are in it", video.frames, frames.len());
        return Err(EvidenceError::Unreadable(reason));
    }
    // Of the whole span: leading pictures that were left out were not lost.
    let pairs = span.frames.windows(2);
    let lost = pairs.map(|w| w[1].seq.0.saturating_sub(w[0].seq.0).saturating_sub(1)).sum();
    Ok(ClipInfo {
        file: adopt_file(dir, EvidenceKind::Clip)?,
        starts: shown_first.capture.at,
        ends: shown_last.capture.at,
        time_source: shown_first.capture.source,
        offset_ms: shown_first.capture.offset_ms,
        duration_ms: video.duration_ms,
        frames: video.frames,
        lost_frames: lost,
        codec: frames[0].codec,
        width: video.width,
        height: video.height,
        starts_late: span.starts_late,
        ends_early: span.ends_early,
    })
}

/// Stops the pipeline on drop, because a pipeline dropped while running leaks its threads. The source stops
/// first, so that no buffer is on its way to an element that is stopping.
struct Running(gst::Pipeline, AppSrc);

impl Drop for Running {
    fn drop(&mut self) {
        let stopped = self.1.set_state(gst::State::Null).and_then(|_| self.0.set_state(gst::State::Null));
        if stopped.is_err() {
            tracing::warn!("a clip pipeline did not stop");
        }
    }
}

fn element(factory: &str, properties: &[(&str, gst::glib::Value)]) -> Result<gst::Element, EvidenceError> {
    let mut builder = gst::ElementFactory::make(factory);
    for (name, value) in properties {
        builder = builder.property(name, value.clone());
    }
    builder.build().map_err(|e| EvidenceError::Gstreamer(e.to_string()))
}

fn path_text(path: &Path) -> Result<String, EvidenceError> {
    path.to_str().map(str::to_owned).ok_or_else(|| EvidenceError::Cut {
        element: "filesink".to_owned(),
        message: format!("the path {} is not UTF-8", path.display()),
    })
}

fn refused(error: &gst::message::Error) -> EvidenceError {
    let element = error.src().map_or_else(|| "the pipeline".to_owned(), |s| s.name().to_string());
    let mut message = error.error().to_string();
    if let Some(debug) = error.debug() {
        // The first lines name a source file of GStreamer; the last line has the cause.
        let _infallible = write!(message, " ({})", debug.lines().last().unwrap_or_default());
    }
    EvidenceError::Cut { element, message }
}
