//! Parameters of the residual distribution: λ and σ, their bounds, and heteroscedastic noise scales.
//!
//! [`crate::noise_estimators`] estimates λ and σ; [`crate::remainder_prior`] is the prior of `b` up to its mean.

use crate::error::Error;
use std::ops::Range;

/// The two parameters of the residual distribution: the rate λ of `b` and the standard deviation σ of `e ~ N(0, σ²)`.
///
/// `E[b] = 1/λ` under every [prior of `b`](crate::remainder_prior::RemainderPrior), the exponential and others. `λ = ∞` if there
/// is no remainder, `b = 0`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResidualParams {
    /// The rate of `b`, in units of `1/A`.
    pub lambda: f64,
    /// The standard deviation of `e`, in units of `A`.
    pub sigma: f64,
}

/// Specification of the bounds of λ and σ, relative to the initial residual of a factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoundSpec {
    /// The lower bound of σ, relative to the standard deviation of the initial residual.
    pub floor: f64,
    /// The upper bound of `λσ`.
    pub cap: f64,
}

impl BoundSpec {
    /// Returns the bounds for an initial residual of standard deviation `sd`; σ is at least `rounding_error` as well.
    pub fn bounds(&self, sd: f64, rounding_error: f64) -> Bounds {
        Bounds { min_sigma: (self.floor * sd).max(rounding_error), min_ratio: MIN_RATIO, max_ratio: self.cap }
    }
}

/// The lower bound of `λσ`, at which the standard deviation of `b` is a million times that of `e`.
const MIN_RATIO: f64 = 1e-6;

/// Bounds of λ and σ.
///
/// Without them the likelihood has no maximum if the data are exact (`σ → 0`) or the residuals are not right-skewed
/// (`λ → ∞`, no `b`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The lower bound of σ, in units of `A`.
    pub min_sigma: f64,
    /// The lower bound of `λσ`, the ratio of the standard deviations of `e` and `b`.
    pub min_ratio: f64,
    /// The upper bound of `λσ`.
    pub max_ratio: f64,
}

impl Bounds {
    /// Returns the bounds with the lower bound `ratio` of `λσ`; the upper bound is raised to it if necessary.
    pub(crate) fn with_min_ratio(&self, ratio: f64) -> Self {
        Self { min_ratio: ratio.max(self.min_ratio), max_ratio: self.max_ratio.max(ratio), ..*self }
    }

    /// Returns the bounds for a model without a remainder: `λσ = ∞`.
    pub(crate) fn without_remainder(&self) -> Self {
        Self { min_ratio: f64::INFINITY, max_ratio: f64::INFINITY, ..*self }
    }

    /// Whether `λσ` is infinite, since there is no remainder.
    pub(crate) fn has_no_remainder(&self) -> bool {
        self.min_ratio.is_infinite()
    }

    /// Projects onto the bounds: first σ, then λ given that σ.
    pub fn clamp(&self, params: ResidualParams) -> ResidualParams {
        let sigma = params.sigma.max(self.min_sigma);
        ResidualParams { lambda: params.lambda.clamp(self.min_ratio / sigma, self.max_ratio / sigma), sigma }
    }

    /// Returns whether σ is at its lower bound.
    pub fn sigma_active(&self, params: ResidualParams) -> bool {
        params.sigma <= self.min_sigma * (1.0 + TOLERANCE)
    }

    /// Returns whether `λσ` is at its upper bound, where `b` is negligible beside `e`. There is no such bound without a remainder.
    pub fn lambda_active(&self, params: ResidualParams) -> bool {
        !self.has_no_remainder() && params.lambda * params.sigma >= self.max_ratio * (1.0 - TOLERANCE)
    }
}

/// The relative distance within which a value counts as being at its bound.
const TOLERANCE: f64 = 1e-9;

/// The maximum ratio of two noise scales; beyond it, sums of squares lose the smaller ones. The R interface allows half
/// of it, so that rounding does not matter here.
const MAX_SPREAD: f64 = 2e10;

/// Known scales `s_ij` of the noise: the standard deviation of `e_ij` is `s_ij σ`.
#[derive(Clone, Debug, PartialEq)]
pub enum NoiseScales {
    /// The product of a row scale and a column scale.
    Outer {
        /// A scale for each row.
        rows: Vec<f64>,
        /// A scale for each column.
        columns: Vec<f64>,
    },
    /// A scale for each entry of the matrix, by columns.
    Entries(Vec<f64>),
}

/// The structure of the noise scales `s_ij`.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum NoiseStructure {
    /// All scales are 1.
    #[default]
    Homoscedastic,
    /// One unknown scale per row; `√(s_i s_j)` if the matrix is symmetric.
    ByRow,
    /// One unknown scale per column.
    ByColumn,
    /// Known scales.
    Known(NoiseScales),
}

impl NoiseScales {
    /// Returns the scales `s_i c_j`. Each vector must be positive and finite, with ratios of at most 2·10¹⁰.
    ///
    /// # Errors
    /// [`Error::Range`] otherwise.
    pub fn outer(rows: Vec<f64>, columns: Vec<f64>) -> Result<Self, Error> {
        check(&rows)?;
        check(&columns)?;
        Ok(Self::Outer { rows, columns })
    }

    /// Returns scales for all entries, by columns, with the same requirements.
    ///
    /// # Errors
    /// [`Error::Range`] if they are not met.
    pub fn entries(values: Vec<f64>) -> Result<Self, Error> {
        check(&values)?;
        Ok(Self::Entries(values))
    }

    /// Returns whether the lengths match a matrix of this size.
    pub(crate) fn fit(&self, nrow: usize, ncol: usize) -> bool {
        match self {
            Self::Outer { rows, columns } => rows.len() == nrow && columns.len() == ncol,
            Self::Entries(values) => nrow.checked_mul(ncol) == Some(values.len()),
        }
    }

    /// Returns the scales of a column in `rows` up to a common factor, and that factor.
    #[inline(always)]
    pub(crate) fn of_column(&self, column: usize, rows: Range<usize>, nrow: usize) -> (&[f64], f64) {
        match self {
            Self::Outer { rows: row_scales, columns } => (&row_scales[rows], columns[column]),
            Self::Entries(values) => (&values[column * nrow + rows.start..column * nrow + rows.end], 1.0),
        }
    }
}

fn check(values: &[f64]) -> Result<(), Error> {
    let largest = values.iter().fold(0.0, |largest: f64, value| largest.max(*value));
    match values.iter().find(|value| !(**value > 0.0 && value.is_finite() && *value * MAX_SPREAD >= largest)) {
        Some(&found) => Err(Error::Range {
            what: "a scale of the noise",
            expected: "positive, finite and 5e-11 of the largest",
            found,
        }),
        None => Ok(()),
    }
}
