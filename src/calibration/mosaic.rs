//! Pictures of the ground from GeoTIFF: orthophotos and mosaics of a flight.

use std::path::{Path, PathBuf};

use image::RgbImage;

use super::geokeys::{GeoKeys, PlaceProblem, placement};
use super::raster::{Layout, Photometric, Raster, RasterError};
use crate::geo::GridCrs;

/// Pixels of one mosaic, at most: 300 MB in memory.
const MAX_PIXELS: u64 = 100_000_000;

/// A picture whose pixels have places.
#[derive(Clone, Debug)]
pub struct Mosaic {
    pub image: RgbImage,
    /// False where the flight saw nothing, pixel by pixel.
    pub known: Vec<bool>,
    /// Of the first pixel's outer corner: longitude and latitude, or easting and northing.
    pub origin: [f64; 2],
    /// From column to column, and from row to row.
    pub step: [f64; 2],
    pub crs: GridCrs,
}

/// Why a mosaic cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("mosaic {}", path.display())]
pub struct MosaicError {
    path: PathBuf,
    source: MosaicProblem,
}

#[derive(Debug, thiserror::Error)]
enum MosaicProblem {
    #[error(transparent)]
    Place(#[from] PlaceProblem),
    #[error(
        "{bands} bands of {bits} bits are no picture: `gdal_translate -ot Byte -scale -b 1 -b 2 -b 3 IN OUT` makes one"
    )]
    Bands { bands: usize, bits: usize },
    #[error("{0} x {1} pixels are more than {MAX_PIXELS}: `gdal_translate -outsize 50% 0 IN OUT`, or cut it")]
    TooLarge(u32, u32),
}

impl From<RasterError> for MosaicProblem {
    fn from(error: RasterError) -> Self {
        Self::Place(error.into())
    }
}

/// Reads a mosaic into memory.
///
/// # Errors
/// No such file, no TIFF, no georeference, an unknown coordinate system or datum, no picture of 8 bits.
pub fn load_mosaic(path: &Path) -> Result<Mosaic, MosaicError> {
    read(path).map_err(|source| MosaicError { path: path.to_path_buf(), source })
}

fn read(path: &Path) -> Result<Mosaic, MosaicProblem> {
    let mut raster = Raster::open(path)?;
    let [width, height] = raster.layout.size();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS {
        return Err(MosaicProblem::TooLarge(width, height));
    }
    let colours = Colours::of(&raster.layout)?;
    let keys = GeoKeys::read(&mut raster.tags)?;
    let crs = keys.crs()?;
    let (mut origin, step) = placement(&mut raster.tags)?;
    if keys.pixel_is_point() {
        origin = [origin[0] - step[0] / 2.0, origin[1] - step[1] / 2.0];
    }
    let nodata = raster.nodata();
    let layout = raster.layout.clone();
    let mut image = vec![0u8; pixels as usize * 3];
    let mut seen = vec![Seen::default(); pixels as usize];
    raster.samples(|pixel, band, value| {
        let seen = &mut seen[pixel];
        if Some(band) == colours.alpha {
            seen.clear = value > 127.0;
        } else if band < colours.count {
            seen.there = true;
            seen.data |= nodata.is_some_and(|mark| value != mark);
            let place = pixel * 3;
            if colours.count == 3 {
                image[place + band] = value as u8;
            } else {
                image[place..place + 3].copy_from_slice(&colours.rgb(&layout, value));
            }
        }
    })?;
    let mask = raster.mask()?;
    let black = |pixel: usize| image[pixel * 3..pixel * 3 + 3].iter().all(|v| *v == 0);
    let known = seen.iter().enumerate().map(|(pixel, seen)| {
        let shown = match (&mask, colours.alpha, nodata) {
            (Some(valid), ..) => valid[pixel],
            (None, Some(_), _) => seen.clear,
            (None, None, Some(_)) => seen.data,
            // Where nothing says so, black of exactly 0 is what programs write where there is nothing.
            (None, None, None) => !black(pixel),
        };
        seen.there && shown
    });
    let known = known.collect();
    let image = RgbImage::from_raw(width, height, image).expect("three bytes a pixel");
    Ok(Mosaic { image, known, origin, step, crs })
}

#[derive(Clone, Copy, Default)]
struct Seen {
    /// The file has this pixel at all.
    there: bool,
    /// A colour is another than the mark for "missing".
    data: bool,
    /// It can be seen by its alpha.
    clear: bool,
}

/// What the bands mean.
struct Colours {
    /// One or three, the first bands.
    count: usize,
    alpha: Option<usize>,
}

