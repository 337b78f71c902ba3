//! No prior: each `w ≥ 0` where its likelihood is largest.

use crate::distributions::mills::HALF_LOG_TAU;
use crate::prior::{Family, Hyperparameter, Observations, Posterior, Prior};

/// The point `max(x, 0)`, certain, at no cost: a fit with it maximises the likelihood.
///
/// [`super::Flat`] is its fully Bayesian sister, whose posterior has a width. Since that prior is improper, a fit could
/// not weigh it against anything, nor share out a scale between two sides of a factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Maximum;

impl Prior for Maximum {
    fn posterior(&self, x: f64, s: f64) -> Posterior {
        let mean = x.max(0.0);
        let off = (x - mean) / s;
        Posterior {
            mean,
            second: mean * mean,
            variance: 0.0,
            zero: if mean > 0.0 { 0.0 } else { 1.0 },
            // That of N(x | mean, s²), so that the divergence is 0.
            log_marginal: -HALF_LOG_TAU - s.ln() - 0.5 * off * off,
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
