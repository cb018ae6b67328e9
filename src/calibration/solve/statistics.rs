//! Statistics of residuals.

/// The upper one of two middle values; 0 of none.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// 95 % quantile of chi-square, by Wilson and Hilferty (1931).
pub(super) fn chi2_95(freedom: f64) -> f64 {
    let part = 2.0 / (9.0 * freedom);
    freedom * (1.0 - part + 1.644_854 * part.sqrt()).powi(3)
}
