//! A symmetric pair, `u uᵀ`, one element after another.
//!
//! Any feasible `u vᵀ` of a symmetric matrix gives a feasible symmetric one, `w_i = √(u_i v_i)`, since
//! `w_i w_j = √(u_i v_j · u_j v_i) ≤ √(R_ij R_ji)`. From there each element moves in turn to its best feasible value.

use crate::runtime::parallel::StopCheck;
use crate::underapprox::ascent::{drop_negligible, Ascent};
use crate::underapprox::working_copy::{Block, Pair};

/// The most sweeps over the elements.
const MAX_SWEEPS: usize = 50;
/// A relative gain of a sweep that ends them.
const SMALL_GAIN: f64 = 1e-9;
/// The halvings that place a free maximum.
const HALVINGS: usize = 60;

/// The symmetric pair from `pair`, raised as far as single elements go, or until it is to stop.
pub(super) fn raise(residual: &Block, pair: &Pair, stop: &mut StopCheck) -> Ascent {
    let mut w: Vec<f64> = pair.u.iter().zip(&pair.v).map(|(u, v)| u.sqrt() * v.sqrt()).collect();
    if w.iter().all(|&element| element == 0.0) {
        w = largest_entry(residual, pair);
    }
    let mut reached = residual.gain(&w, &w);
    for _ in 0..MAX_SWEEPS {
        if stop() {
            break;
        }
        for index in (0..w.len()).take_while(|_| !stop()) {
            w[index] = best_element(residual.column(index), &w, index);
        }
        drop_negligible(&mut w);
        let before = reached;
        reached = residual.gain(&w, &w);
        if reached <= before * (1.0 + SMALL_GAIN) {
            break;
        }
    }
    Ascent { pair: Pair { u: w.clone(), v: w }, gain: reached }
}

/// A symmetric pair that has nothing but the largest entry of `pair` for which one on the diagonal is missing: there, a
/// search may end in rows of `u` none of which is one of `v`, and the symmetric pair made of both is zero.
fn largest_entry(residual: &Block, pair: &Pair) -> Vec<f64> {
    let missing = |index: usize| residual.column(index)[index].is_nan();
    let mut largest = (0.0, 0, 0);
    for (column, _) in pair.v.iter().enumerate().filter(|(_, &v)| v > 0.0) {
        for (row, &entry) in residual.column(column).iter().enumerate() {
            if pair.u[row] > 0.0 && entry > largest.0 && (missing(row) || missing(column)) {
                largest = (entry, row, column);
            }
        }
    }
    let (entry, row, column) = largest;
    let mut w = vec![0.0; pair.v.len()];
    if entry > 0.0 {
        // Of an entry that is missing, `min` is the other.
        w[column] = entry.min(residual.column(column)[column]).sqrt();
        w[row] = best_element(residual.column(row), &w, row);
    }
    w
}

/// The best feasible value of one element, the others held.
///
/// The gain is `2 R_ii t² − t⁴ + 2 (2 p t − q t²)` and what does not depend on `t`, with `p = Σ R_ij w_j` and `q = Σ w_j²`
/// over `j ≠ i`; its slope, `4 (p + (R_ii − q) t − t³)`, has one positive zero.
fn best_element(column: &[f64], w: &[f64], index: usize) -> f64 {
    let (mut product, mut square, mut limit) = (0.0, 0.0, f64::INFINITY);
    for (row, (&entry, &element)) in column.iter().zip(w).enumerate() {
        if row != index && element > 0.0 && !entry.is_nan() {
            product += entry * element;
            square += element * element;
            limit = (entry / element).min(limit);
        }
    }
    let own = column[index];
    let (own, weight) = if own.is_nan() { (0.0, 0.0) } else { (own, 1.0) };
    if weight > 0.0 {
        limit = limit.min(own.sqrt());
    }
    if limit == f64::INFINITY {
        return 0.0;
    }
    let slope = |t: f64| product + (own - square) * t - weight * t * t * t;
    if slope(limit) >= 0.0 {
        return limit;
    }
    let (mut low, mut high) = (0.0, limit);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if slope(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}
