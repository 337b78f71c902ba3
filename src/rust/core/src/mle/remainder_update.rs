//! M-step of the weights of the remainder prior.
//!
//! λ is held, and with it `E[b] = 1/λ`. Therefore the M-step keeps the mean of `c` at 1, and bounds of λσ keep their meaning.
//! With `n_k = Σ p_k` over the entries, it maximizes
//!
//! ```text
//! mixture of means a_k         Σ n_k log π_k   under Σ π_k = 1, Σ π_k a_k = 1:   π_k = n_k/(N + ν (a_k − 1))
//! point mass and Exp(π)        n_0 log(1 − π) + 2 n_1 log π − π λ Σ b̄:            S π² − (n_0 + 2 n_1 + S) π + 2 n_1 = 0,  S = λ Σ b̄
//! ```
//!
//! where `ν` is the only root between the poles, since the constraint decreases in `ν`.

use crate::noise::ResidualParams;
use crate::pass::PassStats;
use crate::remainder_prior::{ComponentMeans, RemainderPrior, RemainderPriorFamily, MAX_COMPONENTS};

/// A component is dropped if its share of the entries is below this.
const NEGLIGIBLE: f64 = 1e-12;
/// Maximum number of bisections for `ν`, enough for full precision.
const HALVINGS: usize = 200;

impl RemainderPriorFamily {
    /// Initial weights; empty if no weight is free.
    pub(crate) fn initial_weights(&self) -> Vec<f64> {
        match self {
            Self::Known(_) => Vec::new(),
            Self::PointExponential => vec![0.5, 0.5],
            Self::Mixture(ComponentMeans(means)) => project_to_unit_mean(&vec![1.0; means.len()], means),
        }
    }

    /// The prior with these weights: those of the exponentials by decreasing mean, then that of the point mass.
    ///
    /// If the M-step leaves no weight to the exponential of a point-exponential, `b` is 0 and there is no prior with mean 1;
    /// the exponential is returned, whose likelihood decides whether the step is accepted.
    #[allow(clippy::expect_used)]
    pub(crate) fn with_weights(&self, weights: &[f64]) -> RemainderPrior {
        let prior = match self {
            Self::Known(prior) => return *prior,
            Self::PointExponential if weights[0] == 0.0 => return RemainderPrior::EXPONENTIAL,
            Self::PointExponential => RemainderPrior::new(weights.iter().copied().zip([1.0, 0.0])),
            Self::Mixture(ComponentMeans(means)) => {
                RemainderPrior::new(weights.iter().copied().zip(means.iter().copied()))
            }
        };
        prior.expect("invariant: updated weights are a valid mixture")
    }

    /// Weights with rounding errors in their constraints removed.
    pub(crate) fn normalized(&self, weights: &[f64]) -> Vec<f64> {
        match self {
            Self::Mixture(ComponentMeans(means)) => project_to_unit_mean(weights, means),
            _ => {
                let total: f64 = weights.iter().sum();
                weights.iter().map(|weight| weight / total).collect()
            }
        }
    }

    /// The M-step from the weights at which `stats` were computed.
    pub(crate) fn update(&self, weights: &[f64], stats: &PassStats, params: ResidualParams) -> Vec<f64> {
        let Some(mixture) = &stats.mixture else {
            return weights.to_vec();
        };
        let (exponentials, atom) = mixture.responsibilities.split_at(MAX_COMPONENTS);
        match self {
            Self::Known(_) => Vec::new(),
            Self::PointExponential => {
                let (zeros, others, scaled) = (atom[0], exponentials[0], params.lambda * stats.mean_b);
                let middle = zeros + 2.0 * others + scaled;
                let weight = 4.0 * others / (middle + (middle * middle - 8.0 * scaled * others).max(0.0).sqrt());
                let weight = weight.min(1.0);
                vec![weight, if zeros <= NEGLIGIBLE * stats.count { 0.0 } else { 1.0 - weight }]
            }
            Self::Mixture(ComponentMeans(means)) => {
                let mut found = exponentials.iter();
                let mut count = |(weight, mean): (&f64, &f64)| match (*weight > 0.0, *mean > 0.0) {
                    (false, _) => 0.0,
                    (true, true) => found.next().copied().unwrap_or(0.0),
                    (true, false) => atom[0],
                };
                let counts: Vec<f64> = weights.iter().zip(means).map(&mut count).collect();
                let least = NEGLIGIBLE * stats.count;
                let counts: Vec<f64> = counts.iter().map(|count| if *count <= least { 0.0 } else { *count }).collect();
                let updated = project_to_unit_mean(&counts, means);
                if updated.is_empty() {
                    weights.to_vec()
                } else {
                    updated
                }
            }
        }
    }
}

