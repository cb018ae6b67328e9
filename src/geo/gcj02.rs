//! GCJ-02, the shifted coordinates of Chinese web maps, by the formula that is publicly known.

use std::f64::consts::PI;

/// Krasovsky 1940, on which the shift is reckoned.
const A: f64 = 6_378_245.0;
const E2: f64 = 0.006_693_421_622_965_943;
/// Outside of this box of longitudes and latitudes maps are not shifted.
const SHIFTED: [(f64, f64); 2] = [(72.004, 137.8347), (0.8293, 55.8271)];

/// WGS-84 degrees -> GCJ-02 degrees, as (longitude, latitude).
pub fn gcj02_from_wgs84(lon: f64, lat: f64) -> (f64, f64) {
    let within = |v: f64, (from, to): (f64, f64)| (from..=to).contains(&v);
    if !within(lon, SHIFTED[0]) || !within(lat, SHIFTED[1]) {
        return (lon, lat);
    }
    let (x, y) = (lon - 105.0, lat - 35.0);
    let (sin_lat, cos_lat) = lat.to_radians().sin_cos();
    let w = 1.0 - E2 * sin_lat * sin_lat;
    let north = shift_north(x, y) / (A * (1.0 - E2) / (w * w.sqrt()));
    let east = shift_east(x, y) / (A / w.sqrt() * cos_lat);
    (lon + east.to_degrees(), lat + north.to_degrees())
}

/// GCJ-02 degrees -> WGS-84 degrees, as (longitude, latitude): the forward formula iterated until a
/// nanodegree. Within 1 km of the edge of the shifted box there may be no such place; then the nearest found
/// is given.
pub fn wgs84_from_gcj02(lon: f64, lat: f64) -> (f64, f64) {
    let mut guess = (lon, lat);
    // The shift changes by less than 1 % of the way, so each round gains two digits.
    for _ in 0..12 {
        let (east, north) = gcj02_from_wgs84(guess.0, guess.1);
        let off = (lon - east, lat - north);
        guess = (guess.0 + off.0, guess.1 + off.1);
        if off.0.abs().max(off.1.abs()) < 1e-10 {
            break;
        }
    }
    guess
}

fn waves(v: f64, terms: [(f64, f64); 2]) -> f64 {
    terms.iter().map(|(height, rate)| height * (v * rate * PI).sin()).sum::<f64>() * 2.0 / 3.0
}

fn shift_north(x: f64, y: f64) -> f64 {
    -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * x.abs().sqrt()
        + waves(x, [(20.0, 6.0), (20.0, 2.0)])
        + waves(y, [(20.0, 1.0), (40.0, 1.0 / 3.0)])
        + waves(y, [(160.0, 1.0 / 12.0), (320.0, 1.0 / 30.0)])
}

fn shift_east(x: f64, y: f64) -> f64 {
    300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * x.abs().sqrt()
        + waves(x, [(20.0, 6.0), (20.0, 2.0)])
        + waves(x, [(20.0, 1.0), (40.0, 1.0 / 3.0)])
        + waves(x, [(150.0, 1.0 / 12.0), (300.0, 1.0 / 30.0)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn published_pairs_agree() {
        // The pair that most implementations test with: Beijing.
        let (lon, lat) = gcj02_from_wgs84(116.404, 39.915);
        assert!((lon - 116.410_244_499).abs() < 1e-6 && (lat - 39.916_404_281).abs() < 1e-6, "{lon} {lat}");
        assert_eq!(gcj02_from_wgs84(2.35, 48.85), (2.35, 48.85), "Paris is not shifted");
    }

    proptest! {
        #[test]
        fn the_inverse_is_exact_to_a_millionth_of_a_degree(lon in 73.0..135.0_f64, lat in 3.5..53.5_f64) {
            let (east, north) = gcj02_from_wgs84(lon, lat);
            let back = wgs84_from_gcj02(east, north);
            prop_assert!((back.0 - lon).abs() < 1e-8 && (back.1 - lat).abs() < 1e-8, "{back:?}");
        }
    }
}
