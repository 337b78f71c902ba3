//! No preference among the nonnegative: the improper uniform prior.

use crate::distributions::mills::truncated_moments;
use crate::prior::{Family, Hyperparameter, Observations, Posterior, Prior};

/// `g(w) = 1` for `w ≥ 0`.
///
/// The posterior is `N(x, s²)` truncated to `[0, ∞)`, and the log marginal `log Φ(x/s)`; since `g` is not a density,
/// it may be compared only among flat priors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flat;

impl Prior for Flat {
    fn posterior(&self, x: f64, s: f64) -> Posterior {
        let unit = truncated_moments(x / s);
        Posterior {
            mean: s * unit.mean,
            second: s * s * unit.second,
            variance: s * s * unit.variance,
            zero: 0.0,
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
