//! Choice of the number of factors by a Bayesian information criterion that accounts for a large number of parameters.
//!
//! Schwarz's criterion supposes far fewer parameters than entries. Here they may be as many, and then the log-likelihood exceeds
//! that of the truth by far more than its penalty. The criterion is therefore the log Bayes factor of a Gaussian regression under
//! the unit-information g-prior, `g = N`, against the model without regressors (F. Liang, R. Paulo, G. Molina, M. A. Clyde and
//! J. O. Berger 2008, Mixtures of g priors for Bayesian variable selection, *Journal of the American Statistical Association* 103,
//! 410-423, equation 6), with the coefficient of determination of a likelihood in place of R² (L. Magee 1990, R² measures based on
//! Wald and likelihood ratio joint significance tests, *The American Statistician* 44, 250-253):
//!
//! ```text
//! ½ (N − m − 1) log(1 + N) − ½ (N − 1) log(1 + N (1 − R²)),   1 − R² = exp(−2 (ℓ − ℓ_0)/N),
//! ```
//!
//! with `N` entries, `m` nonzero loadings, log-likelihood `ℓ`, and `ℓ_0` that without factors. For `m ≪ N` and moderate `ℓ − ℓ_0` it
//! is Schwarz's `ℓ − ℓ_0 − ½ m log N`, up to terms that do not grow with `N`. It is bounded in `ℓ`, and negative for `m ≥ N − 1`.

use crate::factor::Factor;
use crate::init::Origin;
use crate::trace::Status;
use crate::vector::Contiguous;

/// A fit that was compared with others.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Number of new factors.
    pub factors: usize,
    /// Where the fit started.
    pub start: Origin,
    /// The log-likelihood, or the ELBO under priors.
    pub objective: f64,
    /// The criterion, larger is better and 0 without factors; NaN for starts that were not continued.
    pub criterion: f64,
    /// Why the fit ended.
    pub status: Status,
    /// Whether it is the one returned.
    pub kept: bool,
}

/// The number of further factors without improvement after which the search ends.
const PATIENCE: usize = 3;
/// Loadings below this fraction of the largest count as zero.
const NEGLIGIBLE: f64 = 1e-3;

/// Returns whether to fit another factor, given the criteria of 1, 2, … factors.
pub(crate) fn should_continue(criteria: &[f64]) -> bool {
    criteria.len() < best_count(criteria) + PATIENCE
}

/// Returns the number of factors with the largest criterion; 0 if none is positive.
pub(crate) fn best_count(criteria: &[f64]) -> usize {
    let mut best = (0, 0.0);
    for (index, criterion) in criteria.iter().enumerate() {
        if *criterion > best.1 {
            best = (index + 1, *criterion);
        }
    }
    best.0
}

/// The criterion of factors that raise the log-likelihood of `count` entries by `gain`; 0 without factors.
pub(crate) fn criterion(gain: f64, count: f64, factors: &[&Factor]) -> f64 {
    let of = |factor: &Factor| nonzero(factor.u()) + factor.v.as_ref().map_or(0.0, |v| nonzero(v.as_slice()));
    let loadings: f64 = factors.iter().copied().map(of).sum();
    let unexplained = softplus(count.ln() - 2.0 * gain / count);
    0.5 * (count - loadings - 1.0) * count.ln_1p() - 0.5 * (count - 1.0) * unexplained
}

/// `log(1 + exp(x))`
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Returns the number of loadings that are not negligible beside the largest.
fn nonzero(loadings: &[f64]) -> f64 {
    let largest = loadings.iter().copied().fold(0.0, f64::max);
    loadings.iter().filter(|loading| **loading > NEGLIGIBLE * largest).count() as f64
}
