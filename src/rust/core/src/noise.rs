//! The law of what the factors leave: λ and σ, what they are held within, how `b` is distributed and how the noise differs.
//! [`crate::noise_estimators`] has the rules that find them.

use crate::error::Error;
use std::ops::Range;

/// The two parameters of the residual: `b ~ Exp(λ)` (rate, so `E[b] = 1/λ`, and so under any [`RemainderPrior`]) and `e ~ N(0, σ²)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResidualParams {
    /// The rate of `b`, in units of `1/A`.
    pub lambda: f64,
    /// The standard deviation of `e`, in units of `A`.
    pub sigma: f64,
}

/// The bounds of a factor, before its initial residual is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoundSpec {
    /// The least σ, as a share of the standard deviation of the factor's initial residual.
    pub floor: f64,
    /// The largest `λσ`.
    pub cap: f64,
}

impl BoundSpec {
    /// The bounds for an initial residual with standard deviation `sd`, where rounding hides all below `least`.
    pub fn bounds(&self, sd: f64, least: f64) -> Bounds {
        Bounds { least_sigma: (self.floor * sd).max(least), least_ratio: MIN_RATIO, largest_ratio: self.cap }
    }
}

/// The least `λσ` that is looked at: below, `b` would have to be a million times larger than `e`.
const MIN_RATIO: f64 = 1e-6;

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
    pub fn clamp(&self, params: ResidualParams) -> ResidualParams {
        let sigma = params.sigma.max(self.least_sigma);
        ResidualParams { lambda: params.lambda.clamp(self.least_ratio / sigma, self.largest_ratio / sigma), sigma }
    }

    /// Whether σ is at its least value.
    pub fn sigma_active(&self, params: ResidualParams) -> bool {
        params.sigma <= self.least_sigma * (1.0 + SLACK)
    }

    /// Whether `λσ` is at its largest value, so that `b` has all but vanished.
    pub fn lambda_active(&self, params: ResidualParams) -> bool {
        params.lambda * params.sigma >= self.largest_ratio * (1.0 - SLACK)
    }
}

/// How near to a bound, relatively, counts as at it.
const SLACK: f64 = 1e-9;

/// The largest of some `s` over the least, beyond which sums of squares lose the smaller ones. The face refuses half of it, so that
/// rounding does not decide.
const WIDEST: f64 = 2e10;

/// What `s_ij` are.
#[derive(Clone, Debug, PartialEq)]
pub enum NoiseScales {
    /// The product of a number of the row and one of the column.
    Outer {
        /// A number a row.
        rows: Vec<f64>,
        /// A number a column.
        columns: Vec<f64>,
    },
    /// Numbers by columns, as many as the matrix has entries.
    Entries(Vec<f64>),
}

/// What is known of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum NoiseStructure {
    /// All are 1.
    #[default]
    Homoscedastic,
    /// They are one number a row; of a symmetric matrix `√(s_i s_j)`.
    ByRow,
    /// They are one number a column.
    ByColumn,
    /// They are these.
    Known(NoiseScales),
}

impl NoiseScales {
    /// `s_i c_j`, each vector positive and finite, and none of its numbers 2·10¹⁰ times another.
    ///
    /// # Errors
    /// [`Error::Range`] where one is not.
    pub fn outer(rows: Vec<f64>, columns: Vec<f64>) -> Result<Self, Error> {
        check(&rows)?;
        check(&columns)?;
        Ok(Self::Outer { rows, columns })
    }

    /// A number for each entry, with the same limits.
    ///
    /// # Errors
    /// [`Error::Range`] where one is outside of them.
    pub fn entries(values: Vec<f64>) -> Result<Self, Error> {
        check(&values)?;
        Ok(Self::Entries(values))
    }

    /// Whether they are as many as a matrix of this size asks for.
    pub(crate) fn fit(&self, nrow: usize, ncol: usize) -> bool {
        match self {
            Self::Outer { rows, columns } => rows.len() == nrow && columns.len() == ncol,
            Self::Entries(values) => nrow.checked_mul(ncol) == Some(values.len()),
        }
    }

    /// Those of a column in `rows`, but for a factor, and that factor.
    #[inline(always)]
    pub(crate) fn of_column(&self, column: usize, rows: Range<usize>, nrow: usize) -> (&[f64], f64) {
        match self {
            Self::Outer { rows: own, columns } => (&own[rows], columns[column]),
            Self::Entries(values) => (&values[column * nrow + rows.start..column * nrow + rows.end], 1.0),
        }
    }
}

fn check(values: &[f64]) -> Result<(), Error> {
    let largest = values.iter().fold(0.0, |largest: f64, value| largest.max(*value));
    match values.iter().find(|value| !(**value > 0.0 && value.is_finite() && *value * WIDEST >= largest)) {
        Some(&found) => Err(Error::Range {
            what: "a scale of the noise",
            expected: "positive, finite and 5e-11 of the largest",
            found,
        }),
        None => Ok(()),
    }
}
