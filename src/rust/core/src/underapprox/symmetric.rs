//! Coordinate ascent for a symmetric pair `w wᵀ`.
//!
//! Any feasible `u vᵀ` of a symmetric matrix gives a feasible symmetric pair, `w_i = √(u_i v_i)`, since
//! `w_i w_j = √(u_i v_j · u_j v_i) ≤ √(R_ij R_ji)`. From there each element in turn moves to its best feasible value.

use crate::runtime::parallel::StopCheck;
use crate::underapprox::coordinate_ascent::{drop_negligible, PairState};
use crate::underapprox::working_copy::{gain, Pair};
use crate::vector::Contiguous;
use faer::{Col, Mat};

/// The maximum number of sweeps over the elements.
const MAX_SWEEPS: usize = 50;
/// Sweeps end if the relative gain of one is at most this.
const MIN_RELATIVE_GAIN: f64 = 1e-9;
/// The number of bisections that locate an unconstrained maximum.
const BISECTIONS: usize = 60;

/// Returns the symmetric pair made of `pair` after coordinate ascent. The ascent ends early if `stop` returns true.
pub(super) fn improve_symmetric(residual: &Mat<f64>, pair: &Pair, stop: &mut StopCheck) -> PairState {
    let mut w: Col<f64> = pair.u.iter().zip(pair.v.iter()).map(|(u, v)| u.sqrt() * v.sqrt()).collect();
    if w.iter().all(|&element| element == 0.0) {
        w = largest_entry(residual, pair);
    }
    let mut current = gain(residual, &w, &w);
    for _ in 0..MAX_SWEEPS {
        if stop() {
            break;
        }
        for index in (0..w.nrows()).take_while(|_| !stop()) {
            w[index] = best_element(residual.col_as_slice(index), w.as_slice(), index);
        }
        drop_negligible(&mut w);
        let before = current;
        current = gain(residual, &w, &w);
        if current <= before * (1.0 + MIN_RELATIVE_GAIN) {
            break;
        }
    }
    PairState { pair: Pair { u: w.clone(), v: w }, gain: current }
}

/// Returns the symmetric pair with the largest entry of the support of `pair` for which a diagonal entry is missing.
///
/// With missing diagonal entries, the supports of `u` and `v` may be disjoint, so that `√(u_i v_i)` is zero everywhere.
fn largest_entry(residual: &Mat<f64>, pair: &Pair) -> Col<f64> {
    let missing = |index: usize| residual[(index, index)].is_nan();
    let mut largest = (0.0, 0, 0);
    for (column, _) in pair.v.iter().enumerate().filter(|(_, &v)| v > 0.0) {
        for (row, &entry) in residual.col_as_slice(column).iter().enumerate() {
            if pair.u[row] > 0.0 && entry > largest.0 && (missing(row) || missing(column)) {
                largest = (entry, row, column);
            }
        }
    }
    let (entry, row, column) = largest;
    let mut w = Col::zeros(pair.v.nrows());
    if entry > 0.0 {
        // If the diagonal entry is missing, `min` returns the other one.
        w[column] = entry.min(residual[(column, column)]).sqrt();
        w[row] = best_element(residual.col_as_slice(row), w.as_slice(), row);
    }
    w
}

/// Returns the best feasible value of one element, the others held fixed.
///
/// Up to a constant the gain is `2 R_ii t² − t⁴ + 2 (2 p t − q t²)`, with `p = Σ R_ij w_j` and `q = Σ w_j²` over
/// `j ≠ i`. Its derivative, `4 (p + (R_ii − q) t − t³)`, has one positive zero.
fn best_element(entries: &[f64], w: &[f64], index: usize) -> f64 {
    let (mut product, mut square, mut limit) = (0.0, 0.0, f64::INFINITY);
    for (row, (&entry, &element)) in entries.iter().zip(w).enumerate() {
        if row != index && element > 0.0 && !entry.is_nan() {
            product += entry * element;
            square += element * element;
            limit = (entry / element).min(limit);
        }
    }
    let diagonal = entries[index];
    let (diagonal, weight) = if diagonal.is_nan() { (0.0, 0.0) } else { (diagonal, 1.0) };
    if weight > 0.0 {
        limit = limit.min(diagonal.sqrt());
    }
    if limit == f64::INFINITY {
        return 0.0;
    }
    let derivative = |t: f64| product + (diagonal - square) * t - weight * t * t * t;
    if derivative(limit) >= 0.0 {
        return limit;
    }
    let (mut low, mut high) = (0.0, limit);
    for _ in 0..BISECTIONS {
        let middle = 0.5 * (low + high);
        if derivative(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}
