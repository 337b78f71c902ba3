//! One side of a pair climbs while the other follows it.
//!
//! Given `v`, the best feasible `u` is known: with `s = R v`, `q = vᵀv` and `c_i = min R_ij/v_j` over `v_j > 0`,
//!
//! ```text
//! u_i = min(c_i, s_i/q),    ‖R‖² − ‖R − u vᵀ‖² = Σ_i u_i (2 s_i − u_i q)
//! ```
//!
//! (sums over observed entries, so `q` may differ from row to row). So the gain is a function of `v` alone, the same for
//! every multiple of `v`, and one element of `v` after another is moved to where it gains most. Where a move lets a column
//! in, the rows that are zero there leave, and where it lets a column go, they return: the supports are part of the climb.

use crate::runtime::cancel;
use crate::underapprox::limits::{lower, Coming};
use crate::underapprox::row::{lesser, summand, Move, Row};
use crate::underapprox::working_copy::Block;

/// What an element is tried at, as multiples of its least-squares value for the other side as it stands.
const FRESH: [f64; 8] = [1.3, 1.0, 0.8, 0.63, 0.5, 0.35, 0.25, 0.12];
/// What an element that is not zero is tried at, as multiples of its value.
const NEARBY: [f64; 2] = [0.93, 1.07];
/// The most that it is tried at: these, zero, and what leaves the other side as it is.
const MAX_TRIED: usize = FRESH.len() + NEARBY.len() + 2;
/// The running sums of a loop over rows: enough for the compiler to fill its registers.
const LANES: usize = 8;
/// A relative gain that is not rounding.
const REAL_GAIN: f64 = 1e-12;

/// The state of a climb: an element a row, but for the gain.
pub(super) struct Side<'a> {
    /// `s = R v`.
    products: Vec<f64>,
    /// `q`.
    squares: Vec<f64>,
    /// `u`.
    follower: Vec<f64>,
    /// The least `R_ij/v_j` over the columns already visited, those to come, and all but the one that is visited.
    visited: Vec<f64>,
    coming: Coming<'a>,
    others: Vec<f64>,
    gain: f64,
}

impl<'a> Side<'a> {
    /// Before any column is visited.
    #[inline(always)]
    pub(super) fn new(columns: &'a Block, v: &[f64]) -> Self {
        let length = columns.length();
        let (mut products, mut squares) = (vec![0.0; length], vec![0.0; length]);
        for (index, &element) in v.iter().enumerate().filter(|(_, &element)| element > 0.0) {
            cancel::check();
            for ((product, square), &entry) in products.iter_mut().zip(&mut squares).zip(columns.column(index)) {
                let (entry, weight) = summand(entry);
                *product += entry * element;
                *square += weight * element * element;
            }
        }
        let coming = Coming::new(columns, v);
        let others = coming.limits().to_vec();
        let (follower, visited) = (vec![0.0; length], vec![f64::INFINITY; length]);
        let mut side = Self { products, squares, follower, visited, coming, others, gain: 0.0 };
        side.follow();
        side
    }

    /// `u`, and what it gains.
    pub(super) fn finish(self) -> (Vec<f64>, f64) {
        (self.follower, self.gain)
    }

    /// Moves an element to where it gains most.
    #[inline(always)]
    pub(super) fn visit(&mut self, column: &[f64], element: &mut f64) {
        let from = *element;
        if from > 0.0 {
            self.coming.visit();
        }
        let limits = self.visited.iter().zip(self.coming.limits());
        self.others.iter_mut().zip(limits).for_each(|(other, (&visited, &coming))| *other = lesser(coming, visited));
        let mut found = (self.gain * (1.0 + REAL_GAIN), from);
        let (tried, count) = self.candidates(column, from);
        for &to in &tried[..count] {
            let gain = self.trial(column, Move::new(from, to));
            if gain > found.0 {
                found = (gain, to);
            }
        }
        if found.1 != from {
            *element = found.1;
            self.take(column, Move::new(from, found.1));
        }
        if *element > 0.0 {
            lower(&mut self.visited, column, *element);
        }
    }

