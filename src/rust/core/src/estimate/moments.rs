//! The method of moments: the residual has mean `1/λ` and variance `1/λ² + σ²`.

use super::{usable, Estimator};
use crate::noise::{Bounds, Noise};
use crate::pass::Sums;

/// `λ = 1/mean(x)`, `σ² = var(x) − mean(x)²`, within the bounds: a residual that is wholly exponential, or more skewed
/// than that, has its least σ, and one without a positive mean its largest `λσ`.
#[derive(Clone, Copy, Debug)]
pub struct Moments;

impl Estimator for Moments {
    fn estimate(&self, sums: &Sums, bounds: &Bounds) -> Option<Noise> {
        let (mean, variance) = (sums.residual_mean(), sums.residual_variance());
        let mean = mean.max(0.0);
        let sigma = (variance - mean * mean).max(0.0).sqrt();
        let noise = bounds.clamp(Noise { lambda: 1.0 / mean, sigma });
        (usable(noise.lambda) && usable(noise.sigma)).then_some(noise)
    }
}
