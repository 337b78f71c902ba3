//! A dense matrix in column-major order, as R holds it.

use super::Storage;
use crate::error::Error;
use faer::MatRef;
use std::ops::Range;

/// A view of a dense matrix; nothing is copied.
#[derive(Clone, Copy)]
pub struct Dense<'a>(MatRef<'a, f64>);

impl<'a> Dense<'a> {
    /// Takes the view, whose columns must be contiguous.
    ///
    /// # Errors
    /// [`Error::Layout`] where they are not.
    pub fn new(matrix: MatRef<'a, f64>) -> Result<Self, Error> {
        if matrix.row_stride() == 1 {
            Ok(Self(matrix))
        } else {
            Err(Error::Layout)
        }
    }

    /// The `nrow × ncol` matrix whose columns stand one after the other in `values`.
    ///
    /// # Errors
    /// [`Error::Length`] where `values` has another length.
    pub fn from_columns(values: &'a [f64], nrow: usize, ncol: usize) -> Result<Self, Error> {
        if nrow.checked_mul(ncol) == Some(values.len()) {
            Ok(Self(MatRef::from_column_major_slice(values, nrow, ncol)))
        } else {
            Err(Error::Length { what: "the matrix", expected: nrow.saturating_mul(ncol), found: values.len() })
        }
    }
}

impl Storage for Dense<'_> {
    fn nrow(&self) -> usize {
        self.0.nrows()
    }

    fn ncol(&self) -> usize {
        self.0.ncols()
    }

    fn column<'a>(&'a self, column: usize, rows: Range<usize>, buffer: &'a mut [f64]) -> &'a [f64] {
        match self.0.col(column).try_as_col_major() {
            Some(contiguous) => &contiguous.as_slice()[rows],
            None => {
                for (value, row) in buffer.iter_mut().zip(rows) {
                    *value = self.0[(row, column)];
                }
                buffer
            }
        }
    }
}
