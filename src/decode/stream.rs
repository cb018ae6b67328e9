//! Decodes every frame of one camera, in order.

use std::collections::BTreeMap;

use crate::base::MediaTime;
use crate::ingest::{Codec, EncodedFrame};

use super::frame_numbers::FrameNumbers;
use super::pipeline::{Decoded, Pipeline};
use super::{DecodeError, DecoderChoice, Picture};

/// Returns pictures in presentation order, each with the metadata of its own frame. With B-frames some pushes
/// return no picture and others several. A stream begins at a key frame; earlier frames are skipped and
/// counted.
pub struct StreamDecoder {
    choice: DecoderChoice,
    codec: Codec,
    pipeline: Option<Pipeline>,
    stream: Option<u32>,
    needs_key: bool,
    numbers: FrameNumbers,
    /// Frames whose pictures the decoder may still hold, without their bytes, by decoder time.
    held: BTreeMap<u64, EncodedFrame>,
    clock: DecoderClock,
    /// Pictures that no call has returned yet. They survive a step that fails.
    ready: Vec<Picture>,
    headless: u64,
}

/// More than any decoder holds back. A frame without a picture is dropped after this many later ones.
const MOST_HELD: usize = 64;

impl StreamDecoder {
    /// The decoder is built at the first key frame. `codec` may change with the stream.
    pub fn new(choice: &DecoderChoice, codec: Codec) -> Self {
        Self {
            choice: choice.clone(),
            codec,
            pipeline: None,
            stream: None,
            needs_key: true,
            numbers: FrameNumbers::default(),
            held: BTreeMap::new(),
            clock: DecoderClock::default(),
            ready: Vec::new(),
            headless: 0,
        }
    }

    /// Decodes the frame in the calling thread and returns the pictures that are ready.
    ///
    /// # Errors
    /// The decoder failed. It is rebuilt at the next key frame. The next call returns the pictures that were
    /// ready before.
    pub fn push(&mut self, frame: &EncodedFrame) -> Result<Vec<Picture>, DecodeError> {
        self.push_if(frame, true)
    }

    /// As [`push`](Self::push). A frame that is not `wanted` gives no picture and is decoded only because
    /// later frames refer to it.
    ///
    /// # Errors
    /// As `push`.
    pub fn push_if(&mut self, frame: &EncodedFrame, wanted: bool) -> Result<Vec<Picture>, DecodeError> {
        if self.stream != Some(frame.stream) || self.codec != frame.codec {
            self.change(frame);
        }
        if self.needs_key && !frame.key {
            self.headless += 1;
            return Ok(std::mem::take(&mut self.ready));
        }
        if std::mem::take(&mut self.needs_key) {
            self.numbers = FrameNumbers::default();
        }
        if let Err(error) = self.step(frame, wanted) {
            self.reset();
            return Err(error);
        }
        Ok(std::mem::take(&mut self.ready))
    }

    /// The pictures that the decoder still holds. The next frame must be a key frame.
    pub fn finish(&mut self) -> Vec<Picture> {
        self.drain();
        std::mem::take(&mut self.ready)
    }

    /// Frames skipped because no key frame came before them.
    pub fn headless(&self) -> u64 {
        self.headless
    }

    fn change(&mut self, frame: &EncodedFrame) {
        self.drain();
        if self.codec != frame.codec {
            self.pipeline = None;
            self.codec = frame.codec;
        }
        self.stream = Some(frame.stream);
        self.clock = DecoderClock::default();
    }

    fn step(&mut self, frame: &EncodedFrame, wanted: bool) -> Result<(), DecodeError> {
        let pipeline = match self.pipeline.take() {
            Some(pipeline) => pipeline,
            None => Pipeline::start(self.codec, self.choice.chosen(self.codec)?)?,
        };
        let pipeline = self.pipeline.insert(pipeline);
        let mut pts = self.clock.decoder_time(frame.pts);
        while self.held.contains_key(&pts) {
            pts += 1;
        }
        self.held.insert(pts, EncodedFrame { data: bytes::Bytes::new(), ..frame.clone() });
        pipeline.push(&self.numbers.of(frame), pts, wanted)?;
        while let Some(decoded) = pipeline.ready()? {
            self.ready.extend(claim(&mut self.held, decoded));
        }
        while self.held.len() > MOST_HELD {
            self.held.pop_first();
        }
        Ok(())
    }

