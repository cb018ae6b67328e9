//! Errors of a model folder, the runtime library and a run.

use std::path::PathBuf;

use crate::config::Provider;

/// An unusable model. Each message names the file and key, the problem and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("{}: cannot be read: {cause}; give the folder of a model, with model.toml in it as UTF-8", path.display())]
    NoManifest { path: PathBuf, cause: std::io::Error },
    #[error("{}: {reason}", path.display())]
    Syntax { path: PathBuf, reason: String },
    #[error("{}: {key}: {problem}", manifest.display())]
    Value { manifest: PathBuf, key: String, problem: String },
    #[error(
        "{}: file: {} cannot be read: {cause}; put the model file beside its manifest or correct the name",
        manifest.display(), path.display()
    )]
    NoFile { manifest: PathBuf, path: PathBuf, cause: std::io::Error },
    #[error(
        "{}: sha256: the manifest says {expected}, {} has {actual}; fetch the model again, \
         or write the new hash if you changed the model on purpose", manifest.display(), path.display()
    )]
    Hash { manifest: PathBuf, path: PathBuf, expected: String, actual: String },
    #[error(
        "ONNX Runtime was not found; run scripts/fetch-onnxruntime.sh, or set runtime.onnxruntime or ORT_DYLIB_PATH \
         to libonnxruntime.so. Tried: {}", tried.join("; ")
    )]
    NoRuntime { tried: Vec<String> },
    #[error("{}: ONNX Runtime cannot be loaded: {reason}; version 1.20 or newer for this processor is needed", path.display())]
    Runtime { path: PathBuf, reason: String },
    #[error(
        "ONNX Runtime is already loaded from {}, and a process loads only one: restart to use {}", loaded.display(), requested.display()
    )]
    RuntimeTaken { loaded: PathBuf, requested: PathBuf },
    #[error(
        "{} has no provider \"{requested}\"; it has {}. Set detect.provider to one of these, or runtime.onnxruntime to a library \
         that was built with it", library.display(), has.join(", ")
    )]
    NoProvider { requested: Provider, library: PathBuf, has: Vec<String> },
    #[error("{}: ONNX Runtime refuses the model: {reason}", path.display())]
    Refused { path: PathBuf, reason: String },
    /// The trial run of a detector as it opens.
    #[error("{}: the trial run failed", path.display())]
    Trial { path: PathBuf, source: DetectError },
}

/// A picture without a result. The detector stays usable.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    #[error("a picture of {width}x{height} needs {} bytes of RGB and has {bytes}", *width as u64 * *height as u64 * 3)]
    Picture { width: u32, height: u32, bytes: usize },
    #[error("ONNX Runtime: {0}")]
    Run(String),
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// A network's output does not match its manifest.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OutputError {
    #[error(
        "head.kind = \"{kind}\" with {classes} classes needs {needed}, but the network has {given}; {advice}"
    )]
    Shape { kind: &'static str, classes: usize, needed: String, given: String, advice: String },
    #[error("the network outputs class {label}, but the manifest lists {classes}; correct [[classes]]")]
    Label { label: i64, classes: usize },
}
