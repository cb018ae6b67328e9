//! Outlines: rings of corners in a plane, not closed by a repeated corner.

/// Metres of a degree of latitude.
const DEGREE: f64 = 111_320.0;

/// The area within an outline, in the square of its units (Gauss's area formula).
pub fn area(outline: &[[f64; 2]]) -> f64 {
    let next = outline.iter().cycle().skip(1);
    let twice: f64 = outline.iter().zip(next).map(|(a, b)| a[0] * b[1] - b[0] * a[1]).sum();
    twice.abs() / 2.0
}

/// Whether a point is inside, by the even-odd rule.
pub fn contains(outline: &[[f64; 2]], [x, y]: [f64; 2]) -> bool {
    let mut inside = false;
    for (i, [xi, yi]) in outline.iter().enumerate() {
        let [xj, yj] = outline[(i + outline.len() - 1) % outline.len()];
        if (*yi > y) != (yj > y) && x < (xj - xi) * (y - yi) / (yj - yi) + xi {
            inside = !inside;
        }
    }
    inside
}

/// The share, 0 to 1, of `own` that lies in `other`, by a grid of `n` by `n` points over the bounds of `own`:
/// lowest and highest value of each axis. 0 if no point lies in `own`.
pub fn share_by_points(
    bounds: [[f64; 2]; 2],
    n: usize,
    own: impl Fn([f64; 2]) -> bool,
    other: impl Fn([f64; 2]) -> bool,
) -> f64 {
    let at = |i: usize, [low, high]: [f64; 2]| low + (i as f64 + 0.5) / n as f64 * (high - low);
    let (mut inside, mut both) = (0usize, 0usize);
    for i in 0..n * n {
        let point = [at(i % n, bounds[0]), at(i / n, bounds[1])];
        if own(point) {
            inside += 1;
            both += usize::from(other(point));
        }
    }
    both as f64 / inside.max(1) as f64
}

/// Lowest and highest value of each axis.
pub fn bounds<'c>(corners: impl Iterator<Item = &'c [f64; 2]> + Clone) -> [[f64; 2]; 2] {
    [0, 1].map(|axis| {
        let low = corners.clone().map(|c| c[axis]).fold(f64::INFINITY, f64::min);
        let high = corners.clone().map(|c| c[axis]).fold(f64::NEG_INFINITY, f64::max);
        [low, high]
    })
}

/// Metres east and north of `origin`, both longitude and latitude in degrees. For distances of a few
/// kilometres.
pub fn flat_metres([lon, lat]: [f64; 2], origin: [f64; 2]) -> [f64; 2] {
    let along = DEGREE * origin[1].to_radians().cos();
    [(lon - origin[0]) * along, (lat - origin[1]) * DEGREE]
}

/// Metres between two places, both longitude and latitude in degrees. For distances of a few kilometres.
pub fn distance_m(a: [f64; 2], b: [f64; 2]) -> f64 {
    let [x, y] = flat_metres(b, a);
    x.hypot(y)
}

/// Square metres within an outline of longitudes and latitudes in degrees, a few kilometres wide.
pub fn area_m2(outline: &[[f64; 2]]) -> f64 {
    let Some(origin) = outline.first() else { return 0.0 };
    let points: Vec<[f64; 2]> = outline.iter().map(|p| flat_metres(*p, *origin)).collect();
    area(&points)
}

/// The share, 0 to 1, of `own` that lies in `other`, by 24 by 24 points. Both are outlines of longitudes and
/// latitudes in degrees, a few kilometres wide.
pub fn overlap(own: &[[f64; 2]], other: &[[f64; 2]]) -> f64 {
    const POINTS: usize = 24;
    let Some(origin) = own.first().copied() else { return 0.0 };
    let flat =
        |outline: &[[f64; 2]]| -> Vec<[f64; 2]> { outline.iter().map(|p| flat_metres(*p, origin)).collect() };
    let (own, other) = (flat(own), flat(other));
    share_by_points(bounds(own.iter()), POINTS, |p| contains(&own, p), |p| contains(&other, p))
}

