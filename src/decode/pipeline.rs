//! Runs GStreamer's decoders, and is the only file that does: parser ! decoder ! videoconvert ! appsink.
//!
//! Nearly all cameras send 8 bits in 4:2:0. Such pictures stay in the decoder's own buffers, which return to
//! its pool when the last user drops them. videoconvert converts other formats only. Pictures
//! whose pixels are not square are stretched one by one: a scaler in the pipeline would cost every camera its
//! negotiation at every key frame.
//!
//! The calling thread pushes frames into the parser's pad, and software decoders run in that thread: when
//! `push` returns, the frame's pictures are in the sink. So decoding is synchronous and repeatable, and needs
//! no thread of its own. Hardware decoders answer from their own threads; `drain` waits for them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use parking_lot::Mutex;

use crate::base::monotonic;
use crate::ingest::Codec;

use super::choice::Chosen;
use super::yuv::{Colour, Layout};
use super::{DecodeError, Yuv};

/// How long a decoder may take to output what it holds.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// How long the stretching of a picture may take.
const SQUARE_LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(5);
/// In pixels, of a picture that is stretched to square pixels.
const LONGEST_SIDE: i32 = 16_384;
/// More pictures than any decoder holds back: 16 by H.264 (A.3.1) and H.265 (A.4.2), plus some in transit.
const MOST_HELD: usize = 32;

/// One decoder of one codec. Set to Null when dropped.
pub(super) struct Pipeline {
    pipeline: gst::Pipeline,
    input: gst::Pad,
    sink: gst_app::AppSink,
    element: String,
    /// Presentation times in microseconds of the wanted pictures. All others are dropped before the
    /// conversion.
    wanted: Arc<Mutex<BTreeSet<u64>>>,
    failure: Arc<Mutex<Option<String>>>,
}

/// A picture that only its presentation time ties to its frame.
pub(super) struct Decoded {
    /// In microseconds, as given to `push`.
    pub pts: u64,
    pub yuv: Yuv,
}

impl Pipeline {
    pub fn start(codec: Codec, chosen: &Chosen) -> Result<Self, DecodeError> {
        let pipeline = gst::Pipeline::new();
        let failure = Arc::new(Mutex::new(None));
        watch_errors(&pipeline, &failure)?;
        let parser = make(if codec == Codec::H264 { "h264parse" } else { "h265parse" }, BAD)?;
        let decoder = make(&chosen.element, LIBAV)?;
        if decoder.has_property("max-threads") {
            // A worker uses one core. More threads in libav would also delay pictures.
            decoder.set_property_from_str("max-threads", "1");
        }
        let download = chosen.download.map(|element| make(element, "of the board's vendor")).transpose()?;
        let convert = make("videoconvert", BASE)?;
        let formats = [gst_video::VideoFormat::I420, gst_video::VideoFormat::Nv12];
        let caps = gst_video::VideoCapsBuilder::new().format_list(formats).build();
        let sink = gst_app::AppSink::builder().caps(&caps).sync(false).async_(false).qos(false);
        let sink = sink.max_buffers(MOST_HELD as u32).drop(true).wait_on_eos(false).build();
        let mut chain = vec![&parser, &decoder];
        chain.extend(download.as_ref());
        chain.extend([&convert, sink.upcast_ref()]);
        let start = |detail: String| DecodeError::Start { element: chosen.element.clone(), detail };
        pipeline.add_many(&chain).map_err(|e| start(e.to_string()))?;
        gst::Element::link_many(&chain).map_err(|e| start(e.to_string()))?;

        let wanted = Arc::new(Mutex::new(BTreeSet::new()));
        let unpadded = || start("an element has no pad".into());
        pass_wanted(&convert.static_pad("sink").ok_or_else(unpadded)?, &wanted);
        let input = gst::Pad::builder(gst::PadDirection::Src).name("input").build();
        let this = Self { pipeline, input, sink, element: chosen.element.clone(), wanted, failure };
        let head = parser.static_pad("sink").ok_or_else(unpadded)?;
        this.input.link(&head).map_err(|e| start(e.to_string()))?;
        this.play(codec).map_err(|e| start(this.take_failure().unwrap_or(e)))?;
        Ok(this)
    }

