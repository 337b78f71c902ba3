//! Choice of the number of factors by a Bayesian information criterion that accounts for a large number of parameters.
//!
//! Schwarz's criterion supposes far fewer parameters than entries. Here they may be as many, and then the log-likelihood exceeds
//! that of the truth by far more than its penalty. The criterion is therefore the log Bayes factor of a Gaussian regression under
//! a g-prior against the model without regressors (F. Liang, R. Paulo, G. Molina, M. A. Clyde and J. O. Berger 2008, Mixtures of g
//! priors for Bayesian variable selection, *Journal of the American Statistical Association* 103, 410-423, equations 6 and 9),
//! with the coefficient of determination of a likelihood (L. Magee 1990, R² measures based on Wald and likelihood ratio joint
//! significance tests, *The American Statistician* 44, 250-253):
//!
//! ```text
//! ½ (N − m − 1) log(1 + g) − ½ (N − 1) log(1 + g (1 − R²)),   1 − R² = exp(−2 (ℓ − ℓ_0)/N),
//! ```
//!
//! with `N` entries, `m` nonzero loadings, log-likelihood `ℓ`, and `ℓ_0` that without factors. `g` maximizes it over `g ≥ N`: the
//! prior has at most the information of one entry. With `g = N` alone, one strong factor would hide all others, because the
//! criterion would be bounded in `ℓ` (the information paradox). For `m ≪ N` and moderate `ℓ − ℓ_0` it is Schwarz's
//! `ℓ − ℓ_0 − ½ m log N`, up to terms that do not grow with `N`. Without residual degrees of freedom, `m ≥ N − 1`, it is negative.

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
    let residual = count - loadings - 1.0;
    let log_g = log_g(2.0 * gain / count, residual, loadings).max(count.ln());
    0.5 * residual * softplus(log_g) - 0.5 * (count - 1.0) * softplus(log_g - 2.0 * gain / count)
}

/// `log g` at the maximum over all `g`, `g = F − 1` with `F = R²/(1 − R²) · residual/loadings`; NaN if that is negative.
/// `log_ratio` is `−log(1 − R²)`.
fn log_g(log_ratio: f64, residual: f64, loadings: f64) -> f64 {
    let shape = residual.max(0.0) / loadings;
    // g = shape (exp(log_ratio) − 1) − 1, without overflow.
    let g = shape - (1.0 + shape) * (-log_ratio).exp();
    log_ratio + g.ln()
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
