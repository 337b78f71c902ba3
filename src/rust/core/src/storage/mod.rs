//! How a matrix is held, behind the one question that the fused pass asks of it.
//!
//! To add a storage, implement [`Storage`] in a file of its own and add it to the contract test, which holds every
//! storage to the dense one.

mod dense;
mod masked;
mod remote;
mod sparse;
pub mod summary;

pub use dense::Dense;
pub use masked::Masked;
pub use remote::Remote;
pub use sparse::{Sparse, TOLERANCE};

use std::ops::Range;

/// A matrix of `nrow × ncol` numbers that can be read column by column, by several threads at once.
pub trait Storage: Sync {
    /// The number of rows.
    fn nrow(&self) -> usize;

    /// The number of columns.
    fn ncol(&self) -> usize;

    /// Whether entries may be missing. Where none are, the pass does not look for them.
    fn has_missing(&self) -> bool {
        false
    }

    /// The stored entries, where all others are zero: what a pass then goes over.
    fn sparse(&self) -> Option<&Sparse<'_>> {
        None
    }

    /// Those who go over the entries where these are, in the place of this process.
    fn remote(&self) -> Option<&dyn Remote> {
        None
    }

    /// Whether entries could not be read: what was found since is worth nothing.
    fn is_lost(&self) -> bool {
        false
    }

    /// The entries of column `column` in `rows`: a slice of the storage itself where it holds them side by side,
    /// otherwise of `buffer`, which is as long as `rows`. A missing entry is NaN.
    fn column<'a>(&'a self, column: usize, rows: Range<usize>, buffer: &'a mut [f64]) -> &'a [f64];
}
