//! Decodes one camera's frames in the calling thread, by its sampling. The same frames give the same
//! pictures.

use std::time::Duration;

use crate::config::Sampling;
use crate::ingest::{Codec, EncodedFrame};

use super::adaptive_sampler::{AdaptiveSampler, Step};
use super::job::QueuedFrame;
use super::thumbnail::Thumbnail;
use super::{DecodeError, DecoderChoice, KeyframeDecoder, Picture, Sampler, StreamDecoder, Throttle};

/// The decoder of a replay; a node uses [`DecodePool`](super::DecodePool) instead.
pub struct FootageDecoder {
    sampling: FrameSampler,
    keyframes: KeyframeDecoder,
    every: StreamDecoder,
}

enum FrameSampler {
    Keyframes(Sampler),
    All(Sampler),
    Adaptive(Box<AdaptiveSampler>),
}

impl FootageDecoder {
    pub fn new(choice: &DecoderChoice, sampling: Sampling, interval: Duration) -> Self {
        let sampling = match sampling {
            Sampling::Adaptive(config) => {
                FrameSampler::Adaptive(Box::new(AdaptiveSampler::new(config, interval)))
            }
            Sampling::Keyframes => FrameSampler::Keyframes(Sampler::new(sampling, interval)),
            Sampling::All => FrameSampler::All(Sampler::new(sampling, interval)),
        };
        let every = StreamDecoder::new(choice, Codec::H264);
        Self { sampling, keyframes: KeyframeDecoder::new(choice), every }
    }

    /// Decodes a frame and returns the pictures that are ready, in order of time. Push every frame, in decode
    /// order.
    ///
    /// # Errors
    /// The frame gave no picture although one was wanted. The next frame is tried again.
    pub fn push(&mut self, frame: &EncodedFrame) -> Result<Vec<Picture>, DecodeError> {
        match &mut self.sampling {
            FrameSampler::Keyframes(sampler) => match sampler.wants(frame) {
                true => self.keyframes.decode(frame).map(|picture| vec![picture]),
                false => Ok(Vec::new()),
            },
            FrameSampler::All(sampler) => {
                let wanted = sampler.wants(frame);
                self.every.push_if(frame, wanted)
            }
            FrameSampler::Adaptive(sampler) => {
                let pictures = match sampler.push(frame, Throttle::NONE) {
                    Step::Skip => return Ok(Vec::new()),
                    Step::KeyFrame => self.keyframes.decode(frame).map(|picture| vec![picture]),
                    Step::Frames { frames, last } => decode_all(&mut self.every, &frames, last),
                };
                for thumbnail in pictures.iter().flatten().filter_map(Thumbnail::of) {
                    sampler.push_thumbnail(thumbnail);
                }
                pictures
            }
        }
    }
}

fn decode_all(
    decoder: &mut StreamDecoder,
    frames: &[QueuedFrame],
    last: bool,
) -> Result<Vec<Picture>, DecodeError> {
    let mut pictures = Vec::new();
    for QueuedFrame { frame, wanted, .. } in frames {
        pictures.extend(decoder.push_if(frame, *wanted)?);
    }
    if last {
        pictures.extend(decoder.finish());
    }
    Ok(pictures)
}