    fn drain(&mut self) {
        if let Some(pipeline) = &self.pipeline {
            match pipeline.drain() {
                Ok(pictures) => {
                    let held = &mut self.held;
                    self.ready.extend(pictures.into_iter().filter_map(|decoded| claim(held, decoded)));
                }
                // The held pictures are lost, as with a broken connection. The next frame shows whether
                // decoding works.
                Err(error) => {
                    tracing::debug!(%error, "the decoder output nothing at the end of a stream");
                    self.pipeline = None;
                }
            }
        }
        self.held.clear();
        self.needs_key = true;
    }

    fn reset(&mut self) {
        self.pipeline = None;
        self.held.clear();
        self.needs_key = true;
    }
}

/// The picture with its frame's metadata. Frames that should have been shown before it are dropped.
fn claim(held: &mut BTreeMap<u64, EncodedFrame>, decoded: Decoded) -> Option<Picture> {
    let frame = held.remove(&decoded.pts)?;
    *held = held.split_off(&decoded.pts);
    Some(Picture::of(&frame, decoded))
}

/// Times for the decoder: the stream's own where they are plausible, else rising by one microsecond.
#[derive(Default)]
struct DecoderClock {
    /// The stream time that maps to `START`.
    origin: Option<i64>,
    last: u64,
}

impl DecoderClock {
    /// Leading pictures are shown before the first key frame, so a stream does not start at zero.
    const START: i64 = 3_600_000_000;
    /// Most microseconds that a B-frame steps back. A longer step means that the clock was set.
    const MOST_BACK: u64 = 10_000_000;
    /// A day. A longer step ahead means the same.
    const MOST_AHEAD: u64 = 86_400_000_000;

    fn decoder_time(&mut self, pts: MediaTime) -> u64 {
        let origin = *self.origin.get_or_insert(pts.0);
        let time = pts.0.checked_sub(origin).and_then(|since| since.checked_add(Self::START));
        let likely = self.last.saturating_sub(Self::MOST_BACK)..self.last + Self::MOST_AHEAD;
        let time = time.and_then(|t| u64::try_from(t).ok()).filter(|t| likely.contains(t));
        let time = time.unwrap_or_else(|| {
            let next = self.last + 1;
            self.origin = Some(pts.0.saturating_add(Self::START).saturating_sub_unsigned(next));
            next
        });
        self.last = self.last.max(time);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plausible_times_keep_their_distances() {
        let mut clock = DecoderClock::default();
        let times: Vec<_> = [50, 90, 70, 130].into_iter().map(|t| clock.decoder_time(MediaTime(t))).collect();
        assert_eq!(times, [0, 40, 20, 80].map(|t| t + DecoderClock::START as u64));
    }

    #[test]
    fn a_clock_set_back_continues_from_the_last_time() {
        let mut clock = DecoderClock::default();
        let far = 90_000_000_000;
        let times: Vec<_> =
            [far, far + 40, 0, 40].into_iter().map(|t| clock.decoder_time(MediaTime(t))).collect();
        assert_eq!(times, [0, 40, 41, 81].map(|t| t + DecoderClock::START as u64));
    }

    #[test]
    fn every_time_fits_gstreamer() {
        let mut clock = DecoderClock::default();
        for pts in [i64::MIN, i64::MAX, 0, -1, i64::MIN, i64::MAX] {
            let time = clock.decoder_time(MediaTime(pts));
            assert!(time < u64::MAX / 2000, "{time} for {pts} fits GStreamer's nanoseconds");
        }
    }
}
