//! Clusters of cells that vote for a change.

use std::collections::VecDeque;

use super::region::ON;

/// Finds connected cells with enough votes that belong to no region. Cells up to two apart are connected.
///
/// `owner` holds the region of each cell, or 0. Returns the cells of each cluster, and the region it touches
/// most.
pub(super) fn find(votes: &[u8], owner: &[u32], columns: usize, rows: usize) -> Vec<(Vec<u32>, Option<u32>)> {
    let mut seen = vec![false; votes.len()];
    let mut out = Vec::new();
    let mut work = VecDeque::new();
    for start in 0..votes.len() {
        if votes[start] < ON || owner[start] != 0 || seen[start] {
            continue;
        }
        seen[start] = true;
        work.push_back(start);
        let (mut cells, mut touched): (Vec<u32>, Vec<(u32, usize)>) = (Vec::new(), Vec::new());
        while let Some(i) = work.pop_front() {
            cells.push(i as u32);
            let (x, y) = (i % columns, i / columns);
            for v in y.saturating_sub(2)..(y + 3).min(rows) {
                for u in x.saturating_sub(2)..(x + 3).min(columns) {
                    let j = v * columns + u;
                    if owner[j] != 0 && u.abs_diff(x) <= 1 && v.abs_diff(y) <= 1 {
                        match touched.iter_mut().find(|t| t.0 == owner[j]) {
                            Some(t) => t.1 += 1,
                            None => touched.push((owner[j], 1)),
                        }
                    } else if votes[j] >= ON && owner[j] == 0 && !seen[j] {
                        seen[j] = true;
                        work.push_back(j);
                    }
                }
            }
        }
        out.push((cells, touched.into_iter().max_by_key(|t| t.1).map(|t| t.0)));
    }
    out
}
