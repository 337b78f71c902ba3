//! Noise that differs from entry to entry: `e_ij ~ N(0, σ² s_ij²)`.
//!
//! Given the remainder's posterior, with `V_i` the mean over a row of `E[(x − b)²]/σ²s²`, the M-step multiplies `s_i²` by `V_i`. Of
//! a symmetric matrix `s_ij² = s_i s_j`, which stays symmetric; then, since a product of two is at most half the sum of their
//! squares, `s_i` is multiplied by `√V_i`. Neither lowers the log-likelihood. The mean of `s²` is kept at 1.

use crate::error::Error;
use std::ops::Range;

/// The largest of some `s` over the least, beyond which sums of squares lose the smaller ones. The face refuses half of it, so that
/// rounding does not decide.
const WIDEST: f64 = 2e10;

/// What `s_ij` are.
#[derive(Clone, Debug, PartialEq)]
pub enum Scales {
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
pub enum Scatter {
    /// All are 1.
    #[default]
    Even,
    /// They are one number a row; of a symmetric matrix `√(s_i s_j)`.
    Rows,
    /// They are one number a column.
    Columns,
    /// They are these.
    Known(Scales),
}

impl Scales {
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
