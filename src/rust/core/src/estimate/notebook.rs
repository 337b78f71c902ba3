//! The rule of Stephens's notebook: `λ = 1/mean`, `σ = sd` of the residual over all entries of the matrix.
//!
//! The residual's variance is `1/λ² + σ²`, so this σ is too large by the part that belongs to `b`; it is kept so that
//! the notebook's numbers are. It knows no bounds.

use super::{usable, Estimator};
use crate::noise::{Bounds, Noise};
use crate::pass::Sums;

/// `λ = 1/mean(x)`, `σ = sd(x)` with the denominator `entries − 1`.
#[derive(Clone, Copy, Debug)]
pub struct Notebook {
    /// The number of entries of the matrix: `n²` also where it is symmetric.
    pub entries: f64,
}

impl Estimator for Notebook {
    fn estimate(&self, sums: &Sums, _: &Bounds) -> Option<Noise> {
        let noise = Noise {
            lambda: 1.0 / sums.residual_mean(),
            sigma: (sums.residual_variance() * (self.entries / (self.entries - 1.0))).sqrt(),
        };
        (usable(noise.lambda) && usable(noise.sigma)).then_some(noise)
    }
}
