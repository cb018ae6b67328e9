//! Optimal one-to-one assignment: the Hungarian method by shortest augmenting paths with potentials
//! (Kuhn 1955; Jonker and Volgenant 1987), O(rows^2 * columns).

/// Cost of a forbidden pair, far above any sum of real costs, which are in 0..2.
const FORBIDDEN: f64 = 1e6;

/// The largest set of `(row, column)` pairs, at the lowest total cost. A pair whose `cost` is `None` is
/// forbidden. Sorted by row.
pub(super) fn assign(
    rows: usize,
    columns: usize,
    cost: impl Fn(usize, usize) -> Option<f64>,
) -> Vec<(usize, usize)> {
    // The search needs at least as many columns as rows.
    let turned = rows > columns;
    let (n, m) = if turned { (columns, rows) } else { (rows, columns) };
    let cost_of = |r: usize, c: usize| if turned { cost(c, r) } else { cost(r, c) };
    let table: Vec<Option<f64>> = (0..n * m).map(|i| cost_of(i / m, i % m)).collect();
    let owner = shortest_paths(n, m, |r, c| table[r * m + c].unwrap_or(FORBIDDEN));
    let mut pairs: Vec<_> = owner
        .into_iter()
        .enumerate()
        .filter_map(|(c, r)| r.map(|r| (r, c)))
        .filter(|&(r, c)| table[r * m + c].is_some())
        .map(|(r, c)| if turned { (c, r) } else { (r, c) })
        .collect();
    pairs.sort_unstable();
    pairs
}

/// The row of each column, for `rows <= columns`. Index 0 of the inner arrays means "none yet".
fn shortest_paths(rows: usize, columns: usize, price: impl Fn(usize, usize) -> f64) -> Vec<Option<usize>> {
    let mut row_potential = vec![0.0; rows + 1];
    let mut column_potential = vec![0.0; columns + 1];
    let mut owner = vec![0; columns + 1];
    for row in 1..=rows {
        let mut best = vec![f64::INFINITY; columns + 1];
        let mut from = vec![0; columns + 1];
        let mut done = vec![false; columns + 1];
        let mut here = 0;
        owner[0] = row;
        loop {
            done[here] = true;
            let (r, mut step, mut next) = (owner[here], f64::INFINITY, 0);
            for c in 1..=columns {
                if done[c] {
                    continue;
                }
                let reduced = price(r - 1, c - 1) - row_potential[r] - column_potential[c];
                if reduced < best[c] {
                    (best[c], from[c]) = (reduced, here);
                }
                if best[c] < step {
                    (step, next) = (best[c], c);
                }
            }
            for c in 0..=columns {
                if done[c] {
                    row_potential[owner[c]] += step;
                    column_potential[c] -= step;
                } else {
                    best[c] -= step;
                }
            }
            here = next;
            if owner[here] == 0 {
                break;
            }
        }
        while here != 0 {
            let before = from[here];
            owner[here] = owner[before];
            here = before;
        }
    }
    owner.into_iter().skip(1).map(|r: usize| r.checked_sub(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The most pairs, then the lowest cost, by trying all assignments.
    fn exhaustive(table: &[Vec<Option<f64>>], row: usize, used: u32) -> (usize, f64) {
        let Some(costs) = table.get(row) else { return (0, 0.0) };
        let mut best = exhaustive(table, row + 1, used);
        for (c, cost) in costs.iter().enumerate().filter(|(c, _)| used & (1 << c) == 0) {
            let Some(cost) = cost else { continue };
            let (n, rest) = exhaustive(table, row + 1, used | (1 << c));
            if n + 1 > best.0 || (n + 1 == best.0 && rest + cost < best.1) {
                best = (n + 1, rest + cost);
            }
        }
        best
    }

    fn table() -> impl Strategy<Value = Vec<Vec<Option<f64>>>> {
        (0usize..5, 0usize..5).prop_flat_map(|(r, c)| {
            prop::collection::vec(prop::collection::vec(prop::option::weighted(0.7, 0.0..2.0), c), r)
        })
    }

    proptest! {
        #[test]
        fn equals_the_best_of_all_assignments(table in table()) {
            let columns = table.first().map_or(0, Vec::len);
            let pairs = assign(table.len(), columns, |r, c| table[r][c]);
            let cost: f64 = pairs.iter().map(|&(r, c)| table[r][c].expect("not forbidden")).sum();
            let (n, best) = exhaustive(&table, 0, 0);
            prop_assert_eq!(pairs.len(), n);
            prop_assert!((cost - best).abs() < 1e-6, "{} {}", cost, best);
        }
    }
}
