//! TIFFs that are written here, tag by tag.

use std::io::Write as _;
use std::path::PathBuf;

use super::Raster;

/// One picture of a file: tags with their type and values, and the bytes of its parts (empty: a sparse one).
#[derive(Clone, Default)]
pub(in crate::calibration) struct Picture {
    tags: Vec<(u16, u16, Vec<u8>)>,
    parts: Vec<Vec<u8>>,
    tiled: bool,
}

impl Picture {
    pub fn new(width: u16, height: u16, bands: u16, bits: u16) -> Self {
        let picture = Self::default().short(256, &[width]).short(257, &[height]).short(277, &[bands]);
        let photometric = if bands >= 3 { 2 } else { 1 };
        picture
            .short(258, &vec![bits; bands.into()])
            .short(262, &[photometric])
            .short(259, &[1])
            .short(278, &[height])
    }

    pub fn short(mut self, tag: u16, values: &[u16]) -> Self {
        self.tags.retain(|(t, ..)| *t != tag);
        self.tags.push((tag, 3, values.iter().flat_map(|v| v.to_le_bytes()).collect()));
        self
    }

    pub fn double(mut self, tag: u16, values: &[f64]) -> Self {
        self.tags.push((tag, 12, values.iter().flat_map(|v| v.to_le_bytes()).collect()));
        self
    }

    pub fn text(mut self, tag: u16, text: &str) -> Self {
        self.tags.push((tag, 2, format!("{text}\0").into_bytes()));
        self
    }

    /// Longitude 120 and latitude 30 at the upper left corner, 0.001 degrees a pixel, on CGCS2000.
    pub fn placed(self) -> Self {
        let keys = [1, 1, 0, 3, 1024, 0, 1, 2, 1025, 0, 1, 1, 2048, 0, 1, 4490];
        let placed =
            self.double(33_550, &[0.001, 0.001, 0.0]).double(33_922, &[0.0, 0.0, 0.0, 120.0, 30.0, 0.0]);
        placed.short(34_735, &keys)
    }

    pub fn tiled(mut self, side: u16) -> Self {
        self.tiled = true;
        self.tags.retain(|(t, ..)| *t != 278);
        self.short(322, &[side]).short(323, &[side])
    }

    pub fn parts(mut self, parts: &[Vec<u8>]) -> Self {
        self.parts = parts.to_vec();
        self
    }
}

/// The file of these pictures, little-endian.
pub(in crate::calibration) fn file(pictures: &[Picture]) -> Vec<u8> {
    let mut bytes = b"II*\0".to_vec();
    let mut link = bytes.len();
    bytes.extend([0; 4]);
    for picture in pictures {
        let mut places = (Vec::new(), Vec::new());
        for part in &picture.parts {
            let at = if part.is_empty() { 0 } else { bytes.len() as u32 };
            places.0.extend(at.to_le_bytes());
            places.1.extend((part.len() as u32).to_le_bytes());
            bytes.extend(part);
        }
        let (offsets, lengths) = if picture.tiled { (324, 325) } else { (273, 279) };
        let mut tags = picture.tags.clone();
        tags.extend([(offsets, 4, places.0), (lengths, 4, places.1)]);
        tags.sort_by_key(|(tag, ..)| *tag);
        let mut entries = (tags.len() as u16).to_le_bytes().to_vec();
        for (tag, kind, value) in &tags {
            let size = match kind {
                2 => 1,
                3 => 2,
                4 => 4,
                _ => 8,
            };
            entries.extend(
                [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &((value.len() / size) as u32).to_le_bytes()]
                    .concat(),
            );
            if value.len() <= 4 {
                entries.extend(value.iter().copied().chain([0; 4]).take(4));
            } else {
                entries.extend((bytes.len() as u32).to_le_bytes());
                bytes.extend(value);
            }
        }
        let at = bytes.len() as u32;
        bytes[link..link + 4].copy_from_slice(&at.to_le_bytes());
        bytes.extend(entries);
        link = bytes.len();
        bytes.extend([0; 4]);
    }
    bytes
}

pub(in crate::calibration) fn written(pictures: &[Picture]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.tif");
    std::fs::write(&path, file(pictures)).expect("written");
    (dir, path)
}