    /// Pushes one access unit into the decoder. `pts`, in microseconds, must differ from those of all
    /// pictures still held.
    pub fn push(&self, data: &Bytes, pts: u64, wanted: bool) -> Result<(), DecodeError> {
        if wanted {
            let mut set = self.wanted.lock();
            set.insert(pts);
            while set.len() > MOST_HELD {
                set.pop_first();
            }
        }
        let mut buffer = gst::Buffer::from_slice(data.clone());
        let time = gst::ClockTime::from_useconds(pts);
        buffer.get_mut().expect("just made, so not shared").set_pts(time);
        let pushed = self.input.push(buffer);
        match (pushed, self.take_failure()) {
            (Ok(_), None) => Ok(()),
            (_, Some(detail)) => Err(self.failed(detail)),
            (Err(flow), None) => Err(self.failed(format!("it refused the frame ({flow})"))),
        }
    }

    /// A picture that is ready. Does not wait.
    pub fn ready(&self) -> Result<Option<Decoded>, DecodeError> {
        self.sink.try_pull_sample(gst::ClockTime::ZERO).map(|sample| self.read(sample)).transpose()
    }

    /// All pictures that the decoder holds. Afterwards it has no memory of earlier frames.
    pub fn drain(&self) -> Result<Vec<Decoded>, DecodeError> {
        self.input.push_event(gst::event::Eos::new());
        let deadline = monotonic() + DRAIN_LIMIT;
        let mut pictures = Vec::new();
        loop {
            match self.sink.try_pull_sample(gst::ClockTime::from_mseconds(50)) {
                Some(sample) => pictures.push(self.read(sample)?),
                None if self.sink.is_eos() => break,
                None => {}
            }
            if let Some(detail) = self.take_failure() {
                return Err(self.failed(detail));
            }
            if monotonic() > deadline {
                return Err(DecodeError::Timeout { element: self.element.clone(), limit: DRAIN_LIMIT });
            }
        }
        self.reset();
        Ok(pictures)
    }

    /// Resets the decoder without rebuilding it.
    pub fn reset(&self) {
        self.input.push_event(gst::event::FlushStart::new());
        self.input.push_event(gst::event::FlushStop::new(true));
        self.input.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        self.wanted.lock().clear();
    }

    pub fn no_picture(&self) -> DecodeError {
        DecodeError::NoPicture { element: self.element.clone() }
    }

    fn play(&self, codec: Codec) -> Result<(), String> {
        self.input.set_active(true).map_err(|e| e.to_string())?;
        self.pipeline.set_state(gst::State::Playing).map_err(|e| e.to_string())?;
        let caps = gst::Caps::builder(codec.media_type());
        let caps = caps.field("stream-format", "byte-stream").field("alignment", "au").build();
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        let accepted = self.input.push_event(gst::event::StreamStart::new("lintel"))
            && self.input.push_event(gst::event::Caps::new(&caps))
            && self.input.push_event(gst::event::Segment::new(&segment));
        if accepted { Ok(()) } else { Err("it refuses a stream of access units".into()) }
    }

    fn read(&self, sample: gst::Sample) -> Result<Decoded, DecodeError> {
        let layout =
            |detail: &str| DecodeError::Layout { element: self.element.clone(), detail: detail.into() };
        let info = |sample: &gst::Sample| {
            let caps = sample.caps().ok_or_else(|| layout("it has no caps"))?;
            gst_video::VideoInfo::from_caps(caps).map_err(|_| layout("its caps are no video"))
        };
        let pts = sample.buffer().and_then(|buffer| buffer.pts());
        let pts = pts.map_or(u64::MAX, |pts| (pts.nseconds() + 500) / 1000);
        let sample = if info(&sample)?.par() == gst::Fraction::new(1, 1) {
            sample
        } else {
            square(&sample).map_err(|e| layout(&format!("its pixels cannot be made square: {e}")))?
        };
        let info = info(&sample)?;
        let buffer = sample.buffer_owned().ok_or_else(|| layout("it has no data"))?;
        let frame = gst_video::VideoFrame::from_buffer_readable(buffer, &info)
            .map_err(|_| layout("it cannot be mapped"))?;
        let yuv = planes(frame).ok_or_else(|| layout("its planes are smaller than its size"))?;
        Ok(Decoded { pts, yuv })
    }

    fn take_failure(&self) -> Option<String> {
        self.failure.lock().take()
    }

    fn failed(&self, detail: String) -> DecodeError {
        DecodeError::Failed { element: self.element.clone(), detail }
    }
}

/// Stretches a picture until its pixels are square.
fn square(sample: &gst::Sample) -> Result<gst::Sample, gst::glib::Error> {
    let caps = gst_video::VideoCapsBuilder::new().format(gst_video::VideoFormat::I420);
    // Without a bound a false aspect ratio would ask for any amount of memory.
    let caps = caps.width_range(1..=LONGEST_SIDE).height_range(1..=LONGEST_SIDE);
    let caps = caps.pixel_aspect_ratio(gst::Fraction::new(1, 1)).build();
    gst_video::convert_sample(sample, &caps, Some(SQUARE_LIMIT))
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // GStreamer aborts the process when a playing element is dropped. If this fails, nothing more can be
        // done.
        let _ = self.pipeline.set_state(gst::State::Null);
        let _ = self.input.set_active(false);
    }
}

