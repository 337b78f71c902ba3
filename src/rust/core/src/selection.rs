//! Choice of the number of factors by a Bayesian information criterion.

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
    /// The criterion, larger is better; NaN for starts that were not continued.
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

/// Returns the number of factors with the largest criterion; 0 if there is none.
pub(crate) fn best_count(criteria: &[f64]) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (index, criterion) in criteria.iter().enumerate() {
        if *criterion > best.1 {
            best = (index + 1, *criterion);
        }
    }
    best.0
}

/// Returns the log-likelihood of `count` entries minus half the log of that number for each nonzero loading.
pub(crate) fn criterion(log_likelihood: f64, count: f64, factors: &[Factor]) -> f64 {
    let loadings = |factor: &Factor| nonzero(factor.u()) + factor.v.as_ref().map_or(0.0, |v| nonzero(v.as_slice()));
    log_likelihood - 0.5 * count.ln() * factors.iter().map(loadings).sum::<f64>()
}

/// Returns the number of loadings that are not negligible beside the largest.
fn nonzero(loadings: &[f64]) -> f64 {
    let largest = loadings.iter().copied().fold(0.0, f64::max);
    loadings.iter().filter(|loading| **loading > NEGLIGIBLE * largest).count() as f64
}
