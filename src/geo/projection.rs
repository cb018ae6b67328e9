//! Transverse Mercator on WGS-84: UTM, and the Gauss-Kruger zones of CGCS2000.
//!
//! Kruger's series to the sixth order, as in C. F. F. Karney, "Transverse Mercator with an accuracy of a few
//! nanometers", J. Geodesy 85 (2011).

use super::geodesy::{A, F};

/// One zone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TransverseMercator {
    /// Degrees.
    pub central_meridian: f64,
    pub scale: f64,
    pub false_easting: f64,
    pub false_northing: f64,
}

/// Third flattening.
const N: f64 = F / (2.0 - F);

impl TransverseMercator {
    /// UTM, zone 1 to 60.
    pub fn utm(zone: u8, north: bool) -> Self {
        Self {
            central_meridian: f64::from(zone) * 6.0 - 183.0,
            scale: 0.9996,
            false_easting: 500_000.0,
            false_northing: if north { 0.0 } else { 10_000_000.0 },
        }
    }

    /// Gauss-Kruger as CGCS2000 has it; `zone_prefix` is what stands before the easting in some of its zones
    /// (39 for 39 500 000), 0 for none.
    pub fn gauss_kruger(central_meridian: f64, zone_prefix: u8) -> Self {
        let false_easting = 500_000.0 + f64::from(zone_prefix) * 1_000_000.0;
        Self { central_meridian, scale: 1.0, false_easting, false_northing: 0.0 }
    }

    /// Metres of easting and northing.
    pub fn forward(&self, lon: f64, lat: f64) -> [f64; 2] {
        let away = (lon - self.central_meridian).to_radians();
        let tan_conformal = conformal(lat.to_radians().tan());
        let (sin_away, cos_away) = away.sin_cos();
        let xi = tan_conformal.atan2(cos_away);
        let eta = (sin_away / tan_conformal.hypot(cos_away)).asinh();
        let (xi, eta) = series(&alpha(), xi, eta, 1.0);
        let radius = self.scale * rectifying_radius();
        [self.false_easting + radius * eta, self.false_northing + radius * xi]
    }

    /// Degrees of longitude and latitude.
    pub fn inverse(&self, easting: f64, northing: f64) -> [f64; 2] {
        let radius = self.scale * rectifying_radius();
        let (xi, eta) = ((northing - self.false_northing) / radius, (easting - self.false_easting) / radius);
        let (xi, eta) = series(&beta(), xi, eta, -1.0);
        let (sin_xi, cos_xi) = xi.sin_cos();
        let sinh_eta = eta.sinh();
        let tan_lat = geodetic(sin_xi / sinh_eta.hypot(cos_xi));
        [self.central_meridian + sinh_eta.atan2(cos_xi).to_degrees(), tan_lat.atan().to_degrees()]
    }
}

fn rectifying_radius() -> f64 {
    let n2 = N * N;
    A / (1.0 + N) * (1.0 + n2 / 4.0 + n2 * n2 / 64.0 + n2 * n2 * n2 / 256.0)
}

fn eccentricity() -> f64 {
    (F * (2.0 - F)).sqrt()
}

/// Tangent of the latitude -> tangent of the conformal latitude.
fn conformal(tan_lat: f64) -> f64 {
    let e = eccentricity();
    let sec = tan_lat.hypot(1.0);
    let sigma = (e * (e * tan_lat / sec).atanh()).sinh();
    tan_lat * sigma.hypot(1.0) - sigma * sec
}

/// The inverse of [`conformal`] by Newton's method.
fn geodetic(tan_conformal: f64) -> f64 {
    let e2 = F * (2.0 - F);
    let mut tan_lat = tan_conformal / (1.0 - e2);
    for _ in 0..5 {
        let reached = conformal(tan_lat);
        let slope =
            (1.0 + (1.0 - e2) * tan_lat * tan_lat) / ((1.0 - e2) * tan_lat.hypot(1.0) * reached.hypot(1.0));
        let step = (tan_conformal - reached) * slope;
        tan_lat += step;
        if step.abs() < 1e-15 * tan_lat.abs().max(1.0) {
            break;
        }
    }
    tan_lat
}

