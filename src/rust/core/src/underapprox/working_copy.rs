//! Working copies of the matrix: the upper bounds of the fit, and the residual of the pairs found so far.
//!
//! Entries are in the units of the search, in which the largest one is near 1. A missing entry sets no bound and is
//! NaN.

use crate::error::Error;
use crate::residual::{Buffer, ResidualView};
use crate::runtime::cancel;
use crate::vector::{add_scaled, Contiguous};
use faer::{Col, Mat};

/// A residual entry of at most this multiple of its bound is set to zero. It is a rounding error, and rounding errors
/// must not decide which rows and columns are in the support of a factor.
const RELATIVE_ZERO: f64 = 1e-12;
/// Residual entries below this are set to zero, so that no product of loadings underflows.
const MIN_RESIDUAL: f64 = 1e-100;
/// The order of the square tiles of a transposition: reads along rows then stay within the cache.
const TILE_ORDER: usize = 32;

/// A candidate `u vᵀ` in the units of the search. If the matrix is symmetric, `v = u`.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) u: Col<f64>,
    pub(super) v: Col<f64>,
}

impl Pair {
    /// Exchanges `u` and `v`.
    pub(super) fn transpose(&mut self) {
        std::mem::swap(&mut self.u, &mut self.v);
    }
}

/// Allocates a matrix of zeros.
///
/// # Errors
/// [`Error::Memory`] if the allocation fails.
fn zeros(nrow: usize, ncol: usize) -> Result<Mat<f64>, Error> {
    let mut matrix = Mat::new();
    matrix.try_reserve(nrow, ncol).map_err(|_| Error::Memory { what: "a working copy of the matrix" })?;
    matrix.resize_with(nrow, ncol, |_, _| 0.0);
    Ok(matrix)
}

/// Writes the transpose of `source` to `target`.
fn transpose(source: &Mat<f64>, target: &mut Mat<f64>) {
    for first_column in (0..source.ncols()).step_by(TILE_ORDER) {
        cancel::check();
        for first_row in (0..source.nrows()).step_by(TILE_ORDER) {
            for column in first_column..(first_column + TILE_ORDER).min(source.ncols()) {
                let entries = source.col_as_slice(column);
                for row in first_row..(first_row + TILE_ORDER).min(source.nrows()) {
                    target[(column, row)] = entries[row];
                }
            }
        }
    }
}

/// Replaces both entries of each pair by the smaller one: a symmetric matrix may differ from its transpose by rounding.
fn symmetrise(matrix: &mut Mat<f64>) {
    for column in 0..matrix.ncols() {
        cancel::check();
        for row in 0..column {
            let smaller = matrix[(row, column)].min(matrix[(column, row)]);
            (matrix[(row, column)], matrix[(column, row)]) = (smaller, smaller);
        }
    }
}

/// Returns the sum of the squares of the observed entries of a column.
pub(super) fn column_sum_of_squares(matrix: &Mat<f64>, column: usize) -> f64 {
    matrix.col_as_slice(column).iter().filter(|value| !value.is_nan()).map(|value| value * value).sum()
}

/// Returns `‖R‖² − ‖R − u vᵀ‖²`, by which the pair reduces the squared error.
pub(super) fn gain(residual: &Mat<f64>, u: &Col<f64>, v: &Col<f64>) -> f64 {
    let u = u.as_slice();
    let column_gain = |index: usize| -> f64 {
        cancel::check();
        let element = v[index];
        let terms = residual.col_as_slice(index).iter().zip(u).filter(|(entry, _)| !entry.is_nan());
        terms.map(|(entry, u)| (2.0 * entry - u * element) * u).sum::<f64>() * element
    };
    (0..residual.ncols()).filter(|&index| v[index] > 0.0).map(column_gain).sum()
}

/// A matrix stored by columns and, unless it is symmetric, also by rows, so that both are contiguous.
pub(super) struct WorkingCopy {
    by_column: Mat<f64>,
    /// The transpose; `None` if the matrix is symmetric.
    by_row: Option<Mat<f64>>,
}

