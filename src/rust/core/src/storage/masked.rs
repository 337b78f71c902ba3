//! A matrix with missing entries, marked by NaN in another storage.

use super::Storage;
use std::ops::Range;

/// A storage whose NaN entries are missing: they are read where they stand, and the pass leaves them out.
#[derive(Clone, Copy)]
pub struct Masked<T>(pub T);

impl<T: Storage> Storage for Masked<T> {
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
        self.0.column(column, rows, buffer)
    }
}
