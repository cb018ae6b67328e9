//! Many values in four.

use serde::Serialize;

/// Of values in ascending order; zeros where there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Spread {
    pub count: usize,
    pub median: f64,
    pub p95: f64,
    pub worst: f64,
}

impl Spread {
    /// Nearest rank: the smallest value that the share of all values does not exceed.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let Some(&worst) = values.last() else { return Self::default() };
        let rank =
            |share: f64| values[((share * values.len() as f64).ceil() as usize).clamp(1, values.len()) - 1];
        Self { count: values.len(), median: rank(0.5), p95: rank(0.95), worst }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_values_that_were_there() {
        let spread = Spread::of((1..=100).rev().map(f64::from).collect());
        assert_eq!(spread, Spread { count: 100, median: 50.0, p95: 95.0, worst: 100.0 });
        assert_eq!(Spread::of(vec![3.0]), Spread { count: 1, median: 3.0, p95: 3.0, worst: 3.0 });
        assert_eq!(Spread::of(Vec::new()), Spread::default());
    }
}
