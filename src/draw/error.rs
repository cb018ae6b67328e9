//! What can go wrong with drawing.

/// Why a picture or a font cannot be drawn with.
#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    #[error("cannot draw on the picture: {0}")]
    OpenCv(String),
    /// The file cannot be read, or is no font.
    #[error(
        "cannot read the font {path}: {reason}; name a .ttf, .otf or .ttc file in evidence.font or leave it out",
        path = .path.display()
    )]
    Font { path: std::path::PathBuf, reason: String },
}
