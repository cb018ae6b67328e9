//! The shape of a set of cells in its own box, so that the cost depends on the region and not on the picture.

use super::grid::Grid;

/// Cells within a box of the picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    /// The box's first column and row.
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) columns: usize,
    pub(super) rows: usize,
    /// Which cells of the box belong to the shape, row by row.
    pub(super) mask: Vec<bool>,
}

impl Shape {
    /// The shape of `cells`, given by their numbers in the grid.
    ///
    /// Fills holes and removes the rim by which comparison in windows enlarges a thing. Where cells touch
    /// only at a corner, a third cell joins them, so that an outline never touches itself.
    pub(super) fn of(cells: &[u32], grid: Grid) -> Self {
        let across = || cells.iter().map(|c| *c as usize % grid.columns());
        let down = || cells.iter().map(|c| *c as usize / grid.columns());
        let bounds = (across().min(), across().max(), down().min(), down().max());
        let (Some(left), Some(right), Some(top), Some(bottom)) = bounds else {
            return Self { left: 0, top: 0, columns: 0, rows: 0, mask: Vec::new() };
        };
        let (columns, rows) = (right - left + 1, bottom - top + 1);
        let mut mask = vec![false; columns * rows];
        across().zip(down()).for_each(|(x, y)| mask[(y - top) * columns + x - left] = true);
        let mut shape = Self { left, top, columns, rows, mask };
        shape.fill_holes();
        let inner = shape.inner(grid);
        if inner.iter().filter(|i| **i).count() * 3 >= cells.len() {
            shape.mask = inner;
        }
        shape.join_corners();
        shape
    }

    pub(super) fn cells(&self) -> usize {
        self.mask.iter().filter(|m| **m).count()
    }

    /// Whatever cannot be reached from the rim of the box is inside.
    fn fill_holes(&mut self) {
        let (columns, rows) = (self.columns, self.rows);
        let mut outside = vec![0; self.mask.len()];
        let rim = (0..self.mask.len()).filter(|i| {
            let (x, y) = (i % columns, i / columns);
            x == 0 || y == 0 || x == columns - 1 || y == rows - 1
        });
        for start in rim.filter(|i| !self.mask[*i]) {
            self.flood(start, 1, &mut outside);
        }
        self.mask.iter_mut().zip(outside).for_each(|(inside, outside)| *inside = outside == 0);
    }

    /// The cells with a neighbour on each side. The edge of the picture counts as a neighbour.
    fn inner(&self, grid: Grid) -> Vec<bool> {
        let edges = [
            self.left == 0,
            self.left + self.columns == grid.columns(),
            self.top == 0,
            self.top + self.rows == grid.rows(),
        ];
        let full = |i: usize| {
            self.mask[i] && self.beside(i).iter().zip(edges).all(|(j, edge)| j.map_or(edge, |j| self.mask[j]))
        };
        (0..self.mask.len()).map(full).collect()
    }

    fn join_corners(&mut self) {
        let mut joined = true;
        while joined {
            joined = false;
            for here in (1..self.rows).flat_map(|y| (1..self.columns).map(move |x| (x, y))) {
                let here = here.1 * self.columns + here.0;
                let (left, above) = (here - 1, here - self.columns);
                let missing = match [here, left, above, above - 1].map(|j| self.mask[j]) {
                    [true, false, false, true] => left,
                    [false, true, true, false] => here,
                    _ => continue,
                };
                (self.mask[missing], joined) = (true, true);
            }
        }
    }

    /// Numbers the unnumbered cells that are connected to `start` by sides and equal to it in the mask.
    /// Returns their count.
    fn flood(&self, start: usize, number: usize, numbers: &mut [usize]) -> usize {
        if numbers[start] != 0 {
            return 0;
        }
        let (mut work, mut reached) = (vec![start], 0);
        numbers[start] = number;
        while let Some(i) = work.pop() {
            reached += 1;
            for j in self.beside(i).into_iter().flatten() {
                if self.mask[j] == self.mask[start] && numbers[j] == 0 {
                    numbers[j] = number;
                    work.push(j);
                }
            }
        }
        reached
    }

    /// The neighbours of a cell: left, right, above, below.
    fn beside(&self, i: usize) -> [Option<usize>; 4] {
        let (x, y) = (i % self.columns, i / self.columns);
        [
            (x > 0).then(|| i - 1),
            (x + 1 < self.columns).then(|| i + 1),
            (y > 0).then(|| i - self.columns),
            (y + 1 < self.rows).then(|| i + self.columns),
        ]
    }

    /// Parts that share no side, numbered from 1. Returns the part of each cell (0 outside) and the size of
    /// each part.
    pub(super) fn parts(&self) -> (Vec<usize>, Vec<usize>) {
        let mut part = vec![0; self.mask.len()];
        let mut sizes = vec![0];
        for start in 0..self.mask.len() {
            if self.mask[start] && part[start] == 0 {
                sizes.push(self.flood(start, sizes.len(), &mut part));
            }
        }
        (part, sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 12 x 8 cells.
    const GRID: Grid = Grid { factor: 4, width: 24, height: 16 };

    fn drawn(rows: [&str; 8]) -> (Shape, Vec<String>) {
        let marks = rows.iter().flat_map(|r| r.bytes()).zip(0..).filter(|(c, _)| *c == b'#');
        let shape = Shape::of(&marks.map(|(_, i)| i).collect::<Vec<u32>>(), GRID);
        let lines = shape.mask.chunks(shape.columns.max(1));
        let text = lines.map(|l| l.iter().map(|m| if *m { '#' } else { '.' }).collect()).collect();
        (shape, text)
    }

    #[test]
    fn holes_are_filled_and_the_rim_goes_but_for_the_picture_s_own() {
        let (shape, text) = drawn([
            "............",
            "............",
            "............",
            ".......#####",
            ".......#####",
            ".......##.##",
            ".......#####",
            ".......#####",
        ]);
        assert_eq!((shape.left, shape.top, shape.cells()), (7, 3, 16));
        assert_eq!(text, [".....", ".####", ".####", ".####", ".####"]);
    }

    #[test]
    fn thin_things_keep_their_rim_and_what_touches_by_a_corner_is_joined() {
        let (shape, text) = drawn([
            "............",
            "..##........",
            "..##........",
            "....##......",
            "....##......",
            "............",
            ".........#..",
            "............",
        ]);
        assert_eq!(text, ["##......", "##......", ".###....", "..##....", "........", ".......#"]);
        assert_eq!(shape.parts().1, [0, 9, 1]);
        assert_eq!(Shape::of(&[], GRID).cells(), 0);
    }
}
