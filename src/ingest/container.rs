//! Reads the access units of an mp4, mkv or ts file in decode order, on demand.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use parking_lot::{Mutex, MutexGuard};

use super::access_unit::AccessUnit;
use super::pipeline::{Pipeline, codec_of, file_error, gstreamer_error, join, unit};
use super::unfinished::is_unfinished;
use super::{Codec, IngestError, Orientation};
use crate::base::{MediaTime, monotonic};

/// A local disk that delivers nothing for this long is broken.
const READ_DEADLINE: Duration = Duration::from_secs(30);
/// Containers interleave their streams: if video has not begun this long after audio, there is none.
const FIND_DEADLINE: Duration = Duration::from_secs(5);
const POLL: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// Reads only as far as units are requested. Times count from the first unit.
pub(super) struct AccessUnitReader {
    path: PathBuf,
    pipeline: Pipeline,
    found: Arc<Mutex<Found>>,
    peeked: Option<AccessUnit>,
    orientation: Orientation,
    zero: Option<MediaTime>,
    last: MediaTime,
}

/// The streams found in the container.
#[derive(Default)]
struct Found {
    linked: bool,
    /// The container has listed all its streams.
    complete: bool,
    others: Vec<String>,
}

impl Found {
    /// Only other streams were found, and the container listed all of them or had enough `time` for it.
    fn nothing_usable(&self, time: Duration) -> bool {
        !self.linked && (self.complete || (!self.others.is_empty() && time > FIND_DEADLINE))
    }
}

impl AccessUnitReader {
    /// # Errors
    /// The file does not exist, is not a known container, or has no H.264 or H.265.
    pub fn open(path: &Path) -> Result<Self, IngestError> {
        let (pipeline, found) = demux(path)?;
        if is_unfinished(path) {
            return Err(IngestError::Unfinished { path: path.to_path_buf() });
        }
        pipeline.set_state(gst::State::Playing)?;
        let path = path.to_path_buf();
        let (orientation, last) = (Orientation::default(), MediaTime(0));
        let mut reader = Self { path, pipeline, found, peeked: None, orientation, zero: None, last };
        reader.peeked = reader.read()?;
        reader.orientation = reader.tagged_orientation();
        match reader.peeked {
            Some(_) => Ok(reader),
            None => Err(reader.without_video()),
        }
    }

    /// The error of a recording without one picture that can be decoded.
    pub fn undecodable(&self, why: &str) -> IngestError {
        IngestError::Undecodable { path: self.path.clone(), why: why.to_owned() }
    }

    /// By the container's display matrix.
    pub fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// `None` at the end.
    pub fn next(&mut self) -> Result<Option<AccessUnit>, IngestError> {
        match self.peeked.take() {
            Some(unit) => Ok(Some(unit)),
            None => self.read(),
        }
    }

    fn read(&mut self) -> Result<Option<AccessUnit>, IngestError> {
        let (began, deadline) = (monotonic(), monotonic() + READ_DEADLINE);
        while monotonic() < deadline {
            if let Some(sample) = self.pipeline.sink.try_pull_sample(POLL) {
                let Some(mut unit) = unit(&sample, self.last) else { continue };
                self.last = unit.raw_pts;
                let zero = *self.zero.get_or_insert(unit.raw_pts);
                unit.raw_pts = MediaTime(unit.raw_pts.0 - zero.0);
                return Ok(Some(unit));
            }
            if let Some(error) = self.error() {
                return Err(error);
            }
            if self.pipeline.sink.is_eos() {
                return Ok(None);
            }
            // With nothing linked, there may be neither an error nor an end of stream.
            if self.lock().nothing_usable(began.elapsed()) {
                return Err(self.without_video());
            }
        }
        Err(file_error(&self.path, format!("no data for {} s", READ_DEADLINE.as_secs())))
    }

