//! A matrix of which some entries do not count.

use crate::storage::{Remote, Storage};
use std::ops::Range;

/// Another storage whose NaN entries are missing and, where asked, its diagonal as well, as covariance and kinship
/// matrices are fitted.
#[derive(Clone, Copy)]
pub struct Masked<T> {
    inner: T,
    without_diagonal: bool,
}

impl<T: Storage> Masked<T> {
    /// The storage, its NaN entries missing.
    pub fn new(inner: T) -> Self {
        Self { inner, without_diagonal: false }
    }

    /// The storage, its NaN entries and its diagonal missing.
    pub fn without_diagonal(inner: T) -> Self {
        Self { inner, without_diagonal: true }
    }
}

impl<T: Storage> Storage for Masked<T> {
    fn nrow(&self) -> usize {
        self.inner.nrow()
    }

    fn ncol(&self) -> usize {
        self.inner.ncol()
    }

    fn has_missing(&self) -> bool {
        true
    }

    /// They mask the same entries.
    fn remote(&self) -> Option<&dyn Remote> {
        self.inner.remote()
    }

    fn is_lost(&self) -> bool {
        self.inner.is_lost()
    }

    fn column<'a>(&'a self, column: usize, rows: Range<usize>, buffer: &'a mut [f64]) -> &'a [f64] {
        if !(self.without_diagonal && rows.contains(&column)) {
            return self.inner.column(column, rows, buffer);
        }
        let diagonal = column - rows.start;
        let mut room = vec![0.0; rows.len()];
        buffer.copy_from_slice(self.inner.column(column, rows, &mut room));
        buffer[diagonal] = f64::NAN;
        buffer
    }
}
