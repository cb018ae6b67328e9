//! A folder with a still of each camera, and the same with a grid to read zones off. For `check` and `init`.

mod grid;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use turbojpeg::Subsamp;

use crate::base::replace_file;
use crate::config::DecodeConfig;
use crate::decode::{DecoderChoice, KeyframeDecoder, Picture};
use crate::evidence::{jpeg, rgb_image};
use crate::ingest::EncodedFrame;

/// Of the JPEGs.
const QUALITY: u8 = 90;

pub(super) struct StillFolder {
    folder: PathBuf,
    decoder: KeyframeDecoder,
}

/// The files of one camera.
pub(super) struct Kept {
    /// As the camera sees it, upright and with square pixels.
    pub picture: PathBuf,
    /// The same with lines each tenth of its width and height.
    pub grid: PathBuf,
}

impl StillFolder {
    /// # Errors
    /// The folder cannot be made, or GStreamer does not start.
    pub fn open(folder: &Path, decode: &DecodeConfig) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder of stills {}", folder.display()))?;
        let choice = DecoderChoice::new(decode)?;
        Ok(Self { folder: folder.to_path_buf(), decoder: KeyframeDecoder::new(&choice) })
    }

    /// Writes `ID.jpg` and `ID-grid.jpg` of the first of these frames that can be decoded. Replaces older ones.
    ///
    /// # Errors
    /// None can be decoded, or a file cannot be written.
    pub fn keep(&mut self, id: &str, key_frames: &[EncodedFrame]) -> anyhow::Result<Kept> {
        let image = rgb_image(&self.picture(key_frames)?)?;
        let write = |name: String, jpeg: &[u8]| {
            let path = self.folder.join(name);
            replace_file(&path, jpeg).with_context(|| format!("cannot write {}", path.display()))?;
            anyhow::Ok(path)
        };
        // Only the camera's own picture has its colours at half resolution already.
        let picture = write(format!("{id}.jpg"), &jpeg(&image, QUALITY, Subsamp::Sub2x2)?)?;
        let grid = grid::draw(image)?;
        let grid = write(format!("{id}-grid.jpg"), &jpeg(&grid, QUALITY, Subsamp::None)?)?;
        Ok(Kept { picture, grid })
    }

    fn picture(&mut self, key_frames: &[EncodedFrame]) -> anyhow::Result<Picture> {
        let mut failed = anyhow!("the camera sent no key frame");
        for frame in key_frames {
            match self.decoder.decode(frame) {
                Ok(picture) => return Ok(picture),
                Err(error) => failed = error.into(),
            }
        }
        Err(failed.context("no picture can be decoded"))
    }
}
