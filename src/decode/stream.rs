//! Every frame of one camera, in order.

use std::collections::BTreeMap;

use crate::base::MediaTime;
use crate::ingest::{Codec, EncodedFrame};

use super::pipeline::{Decoded, Pipeline};
use super::{DecodeError, DecoderChoice, Picture};

/// Pictures come in the order in which they are shown, each under its own frame's name; with B-frames some pushes
/// give none and others several. A stream begins at a key frame: what comes before is passed over and counted.
pub struct StreamDecoder {
    choice: DecoderChoice,
    codec: Codec,
    pipeline: Option<Pipeline>,
    stream: Option<u32>,
    needs_key: bool,
    /// The frames whose pictures the decoder may hold, by the time that it knows them under, without their bytes.
    held: BTreeMap<u64, EncodedFrame>,
    clock: Clock,
    /// Pictures that were ready when a later step failed.
    left: Vec<Picture>,
    headless: u64,
}

/// More than any decoder holds back; a frame that gave no picture is forgotten after so many.
const MOST_HELD: usize = 64;

impl StreamDecoder {
    /// Nothing is built before the first key frame. `codec` may change with the stream.
    pub fn new(choice: &DecoderChoice, codec: Codec) -> Self {
        Self {
            choice: choice.clone(),
            codec,
            pipeline: None,
            stream: None,
            needs_key: true,
            held: BTreeMap::new(),
            clock: Clock::default(),
            left: Vec::new(),
            headless: 0,
        }
    }

    /// Decodes the frame in the calling thread and gives the pictures that are ready.
    ///
    /// # Errors
    /// The decoder failed: it is built anew at the next key frame. Pictures that it gave before come with the next call.
    pub fn push(&mut self, frame: &EncodedFrame) -> Result<Vec<Picture>, DecodeError> {
        self.push_if(frame, true)
    }

    /// As `push`; where the picture is not `wanted` the frame is decoded for those that refer to it, and no more.
    ///
    /// # Errors
    /// As `push`.
    pub fn push_if(&mut self, frame: &EncodedFrame, wanted: bool) -> Result<Vec<Picture>, DecodeError> {
        if self.stream != Some(frame.stream) || self.codec != frame.codec {
            self.change(frame);
        }
        if self.needs_key && !frame.key {
            self.headless += 1;
            return Ok(std::mem::take(&mut self.left));
        }
        self.needs_key = false;
        if let Err(error) = self.step(frame, wanted) {
            self.reset();
            return Err(error);
        }
        Ok(std::mem::take(&mut self.left))
    }

    /// The pictures that the decoder still holds. The next frame must be a key frame.
    pub fn finish(&mut self) -> Vec<Picture> {
        self.drain();
        std::mem::take(&mut self.left)
    }

    /// Frames passed over for want of a key frame before them.
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
        self.clock = Clock::default();
    }

    fn step(&mut self, frame: &EncodedFrame, wanted: bool) -> Result<(), DecodeError> {
        let pipeline = match self.pipeline.take() {
            Some(pipeline) => pipeline,
            None => Pipeline::start(self.codec, self.choice.chosen(self.codec)?)?,
        };
        let pipeline = self.pipeline.insert(pipeline);
        let mut pts = self.clock.tell(frame.pts);
        while self.held.contains_key(&pts) {
            pts += 1;
        }
        self.held.insert(pts, EncodedFrame { data: bytes::Bytes::new(), ..frame.clone() });
        pipeline.push(&frame.data, pts, wanted)?;
        while let Some(decoded) = pipeline.ready()? {
            self.left.extend(claim(&mut self.held, decoded));
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
                    self.left.extend(pictures.into_iter().filter_map(|decoded| claim(held, decoded)));
                }
                // What it held is lost, as with a broken connection; whether it works the next frame tells.
                Err(error) => {
                    tracing::debug!(%error, "decoder gave back nothing at the end of a stream");
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

/// The picture under its frame's name. What should have been shown before it will not come any more.
fn claim(held: &mut BTreeMap<u64, EncodedFrame>, decoded: Decoded) -> Option<Picture> {
    let frame = held.remove(&decoded.pts)?;
    *held = held.split_off(&decoded.pts);
    Some(Picture::of(&frame, decoded))
}

/// Times for the decoder: the stream's own where they make sense, else rising by the smallest step.
#[derive(Default)]
struct Clock {
    /// The stream's time that is told as `START`.
    origin: Option<i64>,
    last: u64,
}

impl Clock {
    /// Leading pictures are shown before the first key frame, so zero is not where a stream starts.
    const START: i64 = 3_600_000_000;
    /// Microseconds that B-frames may lie behind; a longer way back is a clock that was set.
    const MOST_BACK: u64 = 10_000_000;
    /// A day: a longer way ahead is one too.
    const MOST_AHEAD: u64 = 86_400_000_000;

    fn tell(&mut self, pts: MediaTime) -> u64 {
        let origin = *self.origin.get_or_insert(pts.0);
        let told = pts.0.checked_sub(origin).and_then(|since| since.checked_add(Self::START));
        let likely = self.last.saturating_sub(Self::MOST_BACK)..self.last + Self::MOST_AHEAD;
        let told = told.and_then(|t| u64::try_from(t).ok()).filter(|t| likely.contains(t));
        let told = told.unwrap_or_else(|| {
            let next = self.last + 1;
            self.origin = Some(pts.0.saturating_add(Self::START).saturating_sub_unsigned(next));
            next
        });
        self.last = self.last.max(told);
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_the_stream_has_them() {
        let mut clock = Clock::default();
        let told: Vec<_> = [50, 90, 70, 130].into_iter().map(|t| clock.tell(MediaTime(t))).collect();
        assert_eq!(told, [0, 40, 20, 80].map(|t| t + Clock::START as u64));
    }

    #[test]
    fn a_clock_set_back_goes_on_from_the_last_time() {
        let mut clock = Clock::default();
        let far = 90_000_000_000;
        let told: Vec<_> = [far, far + 40, 0, 40].into_iter().map(|t| clock.tell(MediaTime(t))).collect();
        assert_eq!(told, [0, 40, 41, 81].map(|t| t + Clock::START as u64));
    }

    #[test]
    fn no_time_breaks_it() {
        let mut clock = Clock::default();
        for pts in [i64::MIN, i64::MAX, 0, -1, i64::MIN, i64::MAX] {
            let told = clock.tell(MediaTime(pts));
            assert!(told < u64::MAX / 2000, "{told} for {pts} fits GStreamer's nanoseconds");
        }
    }
}
