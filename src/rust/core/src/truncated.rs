//! Moments of the normal distribution truncated to `[0, ∞)`, the posterior of one `b`.

use crate::normal::truncated;

/// Moments of `N(mean, sd²)` truncated to `[0, ∞)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// The mean, in the units of `mean`.
    pub mean: f64,
    /// The variance.
    pub variance: f64,
    /// The log of the probability that the untruncated variable is positive.
    pub log_mass: f64,
}

/// The moments at `mean` and `sd > 0`, with `z = mean/sd`: mean `sd (z + h)`, variance `sd² (1 − h(z + h))`, mass `Φ(z)`.
pub fn moments(mean: f64, sd: f64) -> Moments {
    let unit = truncated(mean / sd);
    Moments { mean: sd * unit.mean, variance: sd * sd * unit.variance, log_mass: unit.log_mass }
}