fn series(coefficients: &[f64; 6], xi: f64, eta: f64, sign: f64) -> (f64, f64) {
    let (mut x, mut y) = (xi, eta);
    for (j, c) in coefficients.iter().enumerate() {
        let k = 2.0 * (j as f64 + 1.0);
        x += sign * c * (k * xi).sin() * (k * eta).cosh();
        y += sign * c * (k * xi).cos() * (k * eta).sinh();
    }
    (x, y)
}

/// Karney's equation 35.
fn alpha() -> [f64; 6] {
    polynomials([
        &[1. / 2., -2. / 3., 5. / 16., 41. / 180., -127. / 288., 7891. / 37800.],
        &[13. / 48., -3. / 5., 557. / 1440., 281. / 630., -1983433. / 1935360.],
        &[61. / 240., -103. / 140., 15061. / 26880., 167603. / 181440.],
        &[49561. / 161280., -179. / 168., 6601661. / 7257600.],
        &[34729. / 80640., -3418889. / 1995840.],
        &[212378941. / 319334400.],
    ])
}

/// Karney's equation 36.
fn beta() -> [f64; 6] {
    polynomials([
        &[1. / 2., -2. / 3., 37. / 96., -1. / 360., -81. / 512., 96199. / 604800.],
        &[1. / 48., 1. / 15., -437. / 1440., 46. / 105., -1118711. / 3870720.],
        &[17. / 480., -37. / 840., -209. / 4480., 5569. / 90720.],
        &[4397. / 161280., -11. / 504., -830251. / 7257600.],
        &[4583. / 161280., -108847. / 3991680.],
        &[20648693. / 638668800.],
    ])
}

/// The j-th begins with the power j + 1 of n.
fn polynomials(terms: [&[f64]; 6]) -> [f64; 6] {
    let mut sums = [0.0; 6];
    for (j, (sum, terms)) in sums.iter_mut().zip(terms).enumerate() {
        *sum = terms.iter().rev().fold(0.0, |s, t| s * N + t) * N.powi(j as i32 + 1);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_points_agree_with_proj() {
        // PROJ 9 by pyproj: EPSG 32651, 4549 (CGCS2000, meridian 120) and 4528 (CGCS2000, zone 40).
        let check = |zone: TransverseMercator, lon: f64, lat: f64, wanted: [f64; 2]| {
            let found = zone.forward(lon, lat);
            let off = (found[0] - wanted[0]).hypot(found[1] - wanted[1]);
            assert!(off < 1e-4, "{found:?} instead of {wanted:?}");
        };
        let zone = TransverseMercator::utm(51, true);
        check(zone, 120.123_456, 30.654_321, [224_346.079_366_486, 3_394_822.921_758_461]);
        check(zone, 125.9, -10.0, [817_955.427_694_205, -1_106_810.657_121_848]);
        check(
            TransverseMercator::gauss_kruger(120.0, 0),
            120.7,
            29.9,
            [567_608.861_599_313, 3_309_234.119_237_347],
        );
        check(
            TransverseMercator::gauss_kruger(120.0, 40),
            120.7,
            29.9,
            [40_567_608.861_599, 3_309_234.119_237],
        );
    }

    proptest! {
        #[test]
        fn there_and_back(away in -4.0..4.0_f64, lat in -80.0..84.0_f64) {
            let zone = TransverseMercator::utm(51, true);
            let [e, n] = zone.forward(123.0 + away, lat);
            let [lon, back] = zone.inverse(e, n);
            prop_assert!((lon - 123.0 - away).abs() < 1e-11 && (back - lat).abs() < 1e-11, "{lon} {back}");
        }
    }
}