/// Values by band and pixel; what is not there is -1.
fn read(picture: Picture) -> Result<Vec<Vec<f64>>, String> {
    let (_dir, path) = written(&[picture]);
    let text = |e| crate::base::error_chain(&e);
    let mut raster = Raster::open(&path).map_err(text)?;
    let pixels = raster.layout.columns as usize * raster.layout.rows as usize;
    let mut found = vec![vec![-1.0; pixels]; raster.layout.bands];
    raster.samples(|pixel, band, value| found[band][pixel] = value).map_err(text)?;
    Ok(found)
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

/// 4 x 2 pixels of three bands: the value is 10 * band + pixel.
fn expected() -> Vec<Vec<f64>> {
    (0..3).map(|band| (0..8).map(|pixel| f64::from(10 * band + pixel)).collect()).collect()
}

fn band(band: u8) -> Vec<u8> {
    (0..8).map(|pixel| 10 * band + pixel).collect()
}

fn interleaved() -> Vec<u8> {
    (0..8).flat_map(|pixel| (0..3).map(move |band| 10 * band + pixel)).collect()
}

#[test]
fn every_arrangement_gives_the_same_values() {
    let pixel = Picture::new(4, 2, 3, 8);
    let planar = pixel.clone().short(284, &[2]);
    let bands = [band(0), band(1), band(2)];
    let lzw = weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
    let lzw = { lzw }.encode(&interleaved()).expect("in memory");
    let differences = |values: &[u8], step: usize| -> Vec<u8> {
        let row = |row: &[u8]| -> Vec<u8> {
            (0..row.len())
                .map(|i| if i < step { row[i] } else { row[i].wrapping_sub(row[i - step]) })
                .collect()
        };
        values.chunks(values.len() / 2).flat_map(row).collect()
    };
    let packed = |values: &[u8]| [&[values.len() as u8 - 1], values].concat();
    for picture in [
        pixel.clone().parts(&[interleaved()]),
        pixel.clone().short(278, &[1]).parts(&[interleaved()[..12].to_vec(), interleaved()[12..].to_vec()]),
        planar.clone().parts(&bands),
        planar.clone().short(259, &[8]).parts(&bands.each_ref().map(|b| deflated(b))),
        pixel.clone().short(259, &[8]).short(317, &[2]).parts(&[deflated(&differences(&interleaved(), 3))]),
        planar
            .short(259, &[8])
            .short(317, &[2])
            .parts(&bands.each_ref().map(|b| deflated(&differences(b, 1)))),
        pixel.clone().short(259, &[5]).parts(&[lzw]),
        pixel.short(259, &[32_773]).parts(&[packed(&interleaved())]),
    ] {
        assert_eq!(read(picture).as_deref(), Ok(&expected()[..]));
    }
}

#[test]
fn tiles_go_over_the_edge_and_may_be_missing() {
    // 5 x 3 pixels in tiles of 4: four tiles, of which the second is not there.
    let tile = |value: u8| vec![value; 16];
    let picture = Picture::new(5, 3, 1, 8).tiled(4).parts(&[tile(1), Vec::new()]);
    let found = read(picture).expect("readable");
    assert_eq!(found[0], [1.0, 1.0, 1.0, 1.0, -1.0].repeat(3));
    let deflate = Picture::new(5, 3, 1, 8).tiled(4).short(259, &[8]).parts(&[Vec::new(), deflated(&tile(7))]);
    assert_eq!(read(deflate).expect("readable")[0], [-1.0, -1.0, -1.0, -1.0, 7.0].repeat(3));
}

#[test]
fn depths_and_predictors_of_heights_are_read() {
    let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let values = [1.5f32, -2.25, 1000.0, 0.125];
    let float = Picture::new(4, 1, 1, 32).short(339, &[3]);
    let wanted: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
    assert_eq!(read(float.clone().parts(&[bytes(&values)])).expect("readable")[0], wanted);
    // Adobe's predictor: highest bytes first, then differences.
    let big: Vec<[u8; 4]> = values.iter().map(|v| v.to_be_bytes()).collect();
    let shuffled: Vec<u8> = (0..4).flat_map(|byte| big.iter().map(move |v| v[byte])).collect();
    let coded: Vec<u8> = (0..16)
        .map(|i| if i == 0 { shuffled[0] } else { shuffled[i].wrapping_sub(shuffled[i - 1]) })
        .collect();
    assert_eq!(read(float.short(317, &[3]).parts(&[coded])).expect("readable")[0], wanted);
    let half = Picture::new(2, 1, 1, 16).short(339, &[3]).parts(&[vec![0x00, 0x3e, 0x00, 0xc0]]);
    assert_eq!(read(half).expect("readable")[0], [1.5, -2.0]);
    let signed = Picture::new(2, 1, 1, 16).short(339, &[2]).parts(&[vec![0xff, 0xff, 0x10, 0x27]]);
    assert_eq!(read(signed).expect("readable")[0], [-1.0, 10_000.0]);
    let bits = Picture::new(9, 1, 1, 1).parts(&[vec![0b1010_0000, 0b1000_0000]]);
    assert_eq!(read(bits).expect("readable")[0], [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn what_is_not_known_or_damaged_is_named() {
    let zstd = read(Picture::new(4, 2, 1, 8).short(259, &[50_000]).parts(&[vec![1]])).expect_err("ZSTD");
    assert!(zstd.contains("ZSTD") && zstd.contains("gdal_translate"), "{zstd}");
    let short = read(Picture::new(4, 2, 1, 8).parts(&[vec![1]])).expect_err("cut");
    assert!(short.contains("part 0") && short.contains("damaged"), "{short}");
    let broken =
        read(Picture::new(4, 2, 1, 8).short(259, &[8]).parts(&[vec![1, 2, 3, 4]])).expect_err("broken");
    assert!(broken.contains("damaged"), "{broken}");
    let whole = file(&[Picture::new(4, 2, 3, 8).placed().parts(&[interleaved()])]);
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("bent.tif");
    for i in 0..whole.len() {
        let mut bent = whole.clone();
        bent[i] ^= 0xff;
        std::fs::write(&path, &bent).expect("written");
        if let Ok(mut raster) = Raster::open(&path) {
            let _ = raster.samples(|_, _, _| {});
            let _ = raster.mask();
        }
    }
}
