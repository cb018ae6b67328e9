//! The input of a network, as its manifest says.

use serde::Deserialize;

use super::model_folder::WrongValue;

/// The network's input: `[1, 3, height, width]` float32 of `(pixel * scale - mean) / std`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    pub width: u32,
    pub height: u32,
    pub channels: Channels,
    /// Factor on pixel values 0..255.
    pub scale: f32,
    /// In channel order, after `scale`.
    #[serde(default)]
    pub mean: [f32; 3],
    #[serde(default = "ones")]
    pub std: [f32; 3],
    pub letterbox: LetterboxMode,
    /// Pixel value of the margins, 0..255.
    #[serde(default = "grey")]
    pub pad: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    Rgb,
    Bgr,
}

/// Where the resized picture is in the network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterboxMode {
    TopLeft,
    Center,
    /// Ignores the aspect ratio.
    Stretch,
}

impl InputSpec {
    /// # Errors
    /// The key and the problem of its value.
    pub(crate) fn check(&self) -> Result<(), WrongValue> {
        let no = |key: &str, problem: String| Err((key.to_owned(), problem));
        let Self { width, height, scale, mean, std, .. } = self;
        for (key, size) in [("input.width", *width), ("input.height", *height)] {
            if !(32..=4096).contains(&size) {
                return no(key, format!("{size} is not in 32 to 4096"));
            }
        }
        if !(scale.is_finite() && *scale > 0.0) {
            return no(
                "input.scale",
                format!("{scale} is not above 0; 1.0 feeds 0..255, 0.00392157 feeds 0..1"),
            );
        }
        if mean.iter().any(|v| !v.is_finite()) {
            return no("input.mean", "not a number".into());
        }
        if std.iter().any(|v| !v.is_finite() || *v <= 0.0) {
            return no("input.std", "every value must be above 0".into());
        }
        Ok(())
    }
}

fn ones() -> [f32; 3] {
    [1.0; 3]
}

fn grey() -> u8 {
    114
}
