//! Choice of the number of factors by a Bayesian information criterion, before and after joint refits.

use crate::factor::Factor;
use crate::flatness::MIN_GROUP_FLATNESS;
use crate::vector::Contiguous;

/// The criteria of a number of factors.
///
/// The Bayesian information criterion is the log-likelihood minus half the log of the number of entries for each
/// nonzero loading; larger is better.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// The criterion of the factors along the deflation path.
    pub path: f64,
    /// Their mean flatness.
    pub path_flatness: f64,
    /// The criterion of the jointly refitted factors; NaN if they were not refitted.
    pub joint: f64,
    /// The mean flatness of the refitted factors.
    pub joint_flatness: f64,
}

/// The number of further factors without improvement after which the search ends.
const PATIENCE: usize = 3;
/// Loadings below this fraction of the largest count as zero.
const NEGLIGIBLE: f64 = 1e-3;

/// Returns whether to fit another factor.
pub(crate) fn should_continue(candidates: &[Candidate]) -> bool {
    let (path, joint) = maximizers(candidates);
    candidates.len() < path.max(joint) + PATIENCE
}

/// Returns the criterion of factors with this log-likelihood of `count` entries.
pub(crate) fn criterion(log_likelihood: f64, count: f64, factors: &[Factor]) -> f64 {
    log_likelihood - 0.5 * count.ln() * factors.iter().map(nonzero_loadings).sum::<f64>()
}

/// Returns the numbers of factors that maximise the criterion, along the path and after refits; 0 if there is none.
fn maximizers(candidates: &[Candidate]) -> (usize, usize) {
    let maximizer = |criterion: fn(&Candidate) -> f64| {
        let mut best = (0, f64::NEG_INFINITY);
        for (index, candidate) in candidates.iter().enumerate() {
            if criterion(candidate) > best.1 {
                best = (index + 1, criterion(candidate));
            }
        }
        best.0
    };
    (maximizer(|candidate| candidate.path), maximizer(|candidate| candidate.joint))
}

/// Returns the chosen number of factors.
///
/// It is the maximiser after refits, unless the path has more factors, which are groups and flatter: refits explain a
/// tree by fewer factors than it has branches, each a mixture of branches.
pub(crate) fn best_count(candidates: &[Candidate]) -> usize {
    let (path, joint) = maximizers(candidates);
    if joint == 0 {
        return path;
    }
    let are_groups =
        |path: &Candidate| path.path_flatness > MIN_GROUP_FLATNESS.max(candidates[joint - 1].joint_flatness);
    if path > joint && are_groups(&candidates[path - 1]) {
        path
    } else {
        joint
    }
}

/// Returns the number of loadings of a factor that are not negligible beside its largest.
fn nonzero_loadings(factor: &Factor) -> f64 {
    let count = |loadings: &[f64]| {
        let largest = loadings.iter().copied().fold(0.0, f64::max);
        loadings.iter().filter(|loading| **loading > NEGLIGIBLE * largest).count() as f64
    };
    count(factor.u()) + factor.v.as_ref().map_or(0.0, |v| count(v.as_slice()))
}