    /// The tags that came before the first unit.
    fn tagged_orientation(&self) -> Orientation {
        let Some(pad) = self.pipeline.sink.static_pad("sink") else { return Orientation::default() };
        let events = (0..).map_while(|number| pad.sticky_event::<gst::event::Tag>(number));
        let tags = events.filter_map(|event| {
            let tag = event.tag().get::<gst::tags::ImageOrientation>()?;
            Some(Orientation::of_tag(tag.get()))
        });
        tags.last().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Found> {
        self.found.lock()
    }

    fn error(&self) -> Option<IngestError> {
        let message = self.pipeline.inner.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        let gst::MessageView::Error(error) = message.view() else { return None };
        let found = self.lock();
        if !found.linked && !found.others.is_empty() {
            drop(found);
            return Some(self.without_video());
        }
        // A parser that met no picture to begin with.
        if found.linked && error.error().is::<gst::StreamError>() && self.zero.is_none() {
            drop(found);
            return Some(
                self.undecodable("it has no key frame, or its parameter sets (SPS, PPS) are missing"),
            );
        }
        Some(file_error(&self.path, error.error()))
    }

    fn without_video(&self) -> IngestError {
        let found = self.lock();
        if found.linked || found.others.is_empty() {
            return file_error(&self.path, "it has no video");
        }
        IngestError::UnsupportedFile { path: self.path.clone(), found: found.others.join(", ") }
    }
}

/// The start of the recording according to the container; `None` if unknown or unreadable.
pub(super) fn creation_time(path: &Path) -> Option<jiff::Timestamp> {
    let (pipeline, _) = demux(path).ok()?;
    let bus = pipeline.inner.bus()?;
    pipeline.set_state(gst::State::Paused).ok()?;
    let deadline = monotonic() + READ_DEADLINE;
    let wanted = [gst::MessageType::Tag, gst::MessageType::AsyncDone, gst::MessageType::Error];
    while monotonic() < deadline {
        let Some(message) = bus.timed_pop_filtered(POLL, &wanted) else { continue };
        match message.view() {
            gst::MessageView::Tag(tag) => {
                let time =
                    tag.tags().get::<gst::tags::DateTime>().and_then(|t| t.get().to_iso8601_string().ok());
                if let Some(time) = time.and_then(|t| t.parse().ok()) {
                    return Some(time);
                }
            }
            _ => return None,
        }
    }
    None
}

/// GStreamer's name for SMPTE ST 336 data.
pub(super) const KLV: &str = "meta/x-klv";

/// Passes each buffer of the pad with its time to `push`.
pub(super) fn klv_sink(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    push: impl Fn(Option<MediaTime>, Vec<u8>) -> Result<(), gst::FlowError> + Send + Sync + 'static,
) -> Result<(), gst::glib::BoolError> {
    let sink = gst_app::AppSink::builder().sync(false).async_(false).max_buffers(16).build();
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let Some(buffer) = sample.buffer() else { return Ok(gst::FlowSuccess::Ok) };
                let pts = buffer.pts().and_then(|t| i64::try_from(t.nseconds() / 1000).ok()).map(MediaTime);
                if let Ok(bytes) = buffer.map_readable() {
                    push(pts, bytes.to_vec())?;
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    pipeline.add(&sink)?;
    sink.sync_state_with_parent()?;
    let into = sink.static_pad("sink").ok_or_else(|| gst::glib::bool_error!("appsink has no pad"))?;
    pad.link(&into).map(drop).map_err(|e| gst::glib::bool_error!("appsink: {:?}", e))
}

pub(super) fn parser_of(codec: Codec) -> &'static str {
    match codec {
        Codec::H264 => "h264parse",
        Codec::H265 => "h265parse",
    }
}

fn demux(path: &Path) -> Result<(Pipeline, Arc<Mutex<Found>>), IngestError> {
    if let Err(error) = std::fs::File::open(path) {
        return Err(file_error(path, error));
    }
    let pipeline = Pipeline::new(16)?;
    let source = pipeline.add("filesrc")?;
    source.set_property("location", path);
    let parse = pipeline.add("parsebin")?;
    source.link(&parse).map_err(gstreamer_error)?;
    let found = Arc::new(Mutex::new(Found::default()));
    let (inner, sink, seen) = (pipeline.inner.downgrade(), pipeline.sink.downgrade(), found.clone());
    parse.connect_pad_added(move |_, pad| {
        let (Some(pipeline), Some(sink)) = (inner.upgrade(), sink.upgrade()) else { return };
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let mut found = seen.lock();
        match codec_of(&caps) {
            Some(codec) if !found.linked => {
                found.linked = true;
                drop(found);
                if let Err(error) = join(&pipeline, pad, &[parser_of(codec)], &sink) {
                    gst::element_error!(sink, gst::CoreError::Pad, ("{}", error));
                }
            }
            Some(_) => {}
            None => {
                let name = caps.structure(0).map(|s| s.name().to_string());
                let known = name.as_ref().is_some_and(|n| found.others.contains(n));
                found.others.extend(name.filter(|_| !known));
            }
        }
    });
    // Do not parse audio and images: only video is needed, and a parser may swallow a whole short stream.
    let seen = found.clone();
    parse.connect("autoplug-continue", false, move |args| {
        let caps = args.get(2)?.get::<gst::Caps>().ok()?;
        let name = caps.structure(0)?.name().to_string();
        let foreign = name.starts_with("image/") || name.starts_with("audio/");
        if foreign {
            seen.lock().others.push(name);
        }
        Some((!foreign).to_value())
    });
    let seen = found.clone();
    parse.connect_no_more_pads(move |_| {
        seen.lock().complete = true;
    });
    Ok((pipeline, found))
}
