//! Summary of the entries of a matrix before a fit: missing, infinite and negative entries, size, symmetry.

use crate::runtime::cancel;
use crate::storage::{Gram, Sparse, Storage};
use crate::vector::agree;
use faer::{ColRef, MatRef};
use std::ops::Range;

/// Counts and properties of the entries of a matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The number of NaN entries that count as missing.
    pub missing: usize,
    /// The number of all other NaN entries.
    pub nan: usize,
    /// The number of infinite entries.
    pub infinite: usize,
    /// The number of entries below zero.
    pub negative: usize,
    /// The number of entries that are zero.
    pub zeros: usize,
    /// The largest finite `|entry|`.
    pub max_abs: f64,
    /// The largest finite entry; `−∞` if there is none.
    pub largest: f64,
    /// The root mean square of the finite entries; 0 if there are none.
    pub rms: f64,
    /// Whether the matrix is square with `max |A − Aᵀ| ≤ 100 ε max |A|`.
    pub symmetric: bool,
}

impl Summary {
    /// The summary of no entries.
    const EMPTY: Self = Self {
        missing: 0,
        nan: 0,
        infinite: 0,
        negative: 0,
        zeros: 0,
        max_abs: 0.0,
        largest: f64::NEG_INFINITY,
        rms: 0.0,
        symmetric: false,
    };

    fn count(&mut self, value: f64, is_missing: impl Fn(f64) -> bool) {
        if value.is_finite() {
            self.negative += usize::from(value < 0.0);
            self.zeros += usize::from(value == 0.0);
            self.max_abs = self.max_abs.max(value.abs());
            self.largest = self.largest.max(value);
        } else if value.is_infinite() {
            self.infinite += 1;
            self.negative += usize::from(value < 0.0);
        } else if is_missing(value) {
            self.missing += 1;
        } else {
            self.nan += 1;
        }
    }
}

/// The number of entries between two polls for cancellation.
const ENTRIES_PER_POLL: usize = 1 << 20;
/// The tolerated asymmetry, in units of ε times the largest entry.
const SYMMETRY_SLACK: f64 = 100.0;

/// Summarizes a dense matrix. `is_missing` tells which NaN entries are missing.
pub fn summarize(matrix: MatRef<f64>, is_missing: impl Fn(f64) -> bool) -> Summary {
    let mut summary = Summary::EMPTY;
    for_each(matrix, |value| summary.count(value, &is_missing));
    summary.rms = root_mean_square(matrix, summary.max_abs);
    let slack = SYMMETRY_SLACK * f64::EPSILON * summary.max_abs;
    summary.symmetric = matrix.nrows() == matrix.ncols() && is_symmetric(matrix, slack);
    summary
}

/// Summarizes a sparse matrix, whose entries that are not stored are zero.
pub fn summarize_sparse(matrix: &Sparse, is_missing: impl Fn(f64) -> bool) -> Summary {
    let stored = matrix.values();
    let summary = summarize(ColRef::from_slice(stored).as_mat(), is_missing);
    let count = matrix.nrow() as f64 * matrix.ncol() as f64;
    let finite = stored.iter().filter(|value| value.is_finite()).count() as f64;
    let zeros = count - stored.len() as f64;
    // The fraction of the finite entries that are stored.
    let fraction = if finite + zeros > 0.0 { finite / (finite + zeros) } else { 0.0 };
    let slack = SYMMETRY_SLACK * f64::EPSILON * summary.max_abs;
    let largest = if zeros > 0.0 { summary.largest.max(0.0) } else { summary.largest };
    let all_zeros = summary.zeros + matrix.nrow() * matrix.ncol() - stored.len();
    Summary {
        largest,
        zeros: all_zeros,
        rms: summary.rms * fraction.sqrt(),
        symmetric: matrix.is_symmetric(slack),
        ..summary
    }
}

