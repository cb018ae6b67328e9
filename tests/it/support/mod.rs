//! What several tests share: places, programs, servers.
#![allow(dead_code, reason = "each test uses some of it")]

pub mod hostile;
pub mod mqtt;
pub mod onvif;
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

/// Writes a terrain model (GeoTIFF, WGS-84) of even ground: 200 x 200 cells of 1e-4 degrees around a place.
pub fn level_terrain(path: &Path, [lon, lat]: [f64; 2], alt: f32) {
    use tiff::tags::Tag;
    let file = std::fs::File::create(path).expect("a file");
    let mut encoder = tiff::encoder::TiffEncoder::new(file).expect("TIFF");
    let mut image = encoder.new_image::<tiff::encoder::colortype::Gray32Float>(200, 200).expect("TIFF");
    let scale: &[f64] = &[1e-4, 1e-4, 0.0];
    let corner: &[f64] = &[0.0, 0.0, 0.0, lon - 0.01, lat + 0.01, 0.0];
    // Geographic, the point is a cell, EPSG:4326.
    let keys: &[u16] = &[1, 1, 0, 3, 1024, 0, 1, 2, 1025, 0, 1, 1, 2048, 0, 1, 4326];
    let tags = image.encoder();
    tags.write_tag(Tag::ModelPixelScaleTag, scale).expect("written");
    tags.write_tag(Tag::ModelTiepointTag, corner).expect("written");
    tags.write_tag(Tag::GeoKeyDirectoryTag, keys).expect("written");
    image.write_data(&[alt; 200 * 200]).expect("written");
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

/// Says that a test, or a part of it, cannot run here. Past the test harness's capture, so that
/// scripts/test.sh sees and counts it.
pub fn skipped(test: &str, why: &str) {
    use std::io::Write;
    let line = format!("SKIPPED {test}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("stderr");
}