impl WorkingCopy {
    /// Allocates a matrix of zeros.
    ///
    /// # Errors
    /// [`Error::Memory`] if the allocation fails.
    fn zeros(nrow: usize, ncol: usize, symmetric: bool) -> Result<Self, Error> {
        let by_row = if symmetric { None } else { Some(zeros(ncol, nrow)?) };
        Ok(Self { by_column: zeros(nrow, ncol)?, by_row })
    }

    /// Returns the bounds of the sum of all factors, `(1 − margin) A₊`.
    ///
    /// # Errors
    /// [`Error::Memory`] if the allocation fails.
    pub(super) fn bounds(view: &ResidualView, margin: f64) -> Result<Self, Error> {
        let mut bounds = Self::zeros(view.nrow(), view.ncol(), view.is_symmetric())?;
        let matrix = &mut bounds.by_column;
        let mut buffer = Buffer::new(view.nrow(), view.ncol());
        for index in 0..view.ncol() {
            cancel::check();
            let entries = view.column(index, 0..view.nrow(), &mut buffer);
            for (bound, &entry) in matrix.col_as_slice_mut(index).iter_mut().zip(entries) {
                // Not `max`, which would replace a missing entry by zero.
                *bound = if entry < 0.0 { 0.0 } else { entry * (1.0 - margin) };
            }
        }
        if view.is_symmetric() {
            symmetrise(matrix);
        }
        bounds.update_by_row();
        Ok(bounds)
    }

    /// The matrix; its columns are contiguous.
    pub(super) fn by_column(&self) -> &Mat<f64> {
        &self.by_column
    }

    /// The transpose; its columns, the rows of the matrix, are contiguous.
    pub(super) fn by_row(&self) -> &Mat<f64> {
        self.by_row.as_ref().unwrap_or(&self.by_column)
    }

    /// Returns the zero pair of the matrix.
    pub(super) fn zero_pair(&self) -> Pair {
        Pair { u: Col::zeros(self.by_column.nrows()), v: Col::zeros(self.by_column.ncols()) }
    }

    /// Returns the sum of the squares of the observed entries.
    pub(super) fn sum_of_squares(&self) -> f64 {
        let column = |index: usize| {
            cancel::check();
            column_sum_of_squares(&self.by_column, index)
        };
        (0..self.by_column.ncols()).map(column).sum()
    }

    /// Copies the columns to the transpose.
    fn update_by_row(&mut self) {
        if let Some(by_row) = &mut self.by_row {
            transpose(&self.by_column, by_row);
        }
    }
}

/// The residual of some pairs: the bounds minus their sum.
pub(super) struct Residual<'a> {
    bounds: &'a WorkingCopy,
    values: WorkingCopy,
}

impl<'a> Residual<'a> {
    /// Allocates the residual. Its values are not set.
    ///
    /// # Errors
    /// [`Error::Memory`] if the allocation fails.
    pub(super) fn new(bounds: &'a WorkingCopy) -> Result<Self, Error> {
        let matrix = &bounds.by_column;
        let values = WorkingCopy::zeros(matrix.nrows(), matrix.ncols(), bounds.by_row.is_none())?;
        Ok(Self { bounds, values })
    }

    pub(super) fn bounds(&self) -> &'a WorkingCopy {
        self.bounds
    }

    /// Computes the bounds minus `pairs`. An entry that differs from zero by rounding is set to zero.
    pub(super) fn of<'b>(&mut self, pairs: impl Iterator<Item = &'b Pair> + Clone) -> &WorkingCopy {
        for index in 0..self.values.by_column.ncols() {
            cancel::check();
            let values = self.values.by_column.col_as_slice_mut(index);
            let bounds = self.bounds.by_column.col_as_slice(index);
            values.copy_from_slice(bounds);
            for pair in pairs.clone().filter(|pair| pair.v[index] > 0.0) {
                add_scaled(values, -pair.v[index], pair.u.as_slice());
            }
            for (value, bound) in values.iter_mut().zip(bounds) {
                if *value <= RELATIVE_ZERO * bound || *value < MIN_RESIDUAL {
                    *value = 0.0;
                }
            }
        }
        self.values.update_by_row();
        &self.values
    }
}
