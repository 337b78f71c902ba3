//! Flat, point-estimate, exponential and point-exponential families, and the prior of the remainder.

use crate::distributions::mills::{truncated_moments, HALF_LOG_TAU};
use crate::error::Error;
use crate::noise::ResidualParams;
use crate::prior::component::{Component, ComponentMixture};
use crate::prior::profile_likelihood::{scale_grid, Ascent, Point, ProfiledWeight, SpikeSlab, MAX_UPDATES, NULL_SCALE};
use crate::prior::{check_positive, check_probability, Family, Hyperparameter, Observations, Posterior, Prior};
use crate::remainder_prior::RemainderPrior;
use std::f64::consts::LN_2;

/// The improper uniform prior `g(w) = 1` on `w ≥ 0`.
///
/// The posterior is `N(x, s²)` truncated to `[0, ∞)`, and the log marginal is `log Φ(x/s)`. Since `g` is not a density,
/// marginal likelihoods are comparable among flat priors only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flat;

impl Prior for Flat {
    fn posterior(&self, x: f64, s: f64) -> Posterior {
        let unit = truncated_moments(x / s);
        Posterior {
            mean: s * unit.mean,
            second_moment: s * s * unit.second,
            variance: s * s * unit.variance,
            lfsr: 0.0,
            log_marginal: unit.log_mass,
        }
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        Vec::new()
    }
}

impl Family for Flat {
    fn estimate(&self, _: &Observations) -> Box<dyn Prior> {
        Box::new(Self)
    }
}

/// No prior: the point estimate `max(x, 0)` with variance 0 and `KL(q ‖ g) = 0`.
///
/// A fit with it maximises the likelihood.
///
/// [`Flat`] is the Bayesian counterpart, with a posterior of positive variance. Its prior is improper, so its ELBO
/// cannot be compared with those of other priors and does not determine the relative scale of the two sides of a
/// factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Maximum;

impl Prior for Maximum {
    fn posterior(&self, x: f64, s: f64) -> Posterior {
        let mean = x.max(0.0);
        let standardised = (x - mean) / s;
        Posterior {
            mean,
            second_moment: mean * mean,
            variance: 0.0,
            lfsr: if mean > 0.0 { 0.0 } else { 1.0 },
            // The log-density of N(x | mean, s²), so that the divergence is 0.
            log_marginal: -HALF_LOG_TAU - s.ln() - 0.5 * standardised * standardised,
        }
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        Vec::new()
    }
}

impl Family for Maximum {
    fn estimate(&self, _: &Observations) -> Box<dyn Prior> {
        Box::new(Self)
    }
}

/// The exponential prior `g(w) = rate exp(−rate w)`.
///
/// The log marginal is the density of the exponentially modified Gaussian ([`crate::distributions::emg`]). If the
/// likelihood has no maximum at a positive mean, the rate is estimated at an upper bound beyond which the posteriors no
/// longer change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exponential {
    rate: Option<f64>,
}

impl Exponential {
    /// Returns the family with the given rate, which must be positive; `None` estimates it.
    pub fn new(rate: Option<f64>) -> Result<Self, Error> {
        check_positive("the rate", rate)?;
        Ok(Self { rate })
    }

    fn prior(rate: f64) -> Box<dyn Prior> {
        let hyperparameters = vec![Hyperparameter::new("rate", vec![rate], -1)];
        Box::new(ComponentMixture::spike_slab(1.0, Component::Exponential { rate }, hyperparameters))
    }
}

impl Family for Exponential {
    fn estimate(&self, observations: &Observations) -> Box<dyn Prior> {
        let model = SpikeSlab { observations, weight: Some(1.0) };
        Self::prior(self.rate.unwrap_or_else(|| (-maximize_log_mean(model).x).exp()))
    }

    fn estimate_from(&self, previous: &dyn Prior, observations: &Observations) -> Box<dyn Prior> {
        let model = SpikeSlab { observations, weight: Some(1.0) };
        match ascend_log_mean(model, self.rate, previous) {
            Some(ascent) => Self::prior(self.rate.unwrap_or_else(|| (-ascent.parameters[0]).exp())),
            None => self.estimate(observations),
        }
    }
}

