//! The outline of a set of cells as a polygon.

use super::grid::Grid;
use super::shape::Shape;
use crate::base::{Point, Polygon};

/// The most corners of an outline.
const MAX_CORNERS: usize = 64;

/// Tolerances of the simplification, in cells, in the order in which they are tried.
const SIMPLER: [f32; 6] = [0.75, 0.0, 1.2, 1.8, 2.7, 4.0];

/// The simplified outer outline of the largest connected part of `shape` (cells that share a side), normalised to 0..1.
///
/// Falls back to the bounding box where no simple polygon is found. Empty for an empty shape.
pub(super) fn outline(shape: &Shape, grid: Grid) -> Vec<Point> {
    let path = follow(shape);
    let part = |at: i32, start: usize, all: usize| (at as usize + start) as f32 / all as f32;
    let point =
        |(x, y): Corner| Point { x: part(x, shape.left, grid.columns()), y: part(y, shape.top, grid.rows()) };
    let simpler =
        |allowed: &f32| -> Vec<Point> { simplify(&path, *allowed).into_iter().map(point).collect() };
    let fits = |corners: &Vec<Point>| corners.len() <= MAX_CORNERS && Polygon::new(corners.clone()).is_ok();
    let boxed = || {
        let sides = |of: fn(&Corner) -> i32| path.iter().map(of).min().zip(path.iter().map(of).max());
        let Some(((x0, x1), (y0, y1))) = sides(|c| c.0).zip(sides(|c| c.1)) else { return Vec::new() };
        [(x0, y0), (x1, y0), (x1, y1), (x0, y1)].map(point).to_vec()
    };
    SIMPLER.iter().map(simpler).find(fits).unwrap_or_else(boxed)
}

type Corner = (i32, i32);

/// Walks along the edges of cells, keeping the set on the right. The walk around the largest area wins.
fn follow(Shape { columns, rows, mask, .. }: &Shape) -> Vec<Corner> {
    let (columns, rows) = (*columns, *rows);
    let inside = |x: i32, y: i32| {
        x >= 0 && y >= 0 && x < columns as i32 && y < rows as i32 && mask[y as usize * columns + x as usize]
    };
    let mut done = vec![false; mask.len()];
    let (mut best, mut best_area) = (Vec::new(), 0i64);
    for start in 0..mask.len() {
        let (x, y) = ((start % columns) as i32, (start / columns) as i32);
        if !mask[start] || inside(x, y - 1) || done[start] {
            continue;
        }
        // Along the upper edge of the cell, to the right.
        let (mut at, mut way) = ((x, y), (1, 0));
        let mut path = Vec::new();
        let mut area = 0i64;
        for _ in 0..mask.len() * 4 {
            path.push(at);
            let next = (at.0 + way.0, at.1 + way.1);
            area += i64::from(at.0) * i64::from(next.1) - i64::from(next.0) * i64::from(at.1);
            if way == (1, 0) {
                done[at.1 as usize * columns + at.0 as usize] = true;
            }
            at = next;
            if at == (x, y) {
                break;
            }
            // The cells ahead, to the left and to the right of the corner.
            let (left, right) = ahead(at, way);
            way = if !inside(right.0, right.1) {
                (-way.1, way.0)
            } else if inside(left.0, left.1) {
                (way.1, -way.0)
            } else {
                way
            };
        }
        if area.abs() > best_area {
            (best, best_area) = (path, area.abs());
        }
    }
    best
}

fn ahead(at: Corner, way: (i32, i32)) -> (Corner, Corner) {
    match way {
        (1, 0) => ((at.0, at.1 - 1), (at.0, at.1)),
        (0, 1) => ((at.0, at.1), (at.0 - 1, at.1)),
        (-1, 0) => ((at.0 - 1, at.1), (at.0 - 1, at.1 - 1)),
        _ => ((at.0 - 1, at.1 - 1), (at.0, at.1 - 1)),
    }
}

/// Douglas and Peucker (1973) on a closed path.
fn simplify(path: &[Corner], allowed: f32) -> Vec<Corner> {
    if path.len() < 4 {
        return path.to_vec();
    }
    let apart = |a: Corner, b: Corner| (a.0 - b.0).pow(2) + (a.1 - b.1).pow(2);
    let far = (0..path.len()).max_by_key(|i| apart(path[0], path[*i])).unwrap_or(0);
    let mut keep = vec![false; path.len()];
    (keep[0], keep[far]) = (true, true);
    let mut work = vec![(0, far), (far, path.len())];
    while let Some((from, to)) = work.pop() {
        let (a, b) = (path[from], path[to % path.len()]);
        let length = ((b.0 - a.0) as f32).hypot((b.1 - a.1) as f32).max(1e-6);
        let off = |p: Corner| {
            ((b.0 - a.0) as f32 * (p.1 - a.1) as f32 - (b.1 - a.1) as f32 * (p.0 - a.0) as f32).abs() / length
        };
        let worst = (from + 1..to).max_by(|p, q| off(path[*p]).total_cmp(&off(path[*q])));
        if let Some(i) = worst.filter(|i| off(path[*i]) > allowed) {
            keep[i] = true;
            work.extend([(from, i), (i, to)]);
        }
    }
    path.iter().zip(keep).filter_map(|(p, kept)| kept.then_some(*p)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: Grid = Grid { factor: 4, width: 128, height: 64 };

    /// The corners, in cells of the picture, of what lies at its third row and fifth column.
    fn drawn(rows: &[&str]) -> Vec<(f32, f32)> {
        let (columns, rows, mask) =
            (rows[0].len(), rows.len(), rows.iter().flat_map(|r| r.bytes().map(|c| c == b'#')).collect());
        let shape = Shape { left: 5, top: 3, columns, rows, mask };
        outline(&shape, GRID).iter().map(|p| (p.x * 64.0 - 5.0, p.y * 32.0 - 3.0)).collect()
    }

    #[test]
    fn a_box_has_four_corners_and_the_larger_part_counts() {
        let corners = drawn(&["#.......", "...####.", "...####.", "...####.", "........"]);
        assert_eq!(corners, [(3.0, 1.0), (7.0, 1.0), (7.0, 4.0), (3.0, 4.0)]);
    }

    #[test]
    fn parts_that_touch_by_a_corner_are_two_and_rims_do_not_trap_the_walk() {
        assert_eq!(drawn(&["####....", "####....", "....####", "....####"]).len(), 4);
        assert_eq!(drawn(&["####", "####"]), [(0.0, 0.0), (4.0, 0.0), (4.0, 2.0), (0.0, 2.0)]);
        assert!(drawn(&["....", "...."]).is_empty());
    }

    #[test]
    fn an_outline_never_touches_itself() {
        let mut seed = 7u64;
        for _ in 0..400 {
            let mask: Vec<bool> = (0..120)
                .map(|_| {
                    seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                    seed >> 62 != 0
                })
                .collect();
            let shape = Shape { left: 0, top: 0, columns: 12, rows: 10, mask };
            Polygon::new(outline(&shape, GRID)).expect("a simple polygon");
        }
    }
}
