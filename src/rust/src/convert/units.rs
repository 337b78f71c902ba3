//! Conversions between the units of R and those of the core.
//!
//! The core reads the entries of a matrix multiplied by a scale, a power of two that brings their size near 1. Each quantity
//! of the model then has units of its own:
//!
//! | quantity | in the core |
//! |---|---|
//! | weight `d`, mean of the remainder, `σ` | times the scale |
//! | `λ` | divided by the scale |
//! | log-likelihood or ELBO of `n` entries | minus `n` log scale: the density of an entry is that of the scaled entry times the scale |
//! | loading `√d·u`, location and scales of its prior | times the root of the scale |
//! | `u` and `v` of unit norm, weights of mixtures, noise relative to `σ` | the same |

use nmu_core::noise::ResidualParams;

/// The units of a matrix and of its model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Units {
    scale: f64,
}

impl Units {
    /// Those of R: nothing is scaled.
    pub(crate) const OF_R: Self = Self { scale: 1.0 };

    /// Units in which entries are multiplied by `scale`.
    pub(crate) fn new(scale: f64) -> Self {
        Self { scale }
    }

    /// What the core multiplies the entries by.
    pub(crate) fn scale(self) -> f64 {
        self.scale
    }

    /// The units of loadings `√d·u`.
    pub(crate) fn of_loadings(self) -> LoadingUnits {
        LoadingUnits::new(self.scale.sqrt())
    }

    /// A weight of R's, for the core.
    pub(crate) fn weight_for_core(self, d: f64) -> f64 {
        d * self.scale
    }

    /// λ and σ of R's, for the core.
    pub(crate) fn params_for_core(self, lambda: f64, sigma: f64) -> ResidualParams {
        ResidualParams { lambda: lambda / self.scale, sigma: sigma * self.scale }
    }

    /// A weight of the core's, for R.
    pub(crate) fn weight(self, d: f64) -> f64 {
        d / self.scale
    }

    /// λ of the core's, for R.
    pub(crate) fn lambda(self, params: ResidualParams) -> f64 {
        params.lambda * self.scale
    }

    /// σ of the core's, for R.
    pub(crate) fn sigma(self, params: ResidualParams) -> f64 {
        params.sigma / self.scale
    }

    /// The mean of a component of the remainder's prior, for R. The core has it in units of `1/λ`.
    pub(crate) fn remainder_mean(self, mean: f64, params: ResidualParams) -> f64 {
        mean / (params.lambda * self.scale)
    }

    /// The log-likelihood or the ELBO of `count` entries, for R.
    pub(crate) fn log_likelihood(self, value: f64, count: f64) -> f64 {
        value + count * self.scale.ln()
    }
}

/// The units of loadings, and of the quantity of a normal-means problem.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadingUnits {
    unit: f64,
}

impl LoadingUnits {
    /// Units in which loadings are multiplied by `unit`.
    pub(crate) fn new(unit: f64) -> Self {
        Self { unit }
    }

    /// Units of loadings of which the means have norm `norm` in the core, and 1 in R. With the weight of a factor shared
    /// evenly between its sides, their norm would be `even_norm`.
    pub(crate) fn normalised(self, norm: f64, even_norm: f64) -> Self {
        if even_norm > 0.0 {
            Self { unit: self.unit * norm / even_norm }
        } else {
            self
        }
    }

    /// A location or a scale of R's, for the core.
    pub(crate) fn length_for_core(self, length: f64) -> f64 {
        length * self.unit
    }

    /// A rate of R's, for the core.
    pub(crate) fn rate_for_core(self, rate: f64) -> f64 {
        rate / self.unit
    }

    /// A posterior mean of R's, for the core.
    pub(crate) fn mean_for_core(self, mean: f64) -> f64 {
        self.unit * mean
    }

    /// A posterior variance of R's, for the core.
    pub(crate) fn variance_for_core(self, variance: f64) -> f64 {
        self.unit * self.unit * variance
    }

    /// The log of the marginal density of an observation, for the core.
    pub(crate) fn log_marginal_for_core(self, log_marginal: f64) -> f64 {
        log_marginal - self.unit.ln()
    }

    /// An observation of the core's, or its standard deviation, for R.
    pub(crate) fn observation(self, value: f64) -> f64 {
        value / self.unit
    }

    /// Values of a hyperparameter of the core's, for R. They scale with the given power of the unit.
    pub(crate) fn hyperparameter(self, values: &[f64], power: i32) -> Vec<f64> {
        let scale = self.unit.powi(power);
        values.iter().map(|value| value / scale).collect()
    }
}
