//! Dense matrices, and matrices with missing entries.

use crate::runtime::parallel::Threads;
use crate::storage::{Remote, Storage};
use faer::MatRef;
use std::ops::Range;

/// A view of a dense matrix with any strides, such as a matrix of R, a transpose or a block. Nothing is copied as long as
/// columns are contiguous.
#[derive(Clone, Copy)]
pub struct Dense<'a> {
    matrix: MatRef<'a, f64>,
}

impl<'a> Dense<'a> {
    /// The storage of this matrix.
    pub fn new(matrix: MatRef<'a, f64>) -> Self {
        Self { matrix }
    }

    /// The matrix.
    pub fn matrix(&self) -> MatRef<'a, f64> {
        self.matrix
    }
}

impl Storage for Dense<'_> {
    fn nrow(&self) -> usize {
        self.matrix.nrows()
    }

    fn ncol(&self) -> usize {
        self.matrix.ncols()
    }

    fn column<'a>(&'a self, column: usize, rows: Range<usize>, buffer: &'a mut [f64]) -> &'a [f64] {
        let entries = self.matrix.col(column).subrows(rows.start, rows.len());
        if let Some(entries) = entries.try_as_col_major() {
            return entries.as_slice();
        }
        buffer.iter_mut().zip(entries.iter()).for_each(|(to, entry)| *to = *entry);
        buffer
    }
}

/// A storage whose NaN entries are missing and, optionally, whose diagonal is missing too, as for covariance and kinship
/// matrices.
#[derive(Clone, Copy)]
pub struct Masked<T> {
    inner: T,
    without_diagonal: bool,
}

impl<T: Storage> Masked<T> {
    /// The storage with missing NaN entries.
    pub fn new(inner: T) -> Self {
        Self { inner, without_diagonal: false }
    }

    /// The storage with missing NaN entries and a missing diagonal.
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

    /// The workers mask the same entries.
    fn remote(&self) -> Option<&dyn Remote> {
        self.inner.remote()
    }

    fn column<'a>(&'a self, column: usize, rows: Range<usize>, buffer: &'a mut [f64]) -> &'a [f64] {
        if !(self.without_diagonal && rows.contains(&column)) {
            return self.inner.column(column, rows, buffer);
        }
        let diagonal = column - rows.start;
        let mut copy = vec![0.0; rows.len()];
        buffer.copy_from_slice(self.inner.column(column, rows, &mut copy));
        buffer[diagonal] = f64::NAN;
        buffer
    }

    fn panel_ncol(&self) -> usize {
        self.inner.panel_ncol()
    }

    fn panel(&self, columns: Range<usize>, rows: Range<usize>, values: &mut [f64]) {
        self.inner.panel(columns.clone(), rows.clone(), values);
        if self.without_diagonal {
            for (index, column) in columns.enumerate().filter(|(_, column)| rows.contains(column)) {
                values[index * rows.len() + column - rows.start] = f64::NAN;
            }
        }
    }

    fn observed(&self, column: usize, rows: Range<usize>, ones: &mut [f64]) {
        self.inner.observed(column, rows.clone(), ones);
        if self.without_diagonal && rows.contains(&column) {
            ones[column - rows.start] = f64::NAN;
        }
    }

    /// A product of other storages with missing entries is not known, so theirs is `None`.
    fn symmetric_product(&self, q: &[f64], without_diagonal: bool, threads: Threads) -> Option<Vec<f64>> {
        self.inner.symmetric_product(q, self.without_diagonal || without_diagonal, threads)
    }
}
