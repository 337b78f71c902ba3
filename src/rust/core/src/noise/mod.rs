//! The law of what the factors leave: λ and σ, what they are held within, how `b` is distributed and how the noise differs.
//! [`crate::estimate`] has the rules that find them.

mod law;
mod scales;

pub use law::{Law, LEAST_MEAN, MOST_COMPONENTS};
pub use scales::{Scales, Scatter};

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