impl Colours {
    fn of(layout: &Layout) -> Result<Self, MosaicProblem> {
        let Layout { bands, bits, photometric, .. } = *layout;
        let no_picture = || MosaicProblem::Bands { bands, bits };
        let palette = photometric == Photometric::Palette && layout.colours.len() == 3 << bits.min(16);
        if !layout.is_unsigned() || (bits != 8 && !(palette && bits < 8)) {
            return Err(no_picture());
        }
        let behind = bands - layout.extra.len().min(bands);
        let mut alpha = layout.extra.iter().position(|kind| matches!(kind, 1 | 2)).map(|i| behind + i);
        // Four bands without a word about the fourth.
        if bands == 4 && layout.extra.is_empty() {
            alpha = Some(3);
        }
        match bands - usize::from(alpha.is_some()) {
            1 => Ok(Self { count: 1, alpha }),
            n if n >= 3 && alpha.is_none_or(|at| at >= 3) && photometric != Photometric::Palette => {
                Ok(Self { count: 3, alpha })
            }
            _ => Err(no_picture()),
        }
    }

    /// Of the only band's value.
    fn rgb(&self, layout: &Layout, value: f64) -> [u8; 3] {
        let value = value as u8;
        match layout.photometric {
            Photometric::WhiteIsZero => [255 - value; 3],
            Photometric::Palette => {
                let size = layout.colours.len() / 3;
                [0, 1, 2].map(|c| (layout.colours[c * size + usize::from(value)] >> 8) as u8)
            }
            _ => [value; 3],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::raster::tests::{Picture, written};
    use super::*;

    /// Colours and whether they are known, of 2 x 1 pixels.
    fn read(pictures: &[Picture]) -> Result<Vec<([u8; 3], bool)>, String> {
        let (_dir, path) = written(pictures);
        let mosaic = load_mosaic(&path).map_err(|e| crate::base::error_chain(&e))?;
        Ok(mosaic.image.pixels().map(|p| p.0).zip(mosaic.known).collect())
    }

    fn picture(bands: u16, parts: &[&[u8]]) -> Picture {
        let parts: Vec<Vec<u8>> = parts.iter().map(|part| part.to_vec()).collect();
        Picture::new(2, 1, bands, 8).placed().parts(&parts)
    }

    #[test]
    fn colours_are_the_same_in_every_arrangement() {
        let wanted = Ok(vec![([1, 2, 3], true), ([4, 5, 6], true)]);
        assert_eq!(read(&[picture(3, &[&[1, 2, 3, 4, 5, 6]])]), wanted);
        assert_eq!(read(&[picture(3, &[&[1, 4], &[2, 5], &[3, 6]]).short(284, &[2])]), wanted);
        // Alpha behind the colours, and a fourth band that is none: near infrared.
        let four = picture(4, &[&[1, 2, 3, 255, 4, 5, 6, 0]]);
        assert_eq!(read(&[four.clone().short(338, &[2])]).map(|p| p[1].1), Ok(false));
        assert_eq!(read(&[four.short(338, &[0])]), wanted);
        let palette = picture(1, &[&[1, 2]]).short(262, &[3]);
        let mut map = vec![0u16; 768];
        for (value, colour) in [(1, [1, 2, 3]), (2, [4, 5, 6])] {
            for (band, level) in colour.into_iter().enumerate() {
                map[band * 256 + value] = level << 8;
            }
        }
        assert_eq!(read(&[palette.short(320, &map)]), wanted);
        assert_eq!(
            read(&[picture(1, &[&[250, 251]]).short(262, &[0])]),
            Ok(vec![([5; 3], true), ([4; 3], true)])
        );
    }

    #[test]
    fn what_the_flight_did_not_see_is_not_known_however_it_is_marked() {
        let second_missing = |pictures: &[Picture]| {
            let found = read(pictures).expect("a mosaic");
            assert_eq!((found[0].1, found[1].1), (true, false), "{found:?}");
        };
        let white = picture(3, &[&[1, 2, 3, 255, 255, 255]]);
        second_missing(&[white.clone().text(42_113, "255")]);
        second_missing(&[picture(3, &[&[1, 2, 3, 0, 0, 0]])]);
        let mask = Picture::new(2, 1, 1, 1).short(254, &[4]).short(262, &[4]).parts(&[vec![0b1000_0000]]);
        second_missing(&[white, mask]);
        second_missing(&[picture(2, &[&[9, 255, 9, 0]]).short(338, &[2])]);
        // Black is a colour where a mark is another.
        let black = read(&[picture(3, &[&[0, 0, 0, 255, 255, 255]]).text(42_113, "255")]).expect("a mosaic");
        assert!(black[0].1 && !black[1].1);
    }

    #[test]
    fn what_is_no_picture_is_refused_with_what_to_do() {
        let deep = Picture::new(2, 1, 3, 16).placed().parts(&[vec![0; 12]]);
        let error = read(&[deep]).expect_err("16 bits");
        assert!(error.contains("16 bits") && error.contains("-ot Byte"), "{error}");
    }
}
