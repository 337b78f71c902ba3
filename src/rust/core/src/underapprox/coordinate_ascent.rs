//! Coordinate ascent for one pair: the elements of one side move in turn while the other side is the best response.
//!
//! Given `v`, the best feasible `u` is known: with `s = R v`, `q = vᵀv` and `c_i = min R_ij/v_j` over `v_j > 0`,
//!
//! ```text
//! u_i = min(c_i, s_i/q),    ‖R‖² − ‖R − u vᵀ‖² = Σ_i u_i (2 s_i − u_i q)
//! ```
//!
//! (sums over observed entries, so `q` may differ from row to row). The gain is therefore a function of `v` alone and
//! is invariant to the scale of `v`. Each element of `v` in turn moves to the candidate value with the largest gain. If
//! a column enters the support of `v`, the rows with a zero in it leave the support of `u`; they return when it leaves.
//! The supports are thus part of the search.

use crate::runtime::cancel;
use crate::runtime::parallel::StopCheck;
use crate::underapprox::best_response::{
    lower_limits, min_or_second, weighted, ElementChange, PendingLimits, RowProblem,
};
use crate::underapprox::working_copy::{Pair, WorkingCopy};
use crate::vector::{column, Contiguous};
use faer::{Col, Mat};
use pulp::{Arch, Simd, WithSimd};

/// Candidate values of an element, as multiples of its least-squares value given the current `u`.
const LEAST_SQUARES_MULTIPLES: [f64; 8] = [1.3, 1.0, 0.8, 0.63, 0.5, 0.35, 0.25, 0.12];
/// Candidate values of a positive element, as multiples of its current value.
const CURRENT_MULTIPLES: [f64; 2] = [0.93, 1.07];
/// The maximum number of candidates: these, zero, and the largest value that leaves `u` unchanged.
const MAX_CANDIDATES: usize = LEAST_SQUARES_MULTIPLES.len() + CURRENT_MULTIPLES.len() + 2;
/// The number of running sums of a loop over rows, so that the compiler can use all vector registers.
const LANES: usize = 8;
/// The smallest relative gain that is not attributed to rounding.
const MIN_RELATIVE_GAIN: f64 = 1e-12;
/// Loadings below this multiple of the largest one are set to zero.
const NEGLIGIBLE: f64 = 1e-90;

/// A pair and its gain during the ascent.
#[derive(Clone, Debug)]
pub(super) struct PairState {
    pub(super) pair: Pair,
    /// `‖R‖² − ‖R − u vᵀ‖²`.
    pub(super) gain: f64,
}

impl PairState {
    /// Creates the state with this `v` and the best feasible `u`.
    pub(super) fn new(residual: &WorkingCopy, v: Col<f64>) -> Self {
        let mut state = Self { pair: Pair { u: Col::zeros(0), v }, gain: 0.0 };
        let Pair { u, v } = &mut state.pair;
        state.gain = coordinate_pass::<false>(residual.by_column(), v, u, &mut || false);
        state
    }

    /// Moves every element of `v` and then every element of `u`. The gain does not decrease except by rounding. If
    /// `stop` returns true between two elements, the remaining ones stay unchanged.
    pub(super) fn step(&mut self, residual: &WorkingCopy, stop: &mut StopCheck) {
        if stop() {
            return;
        }
        let Pair { u, v } = &mut self.pair;
        self.gain = coordinate_pass::<true>(residual.by_column(), v, u, stop);
        drop_negligible(u);
        if stop() {
            return;
        }
        self.gain = coordinate_pass::<true>(residual.by_row(), u, v, stop);
        drop_negligible(v);
    }
}

/// Moves the elements of `v` if `MOVE` is true, and sets `u` to the best response. Returns the gain.
fn coordinate_pass<const MOVE: bool>(
    matrix: &Mat<f64>,
    v: &mut Col<f64>,
    u: &mut Col<f64>,
    stop: &mut StopCheck,
) -> f64 {
    let (best_response, gain) = Arch::new().dispatch(CoordinatePass::<MOVE> { matrix, v: v.as_slice_mut(), stop });
    *u = column(&best_response);
    gain
}

