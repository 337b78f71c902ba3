//! Quadratic programme for all loadings of one row, those of the columns held fixed.
//!
//! ```text
//! min ‖a − V x‖²   over   x ≥ 0,  V x ≤ a
//! ```
//!
//! over the observed entries of the row `a`. Where `a_j = 0`, every `x_k` with `v_jk > 0` is zero and is removed from
//! the programme. The rest is solved by Hildreth's method, coordinate ascent on the multipliers of the constraints,
//! with a small `ρ‖x − x₀‖²` that makes it definite; `x₀` is the current row. The solution is scaled until it is
//! feasible, and accepted if its error is smaller than that of `x₀`.

use crate::vector::add_scaled;
use faer::linalg::solvers::DenseSolveCore;
use faer::{Col, Mat, Side};

/// The penalty ρ as a multiple of the mean diagonal of `VᵀV`.
const RELATIVE_PENALTY: f64 = 1e-3;
/// The maximum number of sweeps over the multipliers.
const MAX_SWEEPS: usize = 100;
/// Sweeps end if the largest violation, relative to the largest entry, is at most this.
const MAX_VIOLATION: f64 = 1e-4;
/// Loadings of at most this multiple of the largest one of the row are set to zero: they only limit the others.
const NEGLIGIBLE: f64 = 1e-6;

/// Returns better loadings of the row whose entries are `bounds`, if any are found. `other` holds the loadings of the
/// other side, one slice per factor.
pub(super) fn better_row(bounds: &[f64], other: &[&[f64]], current: &[f64]) -> Option<Vec<f64>> {
    let row = feasible_row(bounds, other, current)?;
    (squared_error(bounds, other, &row) < squared_error(bounds, other, current)).then_some(row)
}

/// Returns better loadings of row `index` of a symmetric matrix, if any are found.
///
/// The diagonal constraint, `A_ii ≥ ‖x‖²`, is not linear in the row: the programme leaves it out, and the solution is
/// scaled until it holds.
pub(super) fn better_symmetric_row(
    bounds: &[f64],
    index: usize,
    other: &[&[f64]],
    current: &[f64],
) -> Option<Vec<f64>> {
    let mut off_diagonal = bounds.to_vec();
    off_diagonal[index] = f64::NAN;
    let mut row = feasible_row(&off_diagonal, other, current)?;
    let diagonal = bounds[index];
    let square = inner(&row, &row);
    if square > diagonal {
        let scale = (diagonal / square).sqrt();
        row.iter_mut().for_each(|value| *value *= scale);
    }
    let error = |row: &[f64]| {
        let diagonal_error = if diagonal.is_nan() { 0.0 } else { (diagonal - inner(row, row)).powi(2) };
        2.0 * squared_error(&off_diagonal, other, row) + diagonal_error
    };
    (error(&row) < error(current)).then_some(row)
}

/// Returns a feasible row near the solution of its programme.
fn feasible_row(bounds: &[f64], other: &[&[f64]], current: &[f64]) -> Option<Vec<f64>> {
    let free: Vec<usize> = (0..other.len()).filter(|&factor| is_free(bounds, other[factor])).collect();
    let start: Vec<f64> = free.iter().map(|&factor| current[factor]).collect();
    let solution = RowQp::new(bounds, other, &free)?.solve(&start)?;
    let mut row = vec![0.0; current.len()];
    for (&factor, &value) in free.iter().zip(&solution) {
        row[factor] = value;
    }
    Some(row)
}

/// Returns whether a factor can have a positive loading in this row, and affects an observed entry of it.
fn is_free(bounds: &[f64], loadings: &[f64]) -> bool {
    let mut affected =
        bounds.iter().zip(loadings).filter(|(bound, &loading)| !bound.is_nan() && loading > 0.0).peekable();
    affected.peek().is_some() && affected.all(|(&bound, _)| bound > 0.0)
}

/// Returns the squared error of a row.
fn squared_error(bounds: &[f64], other: &[&[f64]], row: &[f64]) -> f64 {
    let mut residual = bounds.to_vec();
    for (loadings, &weight) in other.iter().zip(row).filter(|(_, &weight)| weight > 0.0) {
        add_scaled(&mut residual, -weight, loadings);
    }
    residual.iter().filter(|value| !value.is_nan()).map(|value| value * value).sum()
}

/// The quadratic programme of one row in the loadings of the free factors.
struct RowQp {
    /// The upper bounds `a`.
    bounds: Col<f64>,
    /// `Vᵀ`: one column per bound, one row per free factor.
    loadings: Mat<f64>,
    /// `(VᵀV + ρI)⁻¹`.
    inverse: Mat<f64>,
    /// `ρ`.
    penalty: f64,
}

