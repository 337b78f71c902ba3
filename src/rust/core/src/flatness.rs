//! How near a factor is to a group: loadings that are all equal where they are not zero.

use crate::factor::Factor;

/// The mean flatness above which factors are groups.
pub(crate) const GROUPS: f64 = 0.9;

/// The largest squared cosine between the loadings and the indicator of a set of them, between 0 and 1; of a general matrix
/// the geometric mean of both sides. Zero loadings have 0.
pub(crate) fn flatness(factor: &Factor) -> f64 {
    match &factor.v {
        None => of_loadings(factor.u()),
        Some(_) => (of_loadings(factor.u()) * of_loadings(factor.v())).sqrt(),
    }
}

/// The mean over factors.
pub(crate) fn mean_flatness(factors: &[Factor]) -> f64 {
    factors.iter().map(flatness).sum::<f64>() / factors.len() as f64
}

/// The best set has the largest loadings, so one look at them in falling order finds it.
fn of_loadings(loadings: &[f64]) -> f64 {
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
    use crate::flatness::of_loadings;

    #[test]
    fn groups_are_flat() {
        assert_eq!(of_loadings(&[0.0, 2.0, 2.0, 0.0, 2.0]), 1.0);
        assert_eq!(of_loadings(&[0.0, 0.0]), 0.0);
        // The best of {2}, {2, 1}, {2, 1, 1}: 4/6, 9/12, 16/18.
        assert!((of_loadings(&[1.0, 2.0, 1.0]) - 16.0 / 18.0).abs() < 1e-15);
    }
}
