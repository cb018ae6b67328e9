//! Geometry of normalised boxes: overlap, shift, touch, lines.

use crate::base::{Point, Rect};
use crate::config::Direction;

/// Boxes with this overlap are at the same place.
pub(super) const SAME_IOU: f32 = 0.3;
/// Boxes with this overlap are one thing, or two that cannot be distinguished.
pub(super) const ONE_IOU: f32 = 0.5;
/// A thing is hidden once this share of its box is behind another's.
const HIDDEN_SHARE: f32 = 0.5;
/// A place is out of view when less than this share of it is within the picture.
const SHOWN_SHARE: f32 = 0.7;
/// Assumed aspect ratio of the picture; nearly all cameras have it.
const ASPECT: f32 = 16.0 / 9.0;
/// A point is clear of a line at this distance, in heights of the thing.
const CLEAR_OF_LINE: f32 = 0.1;

pub(super) fn is_finite(rect: &Rect) -> bool {
    [rect.x0, rect.y0, rect.x1, rect.y1].iter().all(|v| v.is_finite()) && rect.area() > 0.0
}

/// Are the centres no farther apart than half the size of the larger box?
pub(super) fn is_near(a: &Rect, b: &Rect) -> bool {
    let (p, q) = (a.center(), b.center());
    (p.x - q.x).abs() <= 0.5 * a.width().max(b.width())
        && (p.y - q.y).abs() <= 0.5 * a.height().max(b.height())
}

pub(super) fn hides(front: &Rect, behind: &Rect) -> bool {
    front.intersection(behind) >= HIDDEN_SHARE * behind.area()
}

/// Is most of the place within the picture?
pub(super) fn is_shown(rect: &Rect) -> bool {
    rect.intersection(&Rect::new(0.0, 0.0, 1.0, 1.0)) >= SHOWN_SHARE * rect.area()
}

/// Do the boxes touch after each grows by `share` of its width and height, half of it on each side?
pub(super) fn touch(a: &Rect, b: &Rect, share: f32) -> bool {
    let grown = |r: &Rect| {
        let (dx, dy) = (share * r.width() / 2.0, share * r.height() / 2.0);
        Rect::new(r.x0 - dx, r.y0 - dy, r.x1 + dx, r.y1 + dy)
    };
    let (a, b) = (grown(a), grown(b));
    a.x0 <= b.x1 && b.x0 <= a.x1 && a.y0 <= b.y1 && b.y0 <= a.y1
}

/// The box around both.
pub(super) fn around(a: &Rect, b: &Rect) -> Rect {
    Rect::new(a.x0.min(b.x0), a.y0.min(b.y0), a.x1.max(b.x1), a.y1.max(b.y1))
}

/// The distance between the feet of two things, in heights of the first. Assumes a 16:9 picture.
pub(super) fn heights_between(thing: &Rect, other: &Rect) -> f32 {
    let (a, b) = (thing.bottom_center(), other.bottom_center());
    ((a.x - b.x) * ASPECT).hypot(a.y - b.y) / thing.height().max(1e-6)
}

/// The foot of a thing that is clear of the line. `None` on the line, so that jitter does not count as
/// crossing.
pub(super) fn clear_of_line((a, b): (Point, Point), rect: &Rect) -> Option<Point> {
    let p = rect.bottom_center();
    let length = (b.x - a.x).hypot(b.y - a.y).max(1e-6);
    ((side(a, b, p) / length).abs() > CLEAR_OF_LINE * rect.height()).then_some(p)
}

/// Does the path from `from` to `to` cross the line in the wanted direction?
pub(super) fn crosses((a, b): (Point, Point), direction: Direction, from: Point, to: Point) -> bool {
    let (before, after) = (side(a, b, from), side(a, b, to));
    let through = before * after < 0.0 && side(from, to, a) * side(from, to, b) <= 0.0;
    let wanted = match direction {
        Direction::Any => true,
        Direction::LeftToRight => before < 0.0,
        Direction::RightToLeft => before > 0.0,
    };
    through && wanted
}

/// Negative to the left of the way from `a` to `b` (y points down), positive to the right.
fn side(a: Point, b: Point, p: Point) -> f32 {
    (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crossing_has_a_direction_and_an_extent() {
        use Direction::{Any, LeftToRight, RightToLeft};
        // Walking up the picture: left is where x is smaller.
        let line = (Point { x: 0.5, y: 0.9 }, Point { x: 0.5, y: 0.5 });
        let (left, right) = (Point { x: 0.4, y: 0.7 }, Point { x: 0.6, y: 0.7 });
        let (above_left, above_right) = (Point { x: 0.4, y: 0.2 }, Point { x: 0.6, y: 0.2 });
        for (direction, from, to, expected) in [
            (Any, left, right, true),
            (Any, right, left, true),
            (LeftToRight, left, right, true),
            (LeftToRight, right, left, false),
            (RightToLeft, right, left, true),
            (RightToLeft, left, right, false),
            (Any, above_left, above_right, false),
            (Any, left, above_left, false),
        ] {
            assert_eq!(crosses(line, direction, from, to), expected, "{direction:?} {from:?} {to:?}");
        }
    }

    #[test]
    fn neighbours_touch_by_share_of_their_size() {
        let (a, b) = (Rect::new(0.1, 0.1, 0.2, 0.2), Rect::new(0.24, 0.1, 0.34, 0.2));
        assert!(!touch(&a, &b, 0.3));
        assert!(touch(&a, &b, 0.5));
    }
}