impl RowQp {
    /// Creates the programme; `None` if no factor is free, or if the Gram matrix is not positive definite.
    fn new(entries: &[f64], other: &[&[f64]], free: &[usize]) -> Option<Self> {
        let count = free.len();
        if count == 0 {
            return None;
        }
        let is_constraint =
            |index: usize| !entries[index].is_nan() && free.iter().any(|&factor| other[factor][index] != 0.0);
        let constraints: Vec<usize> = (0..entries.len()).filter(|&index| is_constraint(index)).collect();
        let bounds = constraints.iter().map(|&index| entries[index]).collect();
        let loadings =
            Mat::from_fn(count, constraints.len(), |factor, constraint| other[free[factor]][constraints[constraint]]);
        let mut gram = Mat::<f64>::zeros(count, count);
        for constraint in 0..constraints.len() {
            let values = loadings.col_as_slice(constraint);
            for (column, &weight) in values.iter().enumerate().filter(|(_, &weight)| weight > 0.0) {
                for (row, &loading) in values.iter().enumerate() {
                    gram[(row, column)] += weight * loading;
                }
            }
        }
        let penalty = RELATIVE_PENALTY * (0..count).map(|index| gram[(index, index)]).sum::<f64>() / count as f64;
        for index in 0..count {
            gram[(index, index)] += penalty;
        }
        let inverse = gram.llt(Side::Lower).ok()?.inverse();
        Some(Self { bounds, loadings, inverse, penalty })
    }

    /// Returns the solution near `start`, made feasible.
    fn solve(&self, start: &[f64]) -> Option<Vec<f64>> {
        let mut x = self.unconstrained(start);
        let (count, constraints) = (self.loadings.nrows(), self.loadings.ncols());
        let directions =
            Mat::from_fn(count, constraints, |row, index| self.inverse_product(row, self.loadings.col_as_slice(index)));
        let curvatures: Col<f64> = (0..constraints)
            .map(|index| inner(directions.col_as_slice(index), self.loadings.col_as_slice(index)))
            .collect();
        let mut multipliers = Col::<f64>::zeros(constraints);
        let mut sign_multipliers = Col::<f64>::zeros(count);
        let largest = self.bounds.iter().copied().fold(0.0, f64::max);
        for _ in 0..MAX_SWEEPS {
            let mut violation = 0.0_f64;
            for index in 0..constraints {
                let excess = inner(self.loadings.col_as_slice(index), &x) - self.bounds[index];
                let step = (excess / curvatures[index]).max(-multipliers[index]);
                if step != 0.0 {
                    multipliers[index] += step;
                    add_scaled(&mut x, -step, directions.col_as_slice(index));
                    violation = violation.max(step.abs() * curvatures[index]);
                }
            }
            for index in 0..count {
                let step = (-x[index] / self.inverse[(index, index)]).max(-sign_multipliers[index]);
                if step != 0.0 {
                    sign_multipliers[index] += step;
                    for (row, value) in x.iter_mut().enumerate() {
                        *value += step * self.inverse[(row, index)];
                    }
                }
            }
            if violation <= MAX_VIOLATION * largest {
                break;
            }
        }
        self.make_feasible(x)
    }

    /// Returns the penalised least-squares solution without constraints.
    fn unconstrained(&self, start: &[f64]) -> Vec<f64> {
        let mut right: Vec<f64> = start.iter().map(|value| self.penalty * value).collect();
        for (index, &bound) in self.bounds.iter().enumerate() {
            add_scaled(&mut right, bound, self.loadings.col_as_slice(index));
        }
        (0..right.len()).map(|row| self.inverse_product(row, &right)).collect()
    }

    /// Returns one element of the product of the inverse with a vector.
    fn inverse_product(&self, row: usize, vector: &[f64]) -> f64 {
        (0..vector.len()).map(|index| self.inverse[(row, index)] * vector[index]).sum()
    }

    /// Sets negative and negligible elements to zero and scales `x` to within the bounds; `None` if it is not finite.
    fn make_feasible(&self, x: Vec<f64>) -> Option<Vec<f64>> {
        let largest = x.iter().copied().fold(0.0, f64::max);
        let mut x: Vec<f64> = x.iter().map(|&value| if value > NEGLIGIBLE * largest { value } else { 0.0 }).collect();
        let mut scale = 1.0_f64;
        for (index, &bound) in self.bounds.iter().enumerate() {
            let sum = inner(self.loadings.col_as_slice(index), &x);
            if sum > bound {
                scale = scale.min(bound / sum);
            }
        }
        x.iter_mut().for_each(|value| *value *= scale);
        x.iter().all(|value| value.is_finite()).then_some(x)
    }
}

/// `xᵀy`, summed in the order of the few factors.
fn inner(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}
