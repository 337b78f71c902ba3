//! A storage that counts sweeps. The benchmarks (`bench/src/elbo.rs`) use it, too.

use nmu_core::storage::{Dense, Storage};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A matrix that counts how often its first entry is read.
pub(crate) struct Counted<'a> {
    storage: &'a Dense<'a>,
    readings: AtomicUsize,
}

impl<'a> Counted<'a> {
    /// The storage, with a count of zero.
    pub(crate) fn new(storage: &'a Dense<'a>) -> Self {
        Self { storage, readings: AtomicUsize::new(0) }
    }

    /// The number of readings since the last call.
    pub(crate) fn readings(&self) -> usize {
        self.readings.swap(0, Ordering::Relaxed)
    }
}

impl Storage for Counted<'_> {
    fn nrow(&self) -> usize {
        self.storage.nrow()
    }

    fn ncol(&self) -> usize {
        self.storage.ncol()
    }

    fn column<'a>(&'a self, column: usize, rows: Range<usize>, buffer: &'a mut [f64]) -> &'a [f64] {
        if column == 0 && rows.start == 0 {
            self.readings.fetch_add(1, Ordering::Relaxed);
        }
        self.storage.column(column, rows, buffer)
    }
}