/// Summarizes a Gram matrix from its upper triangle.
pub fn summarize_gram(storage: &Gram) -> Summary {
    let order = storage.nrow();
    // No entry is larger than the largest of the diagonal, so no square over- or underflows in these units.
    let largest = storage.diagonal().iter().fold(0.0_f64, |largest, entry| largest.max(entry.abs()));
    let unit = if largest > 0.0 { power_of_two_near(largest) } else { 1.0 };
    let (mut above, mut on_diagonal, mut squares) = (Summary::EMPTY, Summary::EMPTY, 0.0);
    let mut values = Vec::new();
    for first in (0..order).step_by(storage.panel_ncol()) {
        cancel::check();
        let columns = first..(first + storage.panel_ncol()).min(order);
        let rows = columns.end;
        values.resize(rows * columns.len(), 0.0);
        storage.panel(columns.clone(), 0..rows, &mut values);
        for (column, entries) in columns.zip(values.chunks_exact(rows)) {
            entries[..column].iter().for_each(|value| above.count(*value, |_| false));
            on_diagonal.count(entries[column], |_| false);
            let sum: f64 = entries[..column].iter().map(|value| (value / unit).powi(2)).sum();
            squares += 2.0 * sum + (entries[column] / unit).powi(2);
        }
    }
    Summary {
        missing: 0,
        nan: 2 * above.nan + on_diagonal.nan,
        infinite: 2 * above.infinite + on_diagonal.infinite,
        negative: 2 * above.negative + on_diagonal.negative,
        zeros: 2 * above.zeros + on_diagonal.zeros,
        max_abs: above.max_abs.max(on_diagonal.max_abs),
        largest: above.largest.max(on_diagonal.largest),
        rms: unit * squares.sqrt() / order as f64,
        symmetric: true,
    }
}

/// Visits all entries column by column, and polls for cancellation.
fn for_each(matrix: MatRef<f64>, mut visit: impl FnMut(f64)) {
    let mut until_poll = 0;
    for column in matrix.col_iter() {
        let mut first = 0;
        while first < column.nrows() {
            if until_poll == 0 {
                cancel::check();
                until_poll = ENTRIES_PER_POLL;
            }
            let piece = column.subrows(first, until_poll.min(column.nrows() - first));
            match piece.try_as_col_major() {
                Some(piece) => piece.as_slice().iter().for_each(|value| visit(*value)),
                None => piece.iter().for_each(|value| visit(*value)),
            }
            first += piece.nrows();
            until_poll -= piece.nrows();
        }
    }
}

/// The root mean square, in units of a power of two near the largest entry so that no square over- or underflows.
fn root_mean_square(matrix: MatRef<f64>, largest: f64) -> f64 {
    if largest == 0.0 {
        return 0.0;
    }
    let unit = power_of_two_near(largest);
    let (mut count, mut sum) = (0.0, 0.0);
    for_each(matrix, |value| {
        if value.is_finite() {
            count += 1.0;
            sum += (value / unit).powi(2);
        }
    });
    unit * f64::sqrt(sum / count)
}

/// The largest power of two at or below a positive number, within the range of powers that have an inverse.
pub fn power_of_two_near(value: f64) -> f64 {
    value.log2().floor().clamp(-1000.0, 1000.0).exp2()
}

/// Whether every pair of entries agrees within `slack`.
fn is_symmetric(matrix: MatRef<f64>, slack: f64) -> bool {
    // Square blocks, so that reading along rows stays within the cache.
    const BLOCK: usize = 32;
    let order = matrix.nrows();
    let mirrored = |i: usize, j: usize| agree(matrix[(i, j)], matrix[(j, i)], slack);
    let blocks = |end: usize| (0..end).step_by(BLOCK);
    let block = |start: usize| -> Range<usize> { start..(start + BLOCK).min(order) };
    blocks(order).all(|column| {
        cancel::check();
        blocks(column + 1).all(|row| block(column).all(|j| block(row).take_while(|&i| i < j).all(|i| mirrored(i, j))))
    })
}
