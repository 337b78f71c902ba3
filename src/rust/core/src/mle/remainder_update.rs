//! Families of laws of the remainder, and the M-step for what is free in them.
//!
//! λ is held here, and with it `E[b] = 1/λ`: so the M-step keeps the mean of `c` at 1, and bounds of λσ stay what they are. With
//! `n_k = Σ p_k` over the entries, it maximises
//!
//! ```text
//! mixture of means a_k         Σ n_k log π_k   under Σ π_k = 1, Σ π_k a_k = 1:   π_k = n_k/(N + ν (a_k − 1))
//! point mass and Exp(π)        n_0 log(1 − π) + 2 n_1 log π − π λ Σ b̄:            S π² − (n_0 + 2 n_1 + S) π + 2 n_1 = 0,  S = λ Σ b̄
//! ```
//!
//! where `ν` is the only root between the poles, since the constraint falls with it.

use crate::error::Error;
use crate::noise::ResidualParams;
use crate::pass::PassStats;
use crate::remainder_prior::{RemainderPrior, MAX_COMPONENTS, MIN_MEAN};

/// What is known of the law of the remainder.
#[derive(Clone, Debug, PartialEq)]
pub enum RemainderPriorFamily {
    /// All but its mean.
    Known(RemainderPrior),
    /// That it is `(1 − π) δ_0 + π Exp(·)`.
    PointExponential,
    /// That it is a mixture of exponentials with these means, in units of `E[b]`; 0 is a point mass.
    Mixture(ComponentMeans),
}

impl Default for RemainderPriorFamily {
    /// One exponential.
    fn default() -> Self {
        Self::Known(RemainderPrior::EXPONENTIAL)
    }
}

/// ComponentMeans of exponentials, falling, with 1 between the largest and the least.
#[derive(Clone, Debug, PartialEq)]
pub struct ComponentMeans(Vec<f64>);

impl ComponentMeans {
    /// At most twelve positive means, none below [`MIN_MEAN`], and 0, different from each other.
    ///
    /// # Errors
    /// [`Error::Range`] where they are not, or 1 is not between the least and the largest.
    pub fn new(means: &[f64]) -> Result<Self, Error> {
        let mut means = means.to_vec();
        means.sort_by(|one, other| other.total_cmp(one));
        means.dedup();
        if let Some(&found) = means.iter().find(|mean| !(**mean >= 0.0 && mean.is_finite())) {
            return Err(Error::Range { what: "a mean", expected: "nonnegative and finite", found });
        }
        if let Some(&found) = means.iter().find(|mean| **mean > 0.0 && **mean < MIN_MEAN) {
            return Err(Error::Range { what: "a mean", expected: "0 or at least 5e-5", found });
        }
        let positive = means.iter().filter(|mean| **mean > 0.0).count();
        if positive > MAX_COMPONENTS {
            return Err(Error::Range { what: "the number of means", expected: "at most 12", found: positive as f64 });
        }
        match means[..] {
            [largest, .., least] if largest > 1.0 && least < 1.0 => Ok(Self(means)),
            _ => {
                let found = means.first().copied().unwrap_or(0.0);
                Err(Error::Range {
                    what: "the largest of several means",
                    expected: "above 1, and the least below",
                    found,
                })
            }
        }
    }
}

/// The share of the entries below which a component is dropped.
const NEGLIGIBLE: f64 = 1e-12;
/// Halvings of the interval of `ν`: to the last bit.
const HALVINGS: usize = 200;

impl RemainderPriorFamily {
    /// The weights to start from; none where nothing is free.
    pub(crate) fn first(&self) -> Vec<f64> {
        match self {
            Self::Known(_) => Vec::new(),
            Self::PointExponential => vec![0.5, 0.5],
            Self::Mixture(ComponentMeans(means)) => project_to_unit_mean(&vec![1.0; means.len()], means),
        }
    }

    /// The law with these weights: of the exponentials by falling mean, then of the point mass.
    ///
    /// If the M-step leaves no weight to the exponential of a point-exponential, `b` is 0 and there is no law with mean 1;
    /// the exponential is returned, whose likelihood decides whether the step is accepted.
    #[allow(clippy::expect_used)]
    pub(crate) fn law(&self, weights: &[f64]) -> RemainderPrior {
        let law = match self {
            Self::Known(law) => return *law,
            Self::PointExponential if weights[0] == 0.0 => return RemainderPrior::EXPONENTIAL,
            Self::PointExponential => RemainderPrior::new(weights.iter().copied().zip([1.0, 0.0])),
            Self::Mixture(ComponentMeans(means)) => {
                RemainderPrior::new(weights.iter().copied().zip(means.iter().copied()))
            }
        };
        law.expect("invariant: updated weights are a valid mixture")
    }

    /// Weights that are legal but for rounding, made so.
    pub(crate) fn legal(&self, weights: &[f64]) -> Vec<f64> {
        match self {
            Self::Mixture(ComponentMeans(means)) => project_to_unit_mean(weights, means),
            _ => {
                let total: f64 = weights.iter().sum();
                weights.iter().map(|weight| weight / total).collect()
            }
        }
    }

    /// The M-step from weights under which `sums` were taken.
    pub(crate) fn update(&self, weights: &[f64], sums: &PassStats, params: ResidualParams) -> Vec<f64> {
        let Some(mixed) = &sums.mixture else {
            return weights.to_vec();
        };
        let (exponentials, atom) = mixed.responsibilities.split_at(MAX_COMPONENTS);
        match self {
            Self::Known(_) => Vec::new(),
            Self::PointExponential => {
                let (zeros, others, scaled) = (atom[0], exponentials[0], params.lambda * sums.mean_b);
                let middle = zeros + 2.0 * others + scaled;
                let weight = 4.0 * others / (middle + (middle * middle - 8.0 * scaled * others).max(0.0).sqrt());
                let weight = weight.min(1.0);
                vec![weight, if zeros <= NEGLIGIBLE * sums.count { 0.0 } else { 1.0 - weight }]
            }
            Self::Mixture(ComponentMeans(means)) => {
                let mut found = exponentials.iter();
                let mut count = |(weight, mean): (&f64, &f64)| match (*weight > 0.0, *mean > 0.0) {
                    (false, _) => 0.0,
                    (true, true) => found.next().copied().unwrap_or(0.0),
                    (true, false) => atom[0],
                };
                let counts: Vec<f64> = weights.iter().zip(means).map(&mut count).collect();
                let least = NEGLIGIBLE * sums.count;
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

/// `n_k/(N + ν (a_k − 1))` with sum and mean 1; empty where there is no such `ν`.
fn project_to_unit_mean(counts: &[f64], means: &[f64]) -> Vec<f64> {
    let total: f64 = counts.iter().sum();
    let present = || counts.iter().zip(means).filter(|(count, _)| **count > 0.0).map(|(_, mean)| mean - 1.0);
    let (largest, least) = (present().fold(f64::NEG_INFINITY, f64::max), present().fold(f64::INFINITY, f64::min));
    if !(largest > 0.0 && least < 0.0) {
        return Vec::new();
    }
    // From the pole on the root's side, so that its own denominator keeps its digits however near to it the root is.
    let pole = if counts.iter().zip(means).map(|(count, mean)| count * (mean - 1.0)).sum::<f64>() > 0.0 {
        least
    } else {
        largest
    };
    // What has no count has no weight: its own denominator may have a root, or be zero, on the way.
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
