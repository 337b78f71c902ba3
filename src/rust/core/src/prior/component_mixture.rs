//! A mixture of components with its hyperparameters: what all proper families estimate.

use crate::prior::component::{Component, Explained};
use crate::prior::{Hyperparameter, Observations, Posterior, Prior};

/// `g = Σ π_k g_k`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ComponentMixture {
    parts: Vec<(f64, Component)>,
    hyperparameters: Vec<Hyperparameter>,
}

impl ComponentMixture {
    /// The mixture of `parts`, pairs of a weight `π_k` and a component; the weights sum to 1, and parts without any
    /// are dropped.
    pub(crate) fn new(parts: impl IntoIterator<Item = (f64, Component)>, hyperparameters: Vec<Hyperparameter>) -> Self {
        Self { parts: parts.into_iter().filter(|(weight, _)| *weight > 0.0).collect(), hyperparameters }
    }

    /// A 0 with probability `1 − weight`, and otherwise a draw of `slab`.
    pub(crate) fn with_zero(weight: f64, slab: Component, hyperparameters: Vec<Hyperparameter>) -> Self {
        Self::new([(1.0 - weight, Component::Zero), (weight, slab)], hyperparameters)
    }

    /// With `p_k ∝ π_k exp ℓ_k`: moments `Σ p_k E_k`, and variance `Σ p_k (Var_k + (E_k[w] − E[w])²)`, a sum of positive
    /// terms. Each part comes with `π_k`, and is left with `p_k`.
    fn mixed(&self, parts: &mut [(f64, Explained)], s: f64) -> Posterior {
        let best = relative_marginals(parts);
        let total: f64 = parts.iter().map(|(share, _)| share).sum();
        parts.iter_mut().for_each(|(share, _)| *share /= total);
        let average = |of: &dyn Fn(&Explained) -> f64| parts.iter().map(|(share, part)| share * of(part)).sum();
        let mean: f64 = average(&|part| part.mean);
        let zeros = parts.iter().zip(&self.parts).filter(|(_, (_, component))| *component == Component::Zero);
        Posterior {
            mean,
            second: average(&|part| part.second),
            variance: average(&|part| part.variance + (part.mean - mean) * (part.mean - mean)),
            zero: zeros.fold(0.0, |sum, ((share, _), _)| sum + share),
            log_marginal: best + total.ln() - s.ln(),
        }
    }
}

impl Prior for ComponentMixture {
    fn posterior(&self, x: f64, s: f64) -> Posterior {
        let explain = |(weight, component): &(f64, Component)| (*weight, component.explain(x, s));
        match &self.parts[..] {
            // Nothing is allocated for the usual few: this is called for every loading after every step.
            [one] => self.mixed(&mut [explain(one)], s),
            [one, two] => self.mixed(&mut [explain(one), explain(two)], s),
            parts => self.mixed(&mut parts.iter().map(explain).collect::<Vec<_>>(), s),
        }
    }

    fn posteriors(&self, observations: &Observations) -> Vec<Posterior> {
        observations.map(|x, s| self.posterior(x, s))
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        self.hyperparameters.clone()
    }
}

/// The largest `ℓ_k` (in units of `s`); the weight of each component is multiplied by `exp(ℓ_k − largest)`.
///
/// Differences are taken of that form of `ℓ` in which the best component's is the smaller, so that they keep the most
/// digits.
pub(crate) fn relative_marginals(parts: &mut [(f64, Explained)]) -> f64 {
    let largest = |of: fn(&Explained) -> f64| parts.iter().map(|(_, part)| of(part)).fold(f64::NEG_INFINITY, f64::max);
    let marginal = largest(|part| part.log_marginal);
    let ratio = largest(|part| part.log_ratio);
    for (weight, part) in parts {
        let log = if ratio.abs() <= marginal.abs() { part.log_ratio - ratio } else { part.log_marginal - marginal };
        *weight *= log.exp();
    }
    marginal
}
