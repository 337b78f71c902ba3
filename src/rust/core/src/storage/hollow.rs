//! A matrix without its diagonal, as covariance and kinship matrices are fitted.

use super::Storage;
use std::ops::Range;

/// Another storage, its diagonal missing.
#[derive(Clone, Copy)]
pub struct Hollow<T>(pub T);

impl<T: Storage> Storage for Hollow<T> {
    fn nrow(&self) -> usize {
        self.0.nrow()
    }

    fn ncol(&self) -> usize {
        self.0.ncol()
    }

    fn has_missing(&self) -> bool {
        true
    }

    fn column<'a>(&'a self, column: usize, rows: Range<usize>, buffer: &'a mut [f64]) -> &'a [f64] {
        if !rows.contains(&column) {
            return self.0.column(column, rows, buffer);
        }
        let diagonal = column - rows.start;
        let mut inner = vec![0.0; rows.len()];
        buffer.copy_from_slice(self.0.column(column, rows, &mut inner));
        buffer[diagonal] = f64::NAN;
        buffer
    }
}
