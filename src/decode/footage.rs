//! One camera's frames in the calling thread, picked as its sampling says: the same frames give the same pictures.

use std::time::Duration;

use crate::config::Sampling;
use crate::ingest::{Codec, EncodedFrame};

use super::adaptive::{AdaptiveSampler, Step, Wanted};
use super::thumbnail::Thumbnail;
use super::{DecodeError, DecoderChoice, KeyframeDecoder, Pace, Picture, Sampler, StreamDecoder};

/// What replays use where a node has its pool.
pub struct FootageDecoder {
    picks: Picks,
    keyframes: KeyframeDecoder,
    every: StreamDecoder,
}

enum Picks {
    Keyframes(Sampler),
    All(Sampler),
    Adaptive(Box<AdaptiveSampler>),
}

impl FootageDecoder {
    pub fn new(choice: &DecoderChoice, sampling: Sampling, interval: Duration) -> Self {
        let picks = match sampling {
            Sampling::Adaptive(config) => Picks::Adaptive(Box::new(AdaptiveSampler::new(config, interval))),
            Sampling::Keyframes => Picks::Keyframes(Sampler::new(sampling, interval)),
            Sampling::All => Picks::All(Sampler::new(sampling, interval)),
        };
        let every = StreamDecoder::new(choice, Codec::H264);
        Self { picks, keyframes: KeyframeDecoder::new(choice), every }
    }

    /// The pictures that are ready after this frame, in order of time. Every frame, in decode order.
    ///
    /// # Errors
    /// The frame gave none where one was wanted; the next one is tried.
    pub fn push(&mut self, frame: &EncodedFrame) -> Result<Vec<Picture>, DecodeError> {
        match &mut self.picks {
            Picks::Keyframes(sampler) => match sampler.wants(frame) {
                true => self.keyframes.decode(frame).map(|picture| vec![picture]),
                false => Ok(Vec::new()),
            },
            Picks::All(sampler) => {
                let wanted = sampler.wants(frame);
                self.every.push_if(frame, wanted)
            }
            Picks::Adaptive(sampler) => {
                let pictures = match sampler.frame(frame, Pace::FREE) {
                    Step::Pass => return Ok(Vec::new()),
                    Step::Look => self.keyframes.decode(frame).map(|picture| vec![picture]),
                    Step::Follow { frames, last } => follow(&mut self.every, &frames, last),
                };
                for thumbnail in pictures.iter().flatten().filter_map(Thumbnail::of) {
                    sampler.seen(thumbnail);
                }
                pictures
            }
        }
    }
}

fn follow(decoder: &mut StreamDecoder, frames: &[Wanted], last: bool) -> Result<Vec<Picture>, DecodeError> {
    let mut pictures = Vec::new();
    for Wanted { frame, wanted, .. } in frames {
        pictures.extend(decoder.push_if(frame, *wanted)?);
    }
    if last {
        pictures.extend(decoder.finish());
    }
    Ok(pictures)
}
