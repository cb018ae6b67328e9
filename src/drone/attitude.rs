//! A camera's orientation against the world, from its own against the airframe and the airframe's against the
//! world.

use super::Angles;

type Matrix = [[f64; 3]; 3];

/// Airframe (heading, pitch, roll), then sensor on it (azimuth clockwise from the nose, elevation, roll), as
/// MISB ST 0601 tags 5 to 7 and 18 to 20 have them; degrees. Heading 0 to 360, pitch -90 to 90, roll -180 to
/// 180.
///
/// Looking straight down, heading and roll turn about the same axis: then the roll is 0 and the heading is
/// where the picture's upper edge points.
pub fn compose(platform: [f64; 3], sensor: [f64; 3]) -> Angles {
    let m = product(rotation(platform), rotation(sensor));
    // Columns are forward, right and down of the sensor in north, east, down.
    let (forward, right, down) = (column(&m, 0), column(&m, 1), column(&m, 2));
    let pitch = (-forward[2]).clamp(-1.0, 1.0).asin();
    let (heading, roll) = if pitch.abs() < 89.99f64.to_radians() {
        (forward[1].atan2(forward[0]), right[2].atan2(down[2]))
    } else {
        // Up of the picture is -down of the sensor; looking up it is the other way round.
        let sign = if pitch < 0.0 { -1.0 } else { 1.0 };
        ((sign * down[1]).atan2(sign * down[0]), 0.0)
    };
    Angles {
        heading: Some(heading.to_degrees().rem_euclid(360.0)),
        pitch: Some(pitch.to_degrees()),
        roll: Some(roll.to_degrees()),
    }
}

/// Body to world, both forward-right-down and north-east-down: yaw, then pitch, then roll.
fn rotation([yaw, pitch, roll]: [f64; 3]) -> Matrix {
    let ((sy, cy), (sp, cp), (sr, cr)) =
        (yaw.to_radians().sin_cos(), pitch.to_radians().sin_cos(), roll.to_radians().sin_cos());
    [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
}

fn product(a: Matrix, b: Matrix) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

fn column(m: &Matrix, j: usize) -> [f64; 3] {
    [m[0][j], m[1][j], m[2][j]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(platform: [f64; 3], sensor: [f64; 3], expected: [f64; 3]) {
        let a = compose(platform, sensor);
        let got = [a.heading, a.pitch, a.roll].map(|v| v.expect("always there"));
        for (g, e) in got.iter().zip(expected) {
            let off = (g - e + 180.0).rem_euclid(360.0) - 180.0;
            assert!(off.abs() < 1e-6, "{platform:?} {sensor:?}: {got:?}, expected {expected:?}");
        }
    }

    #[test]
    fn a_level_airframe_adds_headings() {
        check([30.0, 0.0, 0.0], [40.0, -25.0, 3.0], [70.0, -25.0, 3.0]);
        check([350.0, 0.0, 0.0], [20.0, 0.0, 0.0], [10.0, 0.0, 0.0]);
    }

    #[test]
    fn a_nose_that_is_up_lifts_the_view_ahead_and_lowers_the_one_behind() {
        check([0.0, 10.0, 0.0], [0.0, -30.0, 0.0], [0.0, -20.0, 0.0]);
        check([0.0, 10.0, 0.0], [180.0, -30.0, 0.0], [180.0, -40.0, 0.0]);
        check([90.0, 0.0, 20.0], [90.0, 0.0, 0.0], [180.0, -20.0, 0.0]);
    }

    #[test]
    fn straight_down_the_heading_is_where_the_upper_edge_points() {
        check([75.0, 0.0, 0.0], [0.0, -90.0, 0.0], [75.0, -90.0, 0.0]);
        check([75.0, 0.0, 0.0], [45.0, -90.0, 0.0], [120.0, -90.0, 0.0]);
    }
}