    /// The best `u` where `others` are the limits, and the gain.
    #[inline(always)]
    fn follow(&mut self) {
        let rows = self.products.iter().zip(&self.squares).zip(&self.others);
        let mut sums = [0.0; LANES];
        for (index, (follower, ((&product, &square), &limit))) in self.follower.iter_mut().zip(rows).enumerate() {
            let row = Row { product, square, limit };
            *follower = row.best();
            sums[index % LANES] += row.gain(*follower);
        }
        self.gain = sums.iter().sum();
    }

    /// What an element is tried at, and how many these are; none where the column has nothing in the rows of `u`.
    #[inline(always)]
    fn candidates(&self, column: &[f64], from: f64) -> ([f64; MAX_TRIED], usize) {
        let (product, square, limit) = self.pull(column);
        let (mut tried, mut count) = ([0.0; MAX_TRIED], 0);
        let mut add = |value: f64| {
            tried[count] = value;
            count += 1;
        };
        if from > 0.0 {
            add(0.0);
            NEARBY.iter().for_each(|multiple| add(multiple * from));
        }
        if product > 0.0 {
            let free = product / square;
            FRESH.iter().for_each(|multiple| add(multiple * free));
            if limit > 0.0 && limit < free {
                add(limit);
            }
        }
        (tried, count)
    }

    /// `Σ R_ij u_i` and `Σ u_i²`, whose quotient is the least-squares element, and the least `R_ij/u_i`, the largest that
    /// leaves `u` as it is.
    #[inline(always)]
    fn pull(&self, column: &[f64]) -> (f64, f64, f64) {
        let part = |entry: f64, u: f64| {
            let (summand, weight) = summand(entry);
            let quotient = entry / u;
            // Not a number where the entry is missing, or both are zero.
            let limit = if quotient.is_nan() { f64::INFINITY } else { quotient };
            (summand * u, weight * u * u, limit)
        };
        let (mut products, mut squares, mut limits) = ([0.0; LANES], [0.0; LANES], [f64::INFINITY; LANES]);
        let mut add = |lane: usize, (product, square, limit): (f64, f64, f64)| {
            products[lane] += product;
            squares[lane] += square;
            limits[lane] = lesser(limit, limits[lane]);
        };
        let (entries, followers) = (column.chunks_exact(LANES), self.follower.chunks_exact(LANES));
        let rest = entries.remainder().iter().zip(followers.remainder()).enumerate();
        rest.for_each(|(lane, (&entry, &u))| add(lane, part(entry, u)));
        for (entries, followers) in entries.zip(followers) {
            for lane in 0..LANES {
                add(lane, part(entries[lane], followers[lane]));
            }
        }
        (products.iter().sum(), squares.iter().sum(), limits.iter().copied().fold(f64::INFINITY, lesser))
    }

    /// The gain after a move.
    #[inline(always)]
    fn trial(&self, column: &[f64], step: Move) -> f64 {
        let part = |entry: f64, product: f64, square: f64, limit: f64| {
            let row = Row { product, square, limit }.after(step, entry);
            row.gain(row.best())
        };
        let mut sums = [0.0; LANES];
        let (entries, others) = (column.chunks_exact(LANES), self.others.chunks_exact(LANES));
        let (products, squares) = (self.products.chunks_exact(LANES), self.squares.chunks_exact(LANES));
        let rest =
            entries.remainder().iter().zip(products.remainder()).zip(squares.remainder()).zip(others.remainder());
        for (lane, (((&entry, &product), &square), &other)) in rest.enumerate() {
            sums[lane] += part(entry, product, square, other);
        }
        for (((entries, products), squares), others) in entries.zip(products).zip(squares).zip(others) {
            for lane in 0..LANES {
                sums[lane] += part(entries[lane], products[lane], squares[lane], others[lane]);
            }
        }
        sums.iter().sum()
    }

    /// Makes a move.
    #[inline(always)]
    fn take(&mut self, column: &[f64], step: Move) {
        let rows = self.products.iter_mut().zip(&mut self.squares).zip(&mut self.others);
        for (((product, square), limit), &entry) in rows.zip(column) {
            let row = Row { product: *product, square: *square, limit: *limit }.after(step, entry);
            (*product, *square, *limit) = (row.product, row.square, row.limit);
        }
        self.follow();
    }
}
