//! λ and σ, and the rules that estimate them from the sums of a pass.
//!
//! To add an estimator, implement [`Estimator`] in a file of its own. Maximum likelihood is not one of them: it climbs
//! the same hill as the loadings, and [`crate::maximise`] takes both up together with the slopes in [`likelihood`].

mod family;
mod law;
pub mod likelihood;
mod moments;
mod notebook;
mod scales;

pub use family::{LawFamily, Means};
pub use law::{Law, LEAST_MEAN, MOST_COMPONENTS};
pub use moments::Moments;
pub use notebook::Notebook;
pub use scales::{Scales, Scatter};

use crate::pass::Sums;

/// The two parameters of the residual: `b ~ Exp(λ)` (rate, so `E[b] = 1/λ`, and so under any [`Law`]) and `e ~ N(0, σ²)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// The rate of `b`, in units of `1/A`.
    pub lambda: f64,
    /// The standard deviation of `e`, in units of `A`.
    pub sigma: f64,
}

/// The bounds of a factor, before its initial residual is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// The least σ, as a share of the standard deviation of the factor's initial residual.
    pub floor: f64,
    /// The largest `λσ`.
    pub cap: f64,
}

impl Shares {
    /// The bounds for an initial residual with standard deviation `sd`, where rounding hides all below `least`.
    pub fn bounds(&self, sd: f64, least: f64) -> Bounds {
        Bounds { least_sigma: (self.floor * sd).max(least), least_ratio: LEAST_RATIO, largest_ratio: self.cap }
    }
}

/// The least `λσ` that is looked at: below, `b` would have to be a million times larger than `e`.
const LEAST_RATIO: f64 = 1e-6;

/// What λ and σ are held within: the likelihood has no maximum on exact data (`σ → 0`) or where the residuals are not
/// skewed to the right (`λ → ∞`, no `b`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The least σ, in units of `A`.
    pub least_sigma: f64,
    /// The least `λσ`, the ratio of the standard deviations of `e` and `b`.
    pub least_ratio: f64,
    /// The largest `λσ`.
    pub largest_ratio: f64,
}

impl Bounds {
    /// The same with a least ratio of `ratio`.
    pub(crate) fn at_least(&self, ratio: f64) -> Self {
        Self { least_ratio: ratio, largest_ratio: self.largest_ratio.max(ratio), ..*self }
    }

    /// The nearest λ and σ within the bounds: σ first, and then λ.
    pub fn clamp(&self, noise: Noise) -> Noise {
        let sigma = noise.sigma.max(self.least_sigma);
        Noise { lambda: noise.lambda.clamp(self.least_ratio / sigma, self.largest_ratio / sigma), sigma }
    }

    /// Whether σ is at its least value.
    pub fn sigma_active(&self, noise: Noise) -> bool {
        noise.sigma <= self.least_sigma * (1.0 + SLACK)
    }

    /// Whether `λσ` is at its largest value, so that `b` has all but vanished.
    pub fn lambda_active(&self, noise: Noise) -> bool {
        noise.lambda * noise.sigma >= self.largest_ratio * (1.0 - SLACK)
    }
}

/// How near to a bound, relatively, counts as at it.
const SLACK: f64 = 1e-9;

/// A rule that gives λ and σ from what a pass has seen of the residual.
pub trait Estimator {
    /// The estimate, or `None` where the rule has no positive one.
    fn estimate(&self, sums: &Sums, bounds: &Bounds) -> Option<Noise>;
}

/// Whether a number can be a λ or σ.
fn usable(value: f64) -> bool {
    value > 0.0 && value.is_finite()
}
