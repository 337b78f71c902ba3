//! Flatness of a factor: its similarity to a group of rows, whose nonzero loadings are all equal.

use crate::factor::Factor;

/// The mean flatness above which factors count as groups.
pub(crate) const MIN_GROUP_FLATNESS: f64 = 0.9;

/// Returns the largest squared cosine between the loadings and the indicator of any set of them, between 0 and 1; for a
/// general matrix, the geometric mean of both sides. Zero loadings have flatness 0.
pub(crate) fn flatness(factor: &Factor) -> f64 {
    match &factor.v {
        None => loading_flatness(factor.u()),
        Some(_) => (loading_flatness(factor.u()) * loading_flatness(factor.v())).sqrt(),
    }
}

/// Returns the mean flatness of several factors.
pub(crate) fn mean_flatness(factors: &[Factor]) -> f64 {
    factors.iter().map(flatness).sum::<f64>() / factors.len() as f64
}

/// The best set consists of the largest loadings, so a scan in decreasing order finds it.
fn loading_flatness(loadings: &[f64]) -> f64 {
    let square: f64 = loadings.iter().map(|loading| loading * loading).sum();
    let mut sorted = loadings.to_vec();
    sorted.sort_by(|x, y| y.total_cmp(x));
    let (mut sum, mut best) = (0.0, 0.0_f64);
    for (index, loading) in sorted.iter().enumerate() {
        sum += loading;
        best = best.max(sum * sum / (index + 1) as f64);
    }
    if square > 0.0 {
        best / square
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use crate::flatness::loading_flatness;

    #[test]
    fn groups_are_flat() {
        assert_eq!(loading_flatness(&[0.0, 2.0, 2.0, 0.0, 2.0]), 1.0);
        assert_eq!(loading_flatness(&[0.0, 0.0]), 0.0);
        // The best of {2}, {2, 1}, {2, 1, 1}: 4/6, 9/12, 16/18.
        assert!((loading_flatness(&[1.0, 2.0, 1.0]) - 16.0 / 18.0).abs() < 1e-15);
    }
}