/// One pass over the elements of `v`, compiled for each instruction set. Returns `u` and the gain.
struct CoordinatePass<'a, const MOVE: bool> {
    matrix: &'a Mat<f64>,
    v: &'a mut [f64],
    stop: &'a mut StopCheck<'a>,
}

impl<const MOVE: bool> WithSimd for CoordinatePass<'_, MOVE> {
    type Output = (Vec<f64>, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (Vec<f64>, f64) {
        let Self { matrix, v, stop } = self;
        let mut side = SideState::new(matrix, v);
        if MOVE {
            for (index, element) in v.iter_mut().enumerate() {
                if stop() {
                    break;
                }
                side.visit(matrix.col_as_slice(index), element);
            }
        }
        (side.u, side.gain)
    }
}

/// Sets elements to zero that are so small that products with them could underflow.
pub(super) fn drop_negligible(loadings: &mut Col<f64>) {
    let loadings = loadings.as_slice_mut();
    let largest = loadings.iter().copied().fold(0.0, f64::max);
    for loading in loadings.iter_mut().filter(|loading| **loading < NEGLIGIBLE * largest) {
        *loading = 0.0;
    }
}

/// State of a pass over the elements of `v`. Vectors have one element per row.
struct SideState<'a> {
    /// `s = R v`.
    products: Vec<f64>,
    /// `q`.
    squares: Vec<f64>,
    /// The best response `u`.
    u: Vec<f64>,
    /// `min R_ij/v_j` over the visited columns.
    visited_limits: Vec<f64>,
    /// `min R_ij/v_j` over the columns that are not visited yet.
    pending_limits: PendingLimits<'a>,
    /// `min R_ij/v_j` over all columns except the one being visited.
    other_limits: Vec<f64>,
    gain: f64,
}

impl<'a> SideState<'a> {
    /// Creates the state before the first column is visited.
    #[inline(always)]
    fn new(matrix: &'a Mat<f64>, v: &[f64]) -> Self {
        let nrow = matrix.nrows();
        let (mut products, mut squares) = (vec![0.0; nrow], vec![0.0; nrow]);
        for (index, &element) in v.iter().enumerate().filter(|(_, &element)| element > 0.0) {
            cancel::check();
            for ((product, square), &entry) in products.iter_mut().zip(&mut squares).zip(matrix.col_as_slice(index)) {
                let (entry, weight) = weighted(entry);
                *product += entry * element;
                *square += weight * element * element;
            }
        }
        let pending_limits = PendingLimits::new(matrix, v);
        let other_limits = pending_limits.limits().to_vec();
        let (u, visited_limits) = (vec![0.0; nrow], vec![f64::INFINITY; nrow]);
        let mut side = Self { products, squares, u, visited_limits, pending_limits, other_limits, gain: 0.0 };
        side.update_best_response();
        side
    }

    /// Moves an element to the candidate value with the largest gain.
    #[inline(always)]
    fn visit(&mut self, entries: &[f64], element: &mut f64) {
        let from = *element;
        if from > 0.0 {
            self.pending_limits.advance();
        }
        let limits = self.visited_limits.iter().zip(self.pending_limits.limits());
        self.other_limits
            .iter_mut()
            .zip(limits)
            .for_each(|(other, (&visited, &pending))| *other = min_or_second(pending, visited));
        let mut best = (self.gain * (1.0 + MIN_RELATIVE_GAIN), from);
        let (candidates, count) = self.candidates(entries, from);
        for &to in &candidates[..count] {
            let gain = self.gain_after(entries, ElementChange::new(from, to));
            if gain > best.0 {
                best = (gain, to);
            }
        }
        if best.1 != from {
            *element = best.1;
            self.apply(entries, ElementChange::new(from, best.1));
        }
        if *element > 0.0 {
            lower_limits(&mut self.visited_limits, entries, *element);
        }
    }

    /// Sets `u` to the best response within `other_limits`, and the gain.
    #[inline(always)]
    fn update_best_response(&mut self) {
        let rows = self.products.iter().zip(&self.squares).zip(&self.other_limits);
        let mut sums = [0.0; LANES];
        for (index, (u, ((&product, &square), &limit))) in self.u.iter_mut().zip(rows).enumerate() {
            let row = RowProblem { product, square, limit };
            *u = row.best_response();
            sums[index % LANES] += row.gain(*u);
        }
        self.gain = sums.iter().sum();
    }