/// The point-exponential prior `g = (1 − weight) δ₀ + weight Exp(rate)`, for sparse loadings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PointExponential {
    weight: Option<f64>,
    rate: Option<f64>,
}

impl PointExponential {
    /// Returns the family with the given prior probability of `w > 0` and the given rate; `None` estimates either.
    pub fn new(weight: Option<f64>, rate: Option<f64>) -> Result<Self, Error> {
        check_probability("the weight", weight)?;
        check_positive("the rate", rate)?;
        Ok(Self { weight, rate })
    }

    fn prior(&self, weight: f64, log_mean: f64) -> Box<dyn Prior> {
        let rate = self.rate.unwrap_or_else(|| (-log_mean).exp());
        let hyperparameters =
            vec![Hyperparameter::new("weight", vec![weight], 0), Hyperparameter::new("rate", vec![rate], -1)];
        Box::new(ComponentMixture::spike_slab(weight, Component::Exponential { rate }, hyperparameters))
    }
}

impl Family for PointExponential {
    fn estimate(&self, observations: &Observations) -> Box<dyn Prior> {
        let model = SpikeSlab { observations, weight: self.weight };
        let maximum = match self.rate {
            Some(rate) => model.maximize_scale(Component::Exponential { rate }, &[0.0]),
            None => maximize_log_mean(model),
        };
        self.prior(maximum.extra.weight, maximum.x)
    }

    fn estimate_from(&self, previous: &dyn Prior, observations: &Observations) -> Box<dyn Prior> {
        let model = SpikeSlab { observations, weight: self.weight };
        match ascend_log_mean(model, self.rate, previous) {
            Some(ascent) => self.prior(ascent.weight, ascent.parameters[0]),
            None => self.estimate(observations),
        }
    }
}

/// Maximises the likelihood over the log mean of an exponential slab.
///
/// The maximiser is `Σ γ_i E[w_i]/Σ γ_i`, an average of posterior means under the exponential. None of them exceeds the
/// posterior mean under the flat prior, so neither does the maximiser. The likelihood changes slowly with the log mean,
/// so a grid with a factor of 2 between neighbours separates its local maxima.
fn maximize_log_mean(model: SpikeSlab) -> Point<ProfiledWeight> {
    let grid = scale_grid(model.observations, max_flat_mean(model.observations), |_| LN_2);
    model.maximize_scale(Component::Exponential { rate: 1.0 }, &grid)
}

/// Maximises the likelihood from the slab of an earlier estimate; `None` if that has no exponential slab, or if the maximum is
/// a prior without a slab.
fn ascend_log_mean(model: SpikeSlab, rate: Option<f64>, previous: &dyn Prior) -> Option<Ascent> {
    let Some(Component::Exponential { rate: start }) = ComponentMixture::slab_of(previous) else { return None };
    let lowest = NULL_SCALE.ln() + model.observations.min_scale().ln();
    let highest = max_flat_mean(model.observations).ln();
    let bounds = rate.map_or((lowest.min(highest), highest), |rate| (-rate.ln(), -rate.ln()));
    let ascent = model.ascend([-start.ln(), 0.0], [bounds, (0.0, 0.0)], MAX_UPDATES, |[log_mean, _]| {
        Component::Exponential { rate: (-log_mean).exp() }
    });
    (ascent.weight > 0.0).then_some(ascent)
}

/// Returns the largest posterior mean under the flat prior.
fn max_flat_mean(observations: &Observations) -> f64 {
    observations.iter().map(|(x, s)| s * truncated_moments(x / s).mean).fold(0.0, f64::max)
}

/// Returns the prior of `b` with `E[b] = 1/λ` as a [`Prior`]; its posterior at `x` and `σ` is that of `b` in an entry
/// with residual `x`.
///
/// The pass over the matrix computes the same posterior in vector registers; this one is for single entries.
pub fn remainder(b_prior: &RemainderPrior, params: ResidualParams) -> Box<dyn Prior> {
    let component = |mean: f64| match mean {
        0.0 => Component::Zero,
        _ => Component::Exponential { rate: params.lambda / mean },
    };
    let components = b_prior.components().into_iter().map(|(weight, mean)| (weight, component(mean)));
    Box::new(ComponentMixture::new(components, Vec::new()))
}
