//! Decodes single key frames of any camera, one after the other.

use crate::ingest::{Codec, EncodedFrame};

use super::frame_numbers::FrameNumbers;
use super::pipeline::Pipeline;
use super::{DecodeError, DecoderChoice, Picture};

/// A key frame needs nothing before it, so camera, size and codec may change with each call. Holds one
/// decoder for each codec, built when first needed: about 21 MB each at 1080p.
pub struct KeyframeDecoder {
    choice: DecoderChoice,
    h264: Option<Pipeline>,
    h265: Option<Pipeline>,
    next: u64,
}

impl KeyframeDecoder {
    pub fn new(choice: &DecoderChoice) -> Self {
        Self { choice: choice.clone(), h264: None, h265: None, next: 0 }
    }

    /// Decodes the frame in the calling thread.
    ///
    /// # Errors
    /// The frame is no key frame or too damaged, or the box cannot decode it. The next call builds a new
    /// decoder, so one camera's bad data does not affect another's pictures.
    pub fn decode(&mut self, frame: &EncodedFrame) -> Result<Picture, DecodeError> {
        if !frame.key {
            return Err(DecodeError::NotAKey(frame.seq.0));
        }
        let chosen = self.choice.chosen(frame.codec)?;
        let pipeline_slot = match frame.codec {
            Codec::H264 => &mut self.h264,
            Codec::H265 => &mut self.h265,
        };
        let pipeline = match pipeline_slot.take() {
            Some(pipeline) => pipeline,
            None => Pipeline::start(frame.codec, chosen)?,
        };
        self.next += 1;
        let picture = decode_one(&pipeline, frame, self.next * 1_000_000)?;
        *pipeline_slot = Some(pipeline);
        Ok(picture)
    }
}

fn decode_one(pipeline: &Pipeline, frame: &EncodedFrame, pts: u64) -> Result<Picture, DecodeError> {
    pipeline.push(&FrameNumbers::default().of(frame), pts, true)?;
    let decoded = match pipeline.ready()? {
        Some(decoded) => {
            pipeline.reset();
            Some(decoded)
        }
        // Held back for reordering: a decoder cannot know that no B-frame comes before it.
        None => pipeline.drain()?.into_iter().next(),
    };
    // The pipeline passes only the picture of this very frame.
    let decoded = decoded.filter(|decoded| decoded.pts == pts).ok_or_else(|| pipeline.no_picture())?;
    Ok(Picture::of(frame, decoded))
}