const BASE: &str = "gstreamer1.0-plugins-base";
const BAD: &str = "gstreamer1.0-plugins-bad";
const LIBAV: &str = "gstreamer1.0-libav";

fn make(element: &str, package: &'static str) -> Result<gst::Element, DecodeError> {
    let made = gst::ElementFactory::make(element).build();
    made.map_err(|_| DecodeError::NoElement { element: element.into(), package })
}

/// Keeps the first error and drops all other messages, so that none pile up on the bus.
fn watch_errors(pipeline: &gst::Pipeline, failure: &Arc<Mutex<Option<String>>>) -> Result<(), DecodeError> {
    let bus = pipeline.bus().ok_or_else(|| DecodeError::Gstreamer("a pipeline has no bus".into()))?;
    let failure = Arc::clone(failure);
    bus.set_sync_handler(move |_, message| {
        if let gst::MessageView::Error(e) = message.view() {
            let mut first = failure.lock();
            first.get_or_insert_with(|| e.error().to_string());
        }
        gst::BusSyncReply::Drop
    });
    Ok(())
}

/// Drops unwanted pictures, and those that libav marks as damaged, before some formats are converted.
fn pass_wanted(pad: &gst::Pad, wanted: &Arc<Mutex<BTreeSet<u64>>>) {
    let wanted = Arc::clone(wanted);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(buffer) = info.buffer() else { return gst::PadProbeReturn::Ok };
        let pts = buffer.pts().map_or(u64::MAX, |pts| (pts.nseconds() + 500) / 1000);
        let is_wanted = wanted.lock().remove(&pts);
        if is_wanted && !buffer.flags().contains(gst::BufferFlags::CORRUPTED) {
            return gst::PadProbeReturn::Ok;
        }
        info.flow_res = Ok(gst::FlowSuccess::Ok);
        gst::PadProbeReturn::Handled
    });
}

type Frame = gst_video::VideoFrame<gst_video::video_frame::Readable>;

/// One plane of a picture's buffer. The buffer returns to GStreamer when the last user of any plane drops it.
struct Plane {
    frame: Arc<Frame>,
    index: u32,
}

impl AsRef<[u8]> for Plane {
    fn as_ref(&self) -> &[u8] {
        self.frame.plane_data(self.index).unwrap_or(&[])
    }
}

/// The picture's planes, without a copy. `None` if a plane is smaller than its size requires.
fn planes(frame: Frame) -> Option<Yuv> {
    let (width, height, colour) = (frame.width(), frame.height(), colour(frame.info()));
    let interleaved = frame.format() == gst_video::VideoFormat::Nv12;
    let strides = frame.plane_stride();
    let (luma_stride, chroma_stride, other) = (*strides.first()?, *strides.get(1)?, strides.get(2).copied());
    let frame = Arc::new(frame);
    let plane = |index| Bytes::from_owner(Plane { frame: Arc::clone(&frame), index });
    let chroma = if interleaved {
        let both = plane(1);
        [both.clone(), both.slice(both.len().min(1)..)]
    } else if other == Some(chroma_stride) {
        [plane(1), plane(2)]
    } else {
        return None;
    };
    let layout = Layout {
        luma: plane(0),
        luma_stride: usize::try_from(luma_stride).ok()?,
        chroma,
        chroma_stride: usize::try_from(chroma_stride).ok()?,
        chroma_step: if interleaved { 2 } else { 1 },
    };
    Yuv::new(width, height, layout, colour)
}

/// The stream's colour space. Where the stream names none, GStreamer guesses by the picture's size.
fn colour(info: &gst_video::VideoInfo) -> Colour {
    let colorimetry = info.colorimetry();
    let (kr, kb) = match colorimetry.matrix() {
        gst_video::VideoColorMatrix::Bt709 => (0.2126, 0.0722),
        gst_video::VideoColorMatrix::Bt2020 => (0.2627, 0.0593),
        gst_video::VideoColorMatrix::Smpte240m => (0.212, 0.087),
        gst_video::VideoColorMatrix::Fcc => (0.30, 0.11),
        _ => (0.299, 0.114),
    };
    Colour::new(kr, kb, colorimetry.range() == gst_video::VideoColorRange::Range0_255)
}
