//! Storage of the matrix: the contract through which the fused pass reads entries.
//!
//! To implement a new storage, [`Storage::nrow`], [`Storage::ncol`] and [`Storage::column`] are required. The other methods
//! have defaults. Add the storage to the contract test `tests/storage.rs`, which compares every storage with the dense one.

mod dense;
mod sparse;
pub mod summary;

pub use dense::{Dense, Masked};
pub use sparse::{Sparse, DEFAULT_TOLERANCE};

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
}

/// Workers that hold the entries of a storage, and sweep over some tiles each.
pub trait Remote {
    /// Evaluates `request` on all tiles of the matrix, by calling [`crate::pass::serve_request`] with the same numbers. Returns
    /// the responses in the order of the tiles; `lengths` gives the number of values of each. If workers fail, the computation
    /// is abandoned.
    fn evaluate(&self, request: &[f64], lengths: &[usize]) -> Vec<Vec<f64>>;
}