/// The convex hull, counterclockwise, by Andrew's monotone chain.
pub fn convex_hull(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    let left = |o: [f64; 2], a: [f64; 2], b: [f64; 2]| {
        (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]) > 0.0
    };
    let half = |points: &mut dyn Iterator<Item = [f64; 2]>| {
        let mut chain: Vec<[f64; 2]> = Vec::new();
        for p in points {
            while chain.len() > 1 && !left(chain[chain.len() - 2], chain[chain.len() - 1], p) {
                chain.pop();
            }
            chain.push(p);
        }
        chain.pop();
        chain
    };
    let mut lower = half(&mut sorted.iter().copied());
    lower.extend(half(&mut sorted.iter().rev().copied()));
    lower
}

/// Leaves out corners of a ring of whole numbers that lie within `tolerance` of the line between those that
/// stay: Douglas and Peucker (1973), from the first corner and the one farthest from it.
pub fn simplify(ring: &[(i32, i32)], tolerance: f32) -> Vec<(i32, i32)> {
    if ring.len() < 4 {
        return ring.to_vec();
    }
    let apart = |a: (i32, i32), b: (i32, i32)| (a.0 - b.0).pow(2) + (a.1 - b.1).pow(2);
    let far = (0..ring.len()).max_by_key(|i| apart(ring[0], ring[*i])).unwrap_or(0);
    let mut keep = vec![false; ring.len()];
    (keep[0], keep[far]) = (true, true);
    let mut work = vec![(0, far), (far, ring.len())];
    while let Some((from, to)) = work.pop() {
        let (a, b) = (ring[from], ring[to % ring.len()]);
        let length = ((b.0 - a.0) as f32).hypot((b.1 - a.1) as f32).max(1e-6);
        let off = |p: (i32, i32)| {
            ((b.0 - a.0) as f32 * (p.1 - a.1) as f32 - (b.1 - a.1) as f32 * (p.0 - a.0) as f32).abs() / length
        };
        let worst = (from + 1..to).max_by(|p, q| off(ring[*p]).total_cmp(&off(ring[*q])));
        if let Some(i) = worst.filter(|i| off(ring[*i]) > tolerance) {
            keep[i] = true;
            work.extend([(from, i), (i, to)]);
        }
    }
    ring.iter().zip(keep).filter_map(|(p, kept)| kept.then_some(*p)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f64, side: f64) -> Vec<[f64; 2]> {
        vec![
            [120.0 + x, 30.0],
            [120.0 + x + side, 30.0],
            [120.0 + x + side, 30.0 + side],
            [120.0 + x, 30.0 + side],
        ]
    }

    #[test]
    fn overlap_is_a_share_of_the_first() {
        assert!((overlap(&square(0.0, 0.001), &square(0.0005, 0.001)) - 0.5).abs() < 0.03);
        assert_eq!(overlap(&square(0.0, 0.001), &square(0.002, 0.001)), 0.0);
        assert_eq!(overlap(&square(0.0, 0.001), &square(-0.001, 0.01)), 1.0);
        assert_eq!(overlap(&[], &square(0.0, 0.001)), 0.0);
    }

    #[test]
    fn areas_and_distances_are_in_metres() {
        assert!((area_m2(&square(0.0, 0.001)) / (111.32 * 96.41) - 1.0).abs() < 1e-3);
        assert!((distance_m([120.0, 30.0], [120.0, 30.001]) - 111.32).abs() < 1e-6);
    }

    #[test]
    fn the_hull_goes_round_and_leaves_out_what_is_within() {
        let points = [[0.0, 0.0], [2.0, 0.0], [1.0, 1.0], [2.0, 2.0], [0.0, 2.0], [1.0, 0.5]];
        assert_eq!(convex_hull(&points), [[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]);
    }

    #[test]
    fn corners_near_the_line_go() {
        let ring = [(0, 0), (5, 1), (10, 0), (10, 10), (0, 10)];
        assert_eq!(simplify(&ring, 1.5), [(0, 0), (10, 0), (10, 10), (0, 10)]);
        assert_eq!(simplify(&ring, 0.5), ring);
    }
}
