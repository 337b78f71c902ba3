//! The exponential prior.

use crate::error::Error;
use crate::prior::component::Component;
use crate::prior::component_mixture::ComponentMixture;
use crate::prior::profile_likelihood::SpikeSlab;
use crate::prior::{check_positive, point_exponential, Family, Hyperparameter, Observations, Prior};

/// `g(w) = rate exp(−rate w)`: the log marginal is the density of the exponentially modified Gaussian ([`crate::distributions::emg`]).
///
/// Where no positive mean is likelier than 0, the rate ends at a bound beyond which nothing would change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exponential {
    rate: Option<f64>,
}

impl Exponential {
    /// The family with its rate given, positive, or to be estimated.
    pub fn new(rate: Option<f64>) -> Result<Self, Error> {
        check_positive("the rate", rate)?;
        Ok(Self { rate })
    }
}

impl Family for Exponential {
    fn estimate(&self, observations: &Observations) -> Box<dyn Prior> {
        let rate = self.rate.unwrap_or_else(|| {
            let slab = SpikeSlab { observations, weight: Some(1.0) };
            (-point_exponential::best_log_mean(slab).at).exp()
        });
        Box::new(ComponentMixture::new(
            [(1.0, Component::Exponential { rate })],
            vec![Hyperparameter::new("rate", vec![rate], -1)],
        ))
    }
}
