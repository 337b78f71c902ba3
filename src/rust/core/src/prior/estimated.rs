//! A mixture of components with its hyperparameters: what all proper families estimate.

use super::component::{Component, Explained};
use super::{Hyperparameter, Posterior, Prior};

/// `g = Σ π_k g_k`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Estimated {
    parts: Vec<(f64, Component)>,
    hyperparameters: Vec<Hyperparameter>,
}

impl Estimated {
    /// The mixture of `parts`, pairs of a weight `π_k` and a component; the weights sum to 1, and parts without any
    /// are dropped.
    pub(super) fn new(parts: impl IntoIterator<Item = (f64, Component)>, hyperparameters: Vec<Hyperparameter>) -> Self {
        Self { parts: parts.into_iter().filter(|(weight, _)| *weight > 0.0).collect(), hyperparameters }
    }

    /// A 0 with probability `1 − weight`, and otherwise a draw of `slab`.
    pub(super) fn with_zero(weight: f64, slab: Component, hyperparameters: Vec<Hyperparameter>) -> Self {
        Self::new([(1.0 - weight, Component::Zero), (weight, slab)], hyperparameters)
    }
}

impl Prior for Estimated {
    /// With `p_k ∝ π_k exp ℓ_k`: moments `Σ p_k E_k`, and variance `Σ p_k (Var_k + (E_k[w] − E[w])²)`, a sum of
    /// positive terms.
    fn posterior(&self, x: f64, s: f64) -> Posterior {
        let explained: Vec<Explained> = self.parts.iter().map(|(_, component)| component.explain(x, s)).collect();
        let (best, mut shares) = relative_marginals(&explained);
        shares.iter_mut().zip(&self.parts).for_each(|(share, (weight, _))| *share *= weight);
        let total: f64 = shares.iter().sum();
        shares.iter_mut().for_each(|share| *share /= total);
        let average = |of: &dyn Fn(&Explained) -> f64| -> f64 {
            shares.iter().zip(&explained).map(|(share, explained)| share * of(explained)).sum()
        };
        let mean = average(&|part| part.mean);
        let zeros = shares.iter().zip(&self.parts).filter(|(_, (_, component))| *component == Component::Zero);
        Posterior {
            mean,
            second: average(&|part| part.second),
            variance: average(&|part| part.variance + (part.mean - mean) * (part.mean - mean)),
            zero: zeros.fold(0.0, |sum, (share, _)| sum + share),
            log_marginal: best + total.ln() - s.ln(),
        }
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        self.hyperparameters.clone()
    }
}

/// The largest `ℓ_k` (in units of `s`), and `exp(ℓ_k − largest)` for each component.
///
/// Differences are taken of that form of `ℓ` in which the best component's is the smaller, so that they keep the most
/// digits.
pub(super) fn relative_marginals(explained: &[Explained]) -> (f64, Vec<f64>) {
    let largest = |of: &dyn Fn(&Explained) -> f64| explained.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
    let marginal = largest(&|part| part.log_marginal);
    let ratio = largest(&|part| part.log_ratio);
    let relative = |part: &Explained| {
        let log = if ratio.abs() <= marginal.abs() { part.log_ratio - ratio } else { part.log_marginal - marginal };
        log.exp()
    };
    (marginal, explained.iter().map(relative).collect())
}
