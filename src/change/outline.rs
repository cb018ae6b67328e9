//! The outline of a set of cells as a polygon.

use super::grid::Grid;
use super::shape::Shape;
use crate::base::{Point, Polygon};
use crate::geo::simplify;

/// The most corners of an outline.
const MAX_CORNERS: usize = 64;

/// Tolerances of the simplification, in cells, in the order in which they are tried.
const SIMPLER: [f32; 6] = [0.75, 0.0, 1.2, 1.8, 2.7, 4.0];

/// The simplified outer outline of the largest connected part of `shape` (cells that share a side),
/// normalised to 0..1.
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
