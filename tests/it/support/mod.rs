//! What several tests share: places, programs, servers.
#![allow(dead_code, reason = "each test uses some of it")]

pub mod mqtt;
pub mod rtsp;

use std::path::{Path, PathBuf};

/// The project's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A program of the workspace beside the tests' own folder, built by `make test` before the tests run.
pub fn program(name: &str) -> PathBuf {
    let exe = std::env::current_exe().expect("own path");
    let path = exe.parent().and_then(Path::parent).expect("target/<profile>/deps").join(name);
    assert!(
        path.exists(),
        "{} is missing: run `cargo build --workspace` first (make test does)",
        path.display()
    );
    path
}

/// The pinned ONNX Runtime: `ORT_DYLIB_PATH`, else where scripts/fetch-onnxruntime.sh puts it.
pub fn onnxruntime() -> PathBuf {
    let path = std::env::var_os("ORT_DYLIB_PATH")
        .map_or_else(|| root().join(".cache/onnxruntime/libonnxruntime.so"), PathBuf::from);
    assert!(path.exists(), "{} is missing: run scripts/fetch-onnxruntime.sh", path.display());
    path
}

/// The folder of other people's pictures and footage, or `None`, and then the test says that it is skipped.
pub fn shared(test: &str) -> Option<PathBuf> {
    let place = std::env::var_os("LINTEL_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    if place.join("data").exists() {
        return Some(place);
    }
    skipped(test, &format!("{} has no data; set LINTEL_SHARED", place.display()));
    None
}

/// Says that a test, or a part of it, cannot run here. Past the test harness's capture, so that scripts/test.sh sees and
/// counts it.
pub fn skipped(test: &str, why: &str) {
    use std::io::Write;
    let line = format!("SKIPPED {test}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("stderr");
}
