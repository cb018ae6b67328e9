//! Errors of drawing.

/// Why something could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    #[error("cannot draw on the picture: {0}")]
    OpenCv(String),
    /// The file cannot be read, or is not a font.
    #[error(
        "cannot read the font {path}: {reason}; name a .ttf, .otf or .ttc file in evidence.font or leave it out",
        path = .path.display()
    )]
    Font { path: std::path::PathBuf, reason: String },
}
