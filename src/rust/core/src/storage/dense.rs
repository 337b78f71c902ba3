//! A dense matrix in column-major order, as R holds it.

use crate::error::Error;
use crate::storage::Storage;
use std::ops::Range;

/// A view of a dense matrix; nothing is copied.
#[derive(Clone, Copy)]
pub struct Dense<'a> {
    values: &'a [f64],
    nrow: usize,
    ncol: usize,
}

impl<'a> Dense<'a> {
    /// The `nrow × ncol` matrix whose columns stand one after the other in `values`.
    ///
    /// # Errors
    /// [`Error::Length`] where `values` has another length.
    pub fn from_columns(values: &'a [f64], nrow: usize, ncol: usize) -> Result<Self, Error> {
        if nrow.checked_mul(ncol) == Some(values.len()) {
            Ok(Self { values, nrow, ncol })
        } else {
            Err(Error::Length { what: "the matrix", expected: nrow.saturating_mul(ncol), found: values.len() })
        }
    }
}

impl Storage for Dense<'_> {
    fn nrow(&self) -> usize {
        self.nrow
    }

    fn ncol(&self) -> usize {
        self.ncol
    }

    fn column<'a>(&'a self, column: usize, rows: Range<usize>, _buffer: &'a mut [f64]) -> &'a [f64] {
        let first = column * self.nrow;
        &self.values[first + rows.start..first + rows.end]
    }
}