/// `n_k/(N + ν (a_k − 1))` with sum and mean 1; empty if there is no such `ν`.
fn project_to_unit_mean(counts: &[f64], means: &[f64]) -> Vec<f64> {
    let total: f64 = counts.iter().sum();
    let present = || counts.iter().zip(means).filter(|(count, _)| **count > 0.0).map(|(_, mean)| mean - 1.0);
    let (largest, least) = (present().fold(f64::NEG_INFINITY, f64::max), present().fold(f64::INFINITY, f64::min));
    if !(largest > 0.0 && least < 0.0) {
        return Vec::new();
    }
    // The distance from the pole on the root's side is the unknown: the denominator there then has no cancellation.
    let pole = if counts.iter().zip(means).map(|(count, mean)| count * (mean - 1.0)).sum::<f64>() > 0.0 {
        least
    } else {
        largest
    };
    // A component without a count has no weight; its denominator may be zero within the interval.
    let weight = |count: f64, mean: f64, distance: f64| {
        let place = mean - 1.0;
        if count > 0.0 {
            count / (total * (pole - place) / pole + distance * place / pole)
        } else {
            0.0
        }
    };
    let excess = |distance: f64| -> f64 {
        counts.iter().zip(means).map(|(&count, &mean)| weight(count, mean, distance) * (mean - 1.0)).sum()
    };
    // At distance N from its pole ν is 0.
    let (mut low, mut high) = (0.0, total);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if (excess(middle) > 0.0) == (pole > 0.0) {
            low = middle;
        } else {
            high = middle;
        }
    }
    counts.iter().zip(means).map(|(&count, &mean)| weight(count, mean, high)).collect()
}

#[cfg(test)]
mod tests {
    use crate::mle::remainder_update::project_to_unit_mean;

    #[test]
    fn tilted_counts_have_sum_and_mean_one() {
        let means = [5.0, 1.0, 0.2, 0.0];
        for counts in [
            [1.0, 1.0, 1.0, 1.0],
            [600.0, 1.0, 300.0, 0.0],
            [1e-9, 1e4, 1e3, 1e2],
            [0.0, 0.0, 0.0, 0.0],
            [1e6, 0.0, 0.0, 1e-3],
        ] {
            let weights = project_to_unit_mean(&counts, &means);
            let mean: f64 = weights.iter().zip(means).map(|(weight, mean)| weight * mean).sum();
            let sum: f64 = weights.iter().sum();
            let none = weights.is_empty() && counts == [0.0; 4];
            assert!(
                none || (mean - 1.0).abs() < 1e-12 && (sum - 1.0).abs() < 1e-12,
                "{counts:?}: {weights:?}, {mean}, {sum}"
            );
        }
    }

    #[test]
    fn means_without_a_count_are_passed_over() {
        let thirds = [27.0, 9.0, 3.0, 1.0, 1.0 / 3.0, 1.0 / 9.0, 0.0];
        let cases: [(&[f64], &[f64]); 4] = [
            (&[0.0, 0.0, 30.0, 40.0, 20.0, 10.0, 5.0], &thirds),
            (&[0.0, 0.0, 1.0, 400.0, 200.0, 100.0, 0.0], &thirds),
            (&[5.0, 1.0, 300.0, 40.0, 2.0, 0.0, 0.0], &thirds),
            (&[0.0, 100.0, 700.0, 150.0, 50.5], &[3.0, 2.0, 1.0, 0.5, 0.0]),
        ];
        for (counts, means) in cases {
            let weights = project_to_unit_mean(counts, means);
            let mean: f64 = weights.iter().zip(means).map(|(weight, mean)| weight * mean).sum();
            let sum: f64 = weights.iter().sum();
            assert!((mean - 1.0).abs() < 1e-12 && (sum - 1.0).abs() < 1e-12, "{counts:?}: {weights:?}, {mean}, {sum}");
            assert!(weights.iter().zip(counts).all(|(weight, count)| (*weight > 0.0) == (*count > 0.0)), "{weights:?}");
        }
    }
}
