//! Rules that estimate λ and σ, and what else is free in the law of the remainder, from the sums of a pass.
//!
//! To add an estimator, implement [`NoiseEstimator`] in a file of its own. Maximum likelihood is not one of them: it climbs
//! the same hill as the loadings, and [`crate::mle::maximize`] takes both up together with the slopes in [`likelihood`].

use crate::noise::{Bounds, ResidualParams};
use crate::pass::PassStats;

/// A rule that gives λ and σ from what a pass has seen of the residual.
pub trait NoiseEstimator {
    /// The estimate, or `None` where the rule has no positive one.
    fn estimate(&self, sums: &PassStats, bounds: &Bounds) -> Option<ResidualParams>;
}

/// Whether a number can be a λ or σ.
fn usable(value: f64) -> bool {
    value > 0.0 && value.is_finite()
}

/// `λ = 1/mean(x)`, `σ² = var(x) − mean(x)²`, within the bounds: a residual that is wholly exponential, or more skewed
/// than that, has its least σ, and one without a positive mean its largest `λσ`.
#[derive(Clone, Copy, Debug)]
pub struct Moments;

impl NoiseEstimator for Moments {
    fn estimate(&self, sums: &PassStats, bounds: &Bounds) -> Option<ResidualParams> {
        let (mean, variance) = (sums.residual_mean(), sums.residual_variance());
        let mean = mean.max(0.0);
        let sigma = (variance - mean * mean).max(0.0).sqrt();
        let params = bounds.clamp(ResidualParams { lambda: 1.0 / mean, sigma });
        (usable(params.lambda) && usable(params.sigma)).then_some(params)
    }
}

/// `λ = 1/mean(x)`, `σ = sd(x)` with the denominator `entries − 1`.
#[derive(Clone, Copy, Debug)]
pub struct Notebook {
    /// The number of entries of the matrix: `n²` also where it is symmetric.
    pub entries: f64,
}

impl NoiseEstimator for Notebook {
    fn estimate(&self, sums: &PassStats, _: &Bounds) -> Option<ResidualParams> {
        let params = ResidualParams {
            lambda: 1.0 / sums.residual_mean(),
            sigma: (sums.residual_variance() * (self.entries / (self.entries - 1.0))).sqrt(),
        };
        (usable(params.lambda) && usable(params.sigma)).then_some(params)
    }
}
