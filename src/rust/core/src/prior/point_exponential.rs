//! A point mass at 0 and an exponential: sparse loadings.

use crate::distributions::mills::truncated_moments;
use crate::error::Error;
use crate::optim::scalar::Point;
use crate::prior::component::Component;
use crate::prior::component_mixture::ComponentMixture;
use crate::prior::profile_likelihood::{knots, Best, SpikeSlab};
use crate::prior::{check_positive, check_probability, Family, Hyperparameter, Observations, Prior};
use std::f64::consts::LN_2;

/// `g = (1 − weight) δ₀ + weight Exp(rate)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PointExponential {
    weight: Option<f64>,
    rate: Option<f64>,
}

impl PointExponential {
    /// The family with the prior probability that `w` is not 0, and the rate, each given or to be estimated.
    pub fn new(weight: Option<f64>, rate: Option<f64>) -> Result<Self, Error> {
        check_probability("the weight", weight)?;
        check_positive("the rate", rate)?;
        Ok(Self { weight, rate })
    }
}

impl Family for PointExponential {
    fn estimate(&self, observations: &Observations) -> Box<dyn Prior> {
        let slab = SpikeSlab { observations, weight: self.weight };
        let best = match self.rate {
            Some(rate) => slab.best_scale(Component::Exponential { rate }, &[0.0]),
            None => best_log_mean(slab),
        };
        let weight = best.with.weight;
        let rate = self.rate.unwrap_or_else(|| (-best.at).exp());
        let hyperparameters =
            vec![Hyperparameter::new("weight", vec![weight], 0), Hyperparameter::new("rate", vec![rate], -1)];
        Box::new(ComponentMixture::with_zero(weight, Component::Exponential { rate }, hyperparameters))
    }
}

/// The log of the best mean of an exponential slab, with its weight.
///
/// The best mean is `Σ γ_i E[w_i]/Σ γ_i`, an average of posterior means under the exponential. None of them exceeds
/// that under the flat prior, so neither does the best mean. The likelihood changes slowly with its log, so knots a
/// factor of 2 apart tell its hills from each other.
pub(crate) fn best_log_mean(slab: SpikeSlab) -> Point<Best> {
    let flat = slab.observations.iter().map(|(x, s)| s * truncated_moments(x / s).mean);
    let knots = knots(slab.observations, flat.fold(0.0, f64::max), |_| LN_2);
    slab.best_scale(Component::Exponential { rate: 1.0 }, &knots)
}
