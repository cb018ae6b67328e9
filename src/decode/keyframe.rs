//! Single key frames of any camera, one after the other through one decoder.

use crate::ingest::{Codec, EncodedFrame};

use super::pipeline::Pipeline;
use super::{DecodeError, DecoderChoice, Picture};

/// A key frame needs nothing before it, so cameras, sizes and codecs may change from one call to the next. Holds one
/// decoder a codec, built when first needed: about 21 MB each at 1080p.
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

    /// The frame's own picture, in the calling thread.
    ///
    /// # Errors
    /// The frame is no key frame, is damaged beyond a picture, or the box cannot decode it. The decoder is built anew
    /// with the next call, so one camera's garbage does not touch another's pictures.
    pub fn decode(&mut self, frame: &EncodedFrame) -> Result<Picture, DecodeError> {
        if !frame.key {
            return Err(DecodeError::NotAKey(frame.seq.0));
        }
        let chosen = self.choice.chosen(frame.codec)?;
        let place = match frame.codec {
            Codec::H264 => &mut self.h264,
            Codec::H265 => &mut self.h265,
        };
        let pipeline = match place.take() {
            Some(pipeline) => pipeline,
            None => Pipeline::start(frame.codec, chosen)?,
        };
        self.next += 1;
        let picture = one(&pipeline, frame, self.next * 1_000_000)?;
        *place = Some(pipeline);
        Ok(picture)
    }
}

fn one(pipeline: &Pipeline, frame: &EncodedFrame, pts: u64) -> Result<Picture, DecodeError> {
    pipeline.push(&frame.data, pts, true)?;
    let decoded = match pipeline.ready()? {
        Some(decoded) => {
            pipeline.forget();
            Some(decoded)
        }
        // Held back for reordering: with B-frames the decoder cannot know that nothing comes before it.
        None => pipeline.drain()?.into_iter().next(),
    };
    // Only the picture of this very frame passes the pipeline, whatever the decoder makes of the bytes.
    let decoded = decoded.filter(|decoded| decoded.pts == pts).ok_or_else(|| pipeline.no_picture())?;
    Ok(Picture::of(frame, decoded))
}