    /// Returns the candidate values of an element and their number.
    #[inline(always)]
    fn candidates(&self, entries: &[f64], from: f64) -> ([f64; MAX_CANDIDATES], usize) {
        let (product, square, limit) = self.element_problem(entries);
        let (mut candidates, mut count) = ([0.0; MAX_CANDIDATES], 0);
        let mut add = |value: f64| {
            candidates[count] = value;
            count += 1;
        };
        if from > 0.0 {
            add(0.0);
            CURRENT_MULTIPLES.iter().for_each(|multiple| add(multiple * from));
        }
        if product > 0.0 {
            let least_squares = product / square;
            LEAST_SQUARES_MULTIPLES.iter().for_each(|multiple| add(multiple * least_squares));
            if limit > 0.0 && limit < least_squares {
                add(limit);
            }
        }
        (candidates, count)
    }

    /// Returns `Σ R_ij u_i` and `Σ u_i²`, whose quotient is the least-squares element, and `min R_ij/u_i`, the largest
    /// element that leaves `u` unchanged.
    #[inline(always)]
    fn element_problem(&self, entries: &[f64]) -> (f64, f64, f64) {
        let terms = |entry: f64, u: f64| {
            let (value, weight) = weighted(entry);
            let quotient = entry / u;
            // NaN if the entry is missing, or if both are zero.
            let limit = if quotient.is_nan() { f64::INFINITY } else { quotient };
            (value * u, weight * u * u, limit)
        };
        let (mut products, mut squares, mut limits) = ([0.0; LANES], [0.0; LANES], [f64::INFINITY; LANES]);
        let mut add = |lane: usize, (product, square, limit): (f64, f64, f64)| {
            products[lane] += product;
            squares[lane] += square;
            limits[lane] = min_or_second(limit, limits[lane]);
        };
        let (entries, u) = (entries.chunks_exact(LANES), self.u.chunks_exact(LANES));
        let tail = entries.remainder().iter().zip(u.remainder()).enumerate();
        tail.for_each(|(lane, (&entry, &u))| add(lane, terms(entry, u)));
        for (entries, u) in entries.zip(u) {
            for lane in 0..LANES {
                add(lane, terms(entries[lane], u[lane]));
            }
        }
        (products.iter().sum(), squares.iter().sum(), limits.iter().copied().fold(f64::INFINITY, min_or_second))
    }

    /// Returns the gain after a change, without making it.
    #[inline(always)]
    fn gain_after(&self, entries: &[f64], change: ElementChange) -> f64 {
        let term = |entry: f64, product: f64, square: f64, limit: f64| {
            let row = RowProblem { product, square, limit }.after(change, entry);
            row.gain(row.best_response())
        };
        let mut sums = [0.0; LANES];
        let (entries, limits) = (entries.chunks_exact(LANES), self.other_limits.chunks_exact(LANES));
        let (products, squares) = (self.products.chunks_exact(LANES), self.squares.chunks_exact(LANES));
        let tail =
            entries.remainder().iter().zip(products.remainder()).zip(squares.remainder()).zip(limits.remainder());
        for (lane, (((&entry, &product), &square), &limit)) in tail.enumerate() {
            sums[lane] += term(entry, product, square, limit);
        }
        for (((entries, products), squares), limits) in entries.zip(products).zip(squares).zip(limits) {
            for lane in 0..LANES {
                sums[lane] += term(entries[lane], products[lane], squares[lane], limits[lane]);
            }
        }
        sums.iter().sum()
    }

    /// Applies a change.
    #[inline(always)]
    fn apply(&mut self, entries: &[f64], change: ElementChange) {
        let rows = self.products.iter_mut().zip(&mut self.squares).zip(&mut self.other_limits);
        for (((product, square), limit), &entry) in rows.zip(entries) {
            let row = RowProblem { product: *product, square: *square, limit: *limit }.after(change, entry);
            (*product, *square, *limit) = (row.product, row.square, row.limit);
        }
        self.update_best_response();
    }
}
