//! What a picture looks like, kept beside its calibration so that a moved camera is noticed.
//!
//! File: `LTLF1`, a zero byte, then little-endian: width and height (u32), number of features (u32), and for
//! each x and y (f32, pixels) and the 32 bytes of its ORB descriptor. About 40 bytes a feature.

use std::path::Path;

use image::GrayImage;

use super::CalibrationError;
use super::vision::{self, DESCRIPTOR_BYTES};

const MAGIC: &[u8; 6] = b"LTLF1\0";
const RECORD: usize = 8 + DESCRIPTOR_BYTES;
const HEADER: usize = MAGIC.len() + 12;

/// A corner that is found again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Feature {
    pub pixel: [f32; 2],
    /// Compared by the number of bits that differ.
    pub descriptor: [u8; DESCRIPTOR_BYTES],
}

/// Those of one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// Of the picture.
    pub size: [u32; 2],
    pub points: Vec<Feature>,
}

impl Features {
    /// # Errors
    /// OpenCV's own.
    pub fn of(picture: &GrayImage) -> Result<Self, CalibrationError> {
        let point = |(pixel, descriptor)| Feature { pixel, descriptor };
        let points = vision::orb(picture)?.into_iter().map(point).collect();
        Ok(Self { size: [picture.width(), picture.height()], points })
    }

    /// # Errors
    /// The file cannot be read or is none of these.
    pub fn load(path: &Path) -> Result<Self, CalibrationError> {
        let bytes = std::fs::read(path).map_err(|e| CalibrationError::file(path, e))?;
        Self::from_bytes(&bytes)
            .ok_or_else(|| CalibrationError::file(path, "it holds no features: calibrate again with --image"))
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let count = self.points.len() as u32;
        let mut bytes = MAGIC.to_vec();
        bytes.extend([self.size[0], self.size[1], count].into_iter().flat_map(u32::to_le_bytes));
        for point in &self.points {
            bytes.extend(point.pixel.into_iter().flat_map(f32::to_le_bytes));
            bytes.extend(point.descriptor);
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (header, records) = bytes.strip_prefix(MAGIC)?.split_at_checked(HEADER - MAGIC.len())?;
        let word = |bytes: &[u8], i: usize| bytes.get(4 * i..4 * i + 4)?.try_into().ok();
        let number = |i: usize| word(header, i).map(u32::from_le_bytes);
        let (size, count) = ([number(0)?, number(1)?], number(2)? as usize);
        if count.checked_mul(RECORD)? != records.len() {
            return None;
        }
        let feature = |record: &[u8]| {
            let pixel = [f32::from_le_bytes(word(record, 0)?), f32::from_le_bytes(word(record, 1)?)];
            Some(Feature { pixel, descriptor: record[8..].try_into().ok()? })
        };
        let points = records.chunks_exact(RECORD).map(feature).collect::<Option<_>>()?;
        Some(Self { size, points })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_read_back_and_a_torn_file_is_refused() {
        let feature = |i: u8| Feature { pixel: [f32::from(i), 2.5], descriptor: [i; DESCRIPTOR_BYTES] };
        let features = Features { size: [640, 360], points: (0..5).map(feature).collect() };
        let bytes = features.to_bytes();
        assert_eq!(Features::from_bytes(&bytes), Some(features));
        for cut in 0..bytes.len() {
            assert_eq!(Features::from_bytes(&bytes[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn corners_of_a_picture_are_found_where_they_are() {
        let square = |x: u32, y: u32| (80..140).contains(&x) && (60..110).contains(&y);
        let picture = GrayImage::from_fn(320, 240, |x, y| image::Luma([if square(x, y) { 220 } else { 30 }]));
        let found = Features::of(&picture).expect("features");
        assert_eq!(found.size, [320, 240]);
        let near = |p: &Feature, x: f32, y: f32| (p.pixel[0] - x).hypot(p.pixel[1] - y) < 6.0;
        for (x, y) in [(80.0, 60.0), (140.0, 60.0), (80.0, 110.0), (140.0, 110.0)] {
            assert!(found.points.iter().any(|p| near(p, x, y)), "corner {x}, {y}");
        }
    }
}
