//! Best response of one side of a pair to the other, row by row, and the upper limits that feasibility sets.
//!
//! The arithmetic of a row has no branches, so that the compiler can vectorise the loops over rows.

use faer::Mat;

/// A change of one element of `v`.
#[derive(Clone, Copy)]
pub(super) struct ElementChange {
    /// The difference.
    difference: f64,
    /// The difference of the squares.
    square_difference: f64,
    /// `1/to`; infinite if the new value is zero, in which case the column sets no limit.
    inverse: f64,
}

impl ElementChange {
    pub(super) fn new(from: f64, to: f64) -> Self {
        Self { difference: to - from, square_difference: to * to - from * from, inverse: 1.0 / to }
    }
}

/// Returns the smaller of two numbers, and `b` if `a` is NaN. Compiles to one instruction.
#[inline(always)]
pub(super) fn min_or_second(a: f64, b: f64) -> f64 {
    if a < b {
        a
    } else {
        b
    }
}

/// Returns an entry and its weight: `(entry, 1)` if it is observed, `(0, 0)` if it is missing.
#[inline(always)]
pub(super) fn weighted(entry: f64) -> (f64, f64) {
    if entry.is_nan() {
        (0.0, 0.0)
    } else {
        (entry, 1.0)
    }
}

/// The one-dimensional problem of a row: maximise `u_i (2 s_i − u_i q_i)` over `u_i ≤ limit`.
#[derive(Clone, Copy)]
pub(super) struct RowProblem {
    /// `s_i = Σ R_ij v_j`.
    pub(super) product: f64,
    /// `q_i = Σ v_j²` over the observed entries of the row.
    pub(super) square: f64,
    /// The upper limit of `u_i`.
    pub(super) limit: f64,
}

impl RowProblem {
    /// Returns the best `u_i`; zero if no entry is observed where `v_j > 0`.
    #[inline(always)]
    pub(super) fn best_response(self) -> f64 {
        let unconstrained = if self.square > 0.0 { self.product / self.square } else { 0.0 };
        min_or_second(unconstrained, self.limit)
    }

    /// Returns the contribution of the row to the gain.
    #[inline(always)]
    pub(super) fn gain(self, u: f64) -> f64 {
        u * (2.0 * self.product - u * self.square)
    }

    /// Returns the row after a change of one element of `v`. `self.limit` is the limit set by the other columns.
    #[inline(always)]
    pub(super) fn after(self, change: ElementChange, entry: f64) -> Self {
        let limit = min_or_second(entry * change.inverse, self.limit);
        let (entry, weight) = weighted(entry);
        // If the only term of a sum is subtracted, the result is a rounding error and may be negative.
        let product = (self.product + entry * change.difference).max(0.0);
        let square = (self.square + weight * change.square_difference).max(0.0);
        Self { product, square, limit }
    }
}

/// The number of columns whose limits are stored at a time. Those of all columns would take as much memory as the
/// matrix.
const CHUNK_NCOL: usize = 32;

/// The row limits `min R_ij/v_j` over the columns of the support that a pass has not visited yet.
///
/// Limits are minima over suffixes of the support. They are computed backwards: once for every [`CHUNK_NCOL`] columns
/// at the start, and for every column of a chunk when the pass enters it.
pub(super) struct PendingLimits<'a> {
    matrix: &'a Mat<f64>,
    /// The columns with `v_j > 0`, and their elements.
    support: Vec<(usize, f64)>,
    /// The number of visited columns of the support.
    visited: usize,
    /// The limits after each chunk, in reverse order.
    checkpoints: Vec<Vec<f64>>,
    /// The limits after each column of the current chunk that is not visited yet, in reverse order.
    chunk: Vec<Vec<f64>>,
}

impl<'a> PendingLimits<'a> {
    #[inline(always)]
    pub(super) fn new(matrix: &'a Mat<f64>, v: &[f64]) -> Self {
        let support: Vec<(usize, f64)> = v.iter().copied().enumerate().filter(|&(_, element)| element > 0.0).collect();
        let mut limits = vec![f64::INFINITY; matrix.nrows()];
        let mut checkpoints = Vec::new();
        for chunk in support.chunks(CHUNK_NCOL).rev() {
            checkpoints.push(limits.clone());
            chunk.iter().for_each(|&(index, element)| lower_limits(&mut limits, matrix.col_as_slice(index), element));
        }
        Self { matrix, support, visited: 0, checkpoints, chunk: vec![limits] }
    }

    /// Returns the limits, one per row.
    #[inline(always)]
    #[allow(clippy::expect_used)]
    pub(super) fn limits(&self) -> &[f64] {
        self.chunk.last().expect("invariant: the limits after the last visited column are stored")
    }

    /// Marks the next column of the support as visited, which removes its limits.
    #[inline(always)]
    pub(super) fn advance(&mut self) {
        self.chunk.pop();
        if self.visited % CHUNK_NCOL == 0 {
            let columns = self.support[self.visited..].iter().take(CHUNK_NCOL).skip(1);
            self.chunk = self.checkpoints.pop().into_iter().collect();
            for &(index, element) in columns.rev() {
                let mut limits = self.limits().to_vec();
                lower_limits(&mut limits, self.matrix.col_as_slice(index), element);
                self.chunk.push(limits);
            }
        }
        self.visited += 1;
    }
}

/// Lowers row limits to those of one column and its element of `v`.
#[inline(always)]
pub(super) fn lower_limits(limits: &mut [f64], entries: &[f64], element: f64) {
    let inverse = 1.0 / element;
    for (limit, &entry) in limits.iter_mut().zip(entries) {
        *limit = min_or_second(entry * inverse, *limit);
    }
}
