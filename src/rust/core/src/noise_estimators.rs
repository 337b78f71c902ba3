//! Estimators of λ and σ.
//!
//! To add an estimator, implement [`NoiseEstimator`] here and construct it where options are read. Maximum likelihood has no
//! update of its own: λ and σ are coordinates of the objective, and are maximized together with the loadings.

use crate::noise::{BoundSpec, Bounds, ResidualParams};
use crate::pass::PassStats;

/// Smallest σ, in units in which the matrix has a root mean square near 1.
pub(crate) const MIN_SIGMA: f64 = 1e-8;
/// Initial σ as a share of the standard deviation of the initial residual.
const INITIAL_SIGMA: f64 = 0.1;

/// How λ and σ are estimated.
pub trait NoiseEstimator {
    /// The bounds on λ and σ of a factor, from the statistics of the residual before it; `None` if they are not estimated.
    fn bounds(&self, residual: &PassStats) -> Option<Bounds>;

    /// λ and σ to start from: λ = 1/mean and a small σ.
    fn initial(&self, residual: &PassStats) -> ResidualParams {
        let params = moment_params(residual, INITIAL_SIGMA);
        self.bounds(residual).map_or(params, |bounds| bounds.clamp(params))
    }

    /// The estimate that follows `current`, from the statistics of a pass; `None` if the rule gives no positive λ and σ.
    fn update(&self, current: ResidualParams, stats: &PassStats, bounds: Option<&Bounds>) -> Option<ResidualParams>;

    /// Whether λ and σ are coordinates of the objective, so that they are maximized together with the loadings.
    fn is_joint(&self) -> bool {
        false
    }

    /// Whether λ and σ maximize the objective or are given, so that the objectives of two fits can be compared.
    fn has_objective(&self) -> bool {
        self.is_joint()
    }

    /// Increasing lower bounds on λσ under which each factor is fitted in turn; empty for none.
    fn ratio_floors(&self) -> &[f64] {
        &[]
    }
}

/// λ and σ that are given.
#[derive(Clone, Copy, Debug)]
pub struct Fixed(pub ResidualParams);

impl NoiseEstimator for Fixed {
    fn bounds(&self, _: &PassStats) -> Option<Bounds> {
        None
    }

    fn initial(&self, _: &PassStats) -> ResidualParams {
        self.0
    }

    fn update(&self, current: ResidualParams, _: &PassStats, _: Option<&Bounds>) -> Option<ResidualParams> {
        Some(current)
    }

    fn has_objective(&self) -> bool {
        true
    }
}

/// Maximum likelihood within bounds, with continuation over lower bounds on λσ.
#[derive(Clone, Debug)]
pub struct MaximumLikelihood {
    /// The bounds on λ and σ.
    pub bounds: BoundSpec,
    /// Increasing lower bounds on λσ.
    pub ratio_floors: Vec<f64>,
}

impl NoiseEstimator for MaximumLikelihood {
    fn bounds(&self, residual: &PassStats) -> Option<Bounds> {
        Some(self.bounds.bounds(residual.residual_variance().sqrt(), MIN_SIGMA))
    }

    /// They are at their maximum already.
    fn update(&self, current: ResidualParams, _: &PassStats, _: Option<&Bounds>) -> Option<ResidualParams> {
        Some(current)
    }

    fn is_joint(&self) -> bool {
        true
    }

    fn ratio_floors(&self) -> &[f64] {
        &self.ratio_floors
    }
}

/// The method of moments: the residual has mean `1/λ` and variance `1/λ² + σ²`, so `λ = 1/mean(x)`, `σ² = var(x) − mean(x)²`,
/// within bounds.
///
/// A residual at least as skewed as an exponential variable has the smallest σ, and one without a positive mean the largest
/// `λσ`.
#[derive(Clone, Copy, Debug)]
pub struct Moments {
    /// The bounds on λ and σ.
    pub bounds: BoundSpec,
}

impl NoiseEstimator for Moments {
    fn bounds(&self, residual: &PassStats) -> Option<Bounds> {
        Some(self.bounds.bounds(residual.residual_variance().sqrt(), MIN_SIGMA))
    }

    fn update(&self, _: ResidualParams, stats: &PassStats, bounds: Option<&Bounds>) -> Option<ResidualParams> {
        let (mean, variance) = (stats.residual_mean(), stats.residual_variance());
        let mean = mean.max(0.0);
        let sigma = (variance - mean * mean).max(0.0).sqrt();
        let params = ResidualParams { lambda: 1.0 / mean, sigma };
        positive(bounds.map_or(params, |bounds| bounds.clamp(params)))
    }
}

/// The rule of Stephens's notebook (2025): `λ = 1/mean(x)`, `σ = sd(x)` with the denominator `entries − 1`, without bounds.
///
/// The variance of the residual is `1/λ² + σ²`, so this σ is too large by the part that belongs to `b`. The rule is kept to
/// reproduce the notebook.
#[derive(Clone, Copy, Debug)]
pub struct Notebook {
    /// The number of entries of the matrix, `n²` also if it is symmetric.
    pub entries: f64,
}

impl NoiseEstimator for Notebook {
    fn bounds(&self, _: &PassStats) -> Option<Bounds> {
        None
    }

    fn update(&self, _: ResidualParams, stats: &PassStats, _: Option<&Bounds>) -> Option<ResidualParams> {
        positive(ResidualParams {
            lambda: 1.0 / stats.residual_mean(),
            sigma: (stats.residual_variance() * (self.entries / (self.entries - 1.0))).sqrt(),
        })
    }
}

/// `λ = 1/mean` and σ a share of the residual's spread; a negative mean counts as noise.
pub(crate) fn moment_params(stats: &PassStats, share: f64) -> ResidualParams {
    let (mean, sd) = (stats.residual_mean(), stats.residual_variance().sqrt());
    ResidualParams { lambda: 1.0 / mean.max(0.0), sigma: share * sd.hypot(mean.min(0.0)) }
}

/// The parameters, if both are positive and finite.
fn positive(params: ResidualParams) -> Option<ResidualParams> {
    let usable = |value: f64| value > 0.0 && value.is_finite();
    (usable(params.lambda) && usable(params.sigma)).then_some(params)
}
