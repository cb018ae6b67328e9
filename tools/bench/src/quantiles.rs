//! A distribution in four figures.

use serde::Serialize;

/// All zero where there are no values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Quantiles {
    pub count: usize,
    pub median: f64,
    pub p95: f64,
    pub worst: f64,
}

impl Quantiles {
    /// By nearest rank, so that each figure is one of the values.
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
    fn every_quantile_is_one_of_the_values() {
        let quantiles = Quantiles::of((1..=100).rev().map(f64::from).collect());
        assert_eq!(quantiles, Quantiles { count: 100, median: 50.0, p95: 95.0, worst: 100.0 });
        assert_eq!(Quantiles::of(vec![3.0]), Quantiles { count: 1, median: 3.0, p95: 3.0, worst: 3.0 });
        assert_eq!(Quantiles::of(Vec::new()), Quantiles::default());
    }
}
