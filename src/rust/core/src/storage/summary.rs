//! One look at a matrix before anything is done with it.

use crate::runtime::cancel;
use crate::storage::{Sparse, Storage};
use crate::vector::agree;
use std::ops::Range;

/// What a matrix holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// Entries that are R's `NA`.
    pub missing: usize,
    /// Entries that are NaN but not `NA`.
    pub nan: usize,
    /// Entries that are infinite.
    pub infinite: usize,
    /// Entries below zero.
    pub negative: usize,
    /// The largest finite `|entry|`.
    pub max_abs: f64,
    /// The root mean square of the finite entries; 0 where there are none.
    pub rms: f64,
    /// Whether the matrix is square with `max |A − Aᵀ| ≤ 100 ε max |A|`.
    pub symmetric: bool,
}

impl Summary {
    fn count(&mut self, value: f64) {
        if value.is_finite() {
            self.negative += usize::from(value < 0.0);
            self.max_abs = self.max_abs.max(value.abs());
        } else if value.is_infinite() {
            self.infinite += 1;
            self.negative += usize::from(value < 0.0);
        } else if value.to_bits() as u32 == NA_WORD {
            self.missing += 1;
        } else {
            self.nan += 1;
        }
    }
}

/// How many entries are looked at between two questions whether to go on.
const PIECE: usize = 1 << 20;
/// How far from its transpose a symmetric matrix may be, in units of ε times its largest entry.
const SYMMETRY_SLACK: f64 = 100.0;
/// The lower half of R's `NA_real_`, which tells it from other NaNs.
const NA_WORD: u32 = 1954;

/// Scans the matrix with `nrow` rows whose columns stand one after the other in `values`.
pub fn scan(values: &[f64], nrow: usize) -> Summary {
    let mut found = Summary::default();
    for piece in values.chunks(PIECE) {
        cancel::check();
        piece.iter().for_each(|value| found.count(*value));
    }
    found.rms = root_mean_square(values, found.max_abs);
    let slack = SYMMETRY_SLACK * f64::EPSILON * found.max_abs;
    found.symmetric = nrow.checked_mul(nrow) == Some(values.len()) && is_symmetric(values, nrow, slack);
    found
}

/// Scans a sparse matrix: what is not stored is zero.
pub fn summarize_sparse(matrix: &Sparse) -> Summary {
    let stored = matrix.values();
    let found = scan(stored, 0);
    let count = matrix.nrow() as f64 * matrix.ncol() as f64;
    // Of the finite entries, of which all zeros are some.
    let finite = stored.iter().filter(|value| value.is_finite()).count() as f64;
    let others = count - stored.len() as f64;
    let share = if finite + others > 0.0 { finite / (finite + others) } else { 0.0 };
    let slack = SYMMETRY_SLACK * f64::EPSILON * found.max_abs;
    Summary { rms: found.rms * share.sqrt(), symmetric: matrix.is_symmetric(slack), ..found }
}

/// The root mean square, in units of a power of two near the largest entry so that no square over- or underflows.
fn root_mean_square(values: &[f64], largest: f64) -> f64 {
    if largest == 0.0 {
        return 0.0;
    }
    let unit = power_of_two_near(largest);
    let (mut count, mut sum) = (0.0, 0.0);
    for piece in values.chunks(PIECE) {
        cancel::check();
        for value in piece.iter().filter(|value| value.is_finite()) {
            count += 1.0;
            sum += (value / unit).powi(2);
        }
    }
    unit * f64::sqrt(sum / count)
}

/// The power of two at or below a positive number, within the range that has an inverse.
pub fn power_of_two_near(value: f64) -> f64 {
    value.log2().floor().clamp(-1000.0, 1000.0).exp2()
}

/// Whether every pair of entries agrees within `slack`.
fn is_symmetric(values: &[f64], order: usize, slack: f64) -> bool {
    // Square blocks, so that reading along rows stays within the cache.
    const BLOCK: usize = 32;
    let mirrored = |i: usize, j: usize| agree(values[j * order + i], values[i * order + j], slack);
    let blocks = |end: usize| (0..end).step_by(BLOCK);
    let block = |start: usize| -> Range<usize> { start..(start + BLOCK).min(order) };
    blocks(order).all(|column| {
        cancel::check();
        blocks(column + 1).all(|row| block(column).all(|j| block(row).take_while(|&i| i < j).all(|i| mirrored(i, j))))
    })
}
