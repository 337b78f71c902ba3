//! Storage of the matrix: the contract through which the fused pass reads entries.
//!
//! To implement a new storage, [`Storage::nrow`], [`Storage::ncol`] and [`Storage::column`] are required. The other methods
//! have defaults. Add the storage to the contract test `tests/storage.rs`, which compares every storage with the dense one.

mod dense;
mod gram;
pub mod principal_components;
mod sparse;
pub mod summary;

pub use dense::{Dense, Masked};
pub use gram::{Features, Gram};
pub use sparse::{Sparse, DEFAULT_TOLERANCE};

use crate::runtime::parallel::Threads;
use std::ops::Range;

/// A matrix of `nrow × ncol` numbers that several threads can read column by column.
pub trait Storage: Sync {
    /// The number of rows.
    fn nrow(&self) -> usize;

    /// The number of columns.
    fn ncol(&self) -> usize;

    /// Whether entries may be missing. If not, the pass does not check for them.
    fn has_missing(&self) -> bool {
        false
    }

    /// The stored entries, if all others are zero. A pass then takes time proportional to these.
    fn sparse(&self) -> Option<&Sparse<'_>> {
        None
    }

    /// The workers that evaluate passes over the entries, if this process does not.
    fn remote(&self) -> Option<&dyn Remote> {
        None
    }

    /// The entries of column `column` in `rows`: a slice of the storage itself if they are contiguous there, otherwise of
    /// `buffer`, which has the length of `rows`. A missing entry is NaN. If they cannot be read, the computation is abandoned
    /// (see [`abandon`](crate::runtime::cancel::abandon)).
    fn column<'a>(&'a self, column: usize, rows: Range<usize>, buffer: &'a mut [f64]) -> &'a [f64];

    /// The number of columns to read at a time, by [`Storage::panel`]: more than 1 if entries are not stored and several
    /// columns are computed in less time together.
    fn panel_ncol(&self) -> usize {
        1
    }

    /// Writes the entries of `columns` in `rows` to `values`, column by column.
    fn panel(&self, columns: Range<usize>, rows: Range<usize>, values: &mut [f64]) {
        let mut copy = vec![0.0; rows.len()];
        for (column, values) in columns.zip(values.chunks_exact_mut(rows.len().max(1))) {
            values.copy_from_slice(self.column(column, rows.clone(), &mut copy));
        }
    }

    /// Writes 1 for each observed entry of column `column` in `rows`, and NaN for each missing one.
    fn observed(&self, column: usize, rows: Range<usize>, ones: &mut [f64]) {
        let mut copy = vec![0.0; rows.len()];
        for (one, entry) in ones.iter_mut().zip(self.column(column, rows, &mut copy)) {
            *one = if entry.is_nan() { f64::NAN } else { 1.0 };
        }
    }

    /// `A q`, or that of A with zeros on its diagonal, if A equals its transpose, no entry is missing, and there is a faster way
    /// than to visit all entries.
    fn symmetric_product(&self, _q: &[f64], _without_diagonal: bool, _threads: Threads) -> Option<Vec<f64>> {
        None
    }
}

/// Workers that hold the entries of a storage, and sweep over some tiles each.
pub trait Remote {
    /// Evaluates `request` on all tiles of the matrix, by calling [`crate::pass::serve_request`] with the same numbers. Returns
    /// the responses in the order of the tiles; `lengths` gives the number of values of each. If workers fail, the computation
    /// is abandoned.
    fn evaluate(&self, request: &[f64], lengths: &[usize]) -> Vec<Vec<f64>>;
}
