//! How many factors: those whose criterion is best, of the factors as deflation found them and of all refitted together.

use crate::factor::Factor;
use crate::flatness::GROUPS;
use crate::vector::Contiguous;

/// What speaks for a number of factors: a Bayesian information criterion, the log-likelihood minus half the log of the
/// number of entries for each loading that is not zero.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// That of the factors as deflation found them.
    pub path: f64,
    /// Their mean flatness.
    pub path_flatness: f64,
    /// The criterion of the factors refitted together; NaN where they were not.
    pub joint: f64,
    /// Their mean flatness then.
    pub joint_flatness: f64,
}

/// The factors that are looked at beyond the best numbers so far.
const PATIENCE: usize = 3;
/// The share of the largest loading below which a loading counts as zero.
const NEGLIGIBLE: f64 = 1e-3;

/// Whether more factors are worth a look.
pub(crate) fn should_continue(candidates: &[Candidate]) -> bool {
    let (path, joint) = peaks(candidates);
    candidates.len() < path.max(joint) + PATIENCE
}

/// A log-likelihood of `count` entries less what its loadings cost.
pub(crate) fn criterion(log_likelihood: f64, count: f64, factors: &[Factor]) -> f64 {
    log_likelihood - 0.5 * count.ln() * factors.iter().map(free_loadings).sum::<f64>()
}

/// Where the criterion peaks, along the path and after refits.
fn peaks(candidates: &[Candidate]) -> (usize, usize) {
    let peak = |criterion: fn(&Candidate) -> f64| {
        let mut best = (0, f64::NEG_INFINITY);
        for (index, candidate) in candidates.iter().enumerate() {
            if criterion(candidate) > best.1 {
                best = (index + 1, criterion(candidate));
            }
        }
        best.0
    };
    (peak(|candidate| candidate.path), peak(|candidate| candidate.joint))
}

/// The number after refits, unless the path has more factors that are groups, and flatter: refits explain a tree by fewer
/// factors than it has branches, but by mixtures of them.
pub(crate) fn best_count(candidates: &[Candidate]) -> usize {
    let (path, joint) = peaks(candidates);
    if joint == 0 {
        return path;
    }
    let groups = |path: &Candidate| path.path_flatness > GROUPS.max(candidates[joint - 1].joint_flatness);
    if path > joint && groups(&candidates[path - 1]) {
        path
    } else {
        joint
    }
}

/// The loadings of a factor that are not negligible beside its largest.
fn free_loadings(factor: &Factor) -> f64 {
    let count = |loadings: &[f64]| {
        let largest = loadings.iter().copied().fold(0.0, f64::max);
        loadings.iter().filter(|loading| **loading > NEGLIGIBLE * largest).count() as f64
    };
    count(factor.u()) + factor.v.as_ref().map_or(0.0, |v| count(v.as_slice()))
}
