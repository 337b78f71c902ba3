//! All factors of a row together, those of the columns held: a quadratic programme a row.
//!
//! ```text
//! min ‖a − V x‖²   over   x ≥ 0,  V x ≤ a
//! ```
//!
//! over the observed entries of the row `a`. Where `a_j = 0`, every `x_k` with `v_jk > 0` is zero and leaves the programme.
//! What stays is solved by Hildreth's method, coordinate ascent on the multipliers of the constraints, with a small
//! `ρ‖x − x₀‖²` that makes it definite; `x₀` is the row as it was. The result is scaled until it is feasible, and taken if
//! it is better than `x₀`.

use crate::vector::add_scaled;
use faer::linalg::solvers::DenseSolveCore;
use faer::{Mat, Side};

/// The weight of the change, as a share of the mean diagonal of `VᵀV`.
const HELD: f64 = 1e-3;
/// The most sweeps over the multipliers.
const MAX_SWEEPS: usize = 100;
/// A violation, relative to the largest entry, that ends them.
const SMALL_VIOLATION: f64 = 1e-4;
/// A share of the largest loading of a row below which a loading only stands in the way of others.
const IN_THE_WAY: f64 = 1e-6;

/// The better loadings of the row whose entries are `bounds`, if any are found. `other` holds the other side's loadings,
/// a vector a factor.
pub(super) fn better_row(bounds: &[f64], other: &[&[f64]], old: &[f64]) -> Option<Vec<f64>> {
    let row = feasible_row(bounds, other, old)?;
    (error(bounds, other, &row) < error(bounds, other, old)).then_some(row)
}

/// The same for row `index` of a symmetric matrix, whose entry on the diagonal, `A_ii ≥ ‖x‖²`, is not linear in the row:
/// the programme leaves it out, and the result is scaled until it holds.
pub(super) fn better_symmetric_row(bounds: &[f64], index: usize, other: &[&[f64]], old: &[f64]) -> Option<Vec<f64>> {
    let mut beside = bounds.to_vec();
    beside[index] = f64::NAN;
    let mut row = feasible_row(&beside, other, old)?;
    let own = bounds[index];
    let square = inner(&row, &row);
    if square > own {
        let share = (own / square).sqrt();
        row.iter_mut().for_each(|value| *value *= share);
    }
    let error = |row: &[f64]| {
        let own_error = if own.is_nan() { 0.0 } else { (own - inner(row, row)).powi(2) };
        2.0 * error(&beside, other, row) + own_error
    };
    (error(&row) < error(old)).then_some(row)
}

/// A feasible row near the solution of its programme.
fn feasible_row(bounds: &[f64], other: &[&[f64]], old: &[f64]) -> Option<Vec<f64>> {
    let free: Vec<usize> = (0..other.len()).filter(|&factor| is_free(bounds, other[factor])).collect();
    let start: Vec<f64> = free.iter().map(|&factor| old[factor]).collect();
    let found = Programme::new(bounds, other, &free)?.solve(&start)?;
    let mut row = vec![0.0; old.len()];
    for (&factor, &value) in free.iter().zip(&found) {
        row[factor] = value;
    }
    Some(row)
}

/// Whether a factor may have this row, and says anything about it.
fn is_free(bounds: &[f64], loadings: &[f64]) -> bool {
    let mut touched =
        bounds.iter().zip(loadings).filter(|(bound, &loading)| !bound.is_nan() && loading > 0.0).peekable();
    touched.peek().is_some() && touched.all(|(&bound, _)| bound > 0.0)
}

/// The squared error of a row.
fn error(bounds: &[f64], other: &[&[f64]], row: &[f64]) -> f64 {
    let mut rest = bounds.to_vec();
    for (loadings, &weight) in other.iter().zip(row).filter(|(_, &weight)| weight > 0.0) {
        add_scaled(&mut rest, -weight, loadings);
    }
    rest.iter().filter(|value| !value.is_nan()).map(|value| value * value).sum()
}

/// The programme of one row, in the factors that are free.
struct Programme {
    /// The number of unknowns.
    count: usize,
    /// The entries that bound, and the loadings there, `count` an entry.
    bounds: Vec<f64>,
    loadings: Vec<f64>,
    /// `VᵀV + ρI`, inverted, and ρ.
    inverse: Mat<f64>,
    held: f64,
}

impl Programme {
    fn new(entries: &[f64], other: &[&[f64]], free: &[usize]) -> Option<Self> {
        let count = free.len();
        if count == 0 {
            return None;
        }
        let (mut bounds, mut loadings) = (Vec::new(), Vec::new());
        let mut gram = Mat::<f64>::zeros(count, count);
        for (index, &entry) in entries.iter().enumerate().filter(|(_, entry)| !entry.is_nan()) {
            let here = free.iter().map(|&factor| other[factor][index]);
            if here.clone().all(|loading| loading == 0.0) {
                continue;
            }
            bounds.push(entry);
            let first = loadings.len();
            loadings.extend(here);
            let here = &loadings[first..];
            for (column, &weight) in here.iter().enumerate().filter(|(_, &weight)| weight > 0.0) {
                for (row, &loading) in here.iter().enumerate() {
                    gram[(row, column)] += weight * loading;
                }
            }
        }
        let held = HELD * (0..count).map(|index| gram[(index, index)]).sum::<f64>() / count as f64;
        for index in 0..count {
            gram[(index, index)] += held;
        }
        let inverse = gram.llt(Side::Lower).ok()?.inverse();
        Some(Self { count, bounds, loadings, inverse, held })
    }

    fn row(&self, index: usize) -> &[f64] {
        &self.loadings[index * self.count..(index + 1) * self.count]
    }

    /// The solution near `start`, made feasible.
    fn solve(&self, start: &[f64]) -> Option<Vec<f64>> {
        let mut x = self.unconstrained(start);
        let directions: Vec<Vec<f64>> =
            (0..self.bounds.len()).map(|index| self.times_inverse(self.row(index))).collect();
        let curvatures: Vec<f64> =
            directions.iter().enumerate().map(|(index, direction)| inner(direction, self.row(index))).collect();
        let mut multipliers = vec![0.0; self.bounds.len()];
        let mut signs = vec![0.0; self.count];
        let largest = self.bounds.iter().copied().fold(0.0, f64::max);
        for _ in 0..MAX_SWEEPS {
            let mut worst = 0.0_f64;
            for index in 0..self.bounds.len() {
                let excess = inner(self.row(index), &x) - self.bounds[index];
                let step = (excess / curvatures[index]).max(-multipliers[index]);
                if step != 0.0 {
                    multipliers[index] += step;
                    add_scaled(&mut x, -step, &directions[index]);
                    worst = worst.max(step.abs() * curvatures[index]);
                }
            }
            for index in 0..self.count {
                let step = (-x[index] / self.inverse[(index, index)]).max(-signs[index]);
                if step != 0.0 {
                    signs[index] += step;
                    for (row, value) in x.iter_mut().enumerate() {
                        *value += step * self.inverse[(row, index)];
                    }
                }
            }
            if worst <= SMALL_VIOLATION * largest {
                break;
            }
        }
        self.feasible(x)
    }

    /// The least squares with nothing but the change to hold them.
    fn unconstrained(&self, start: &[f64]) -> Vec<f64> {
        let mut right: Vec<f64> = start.iter().map(|value| self.held * value).collect();
        for (index, &bound) in self.bounds.iter().enumerate() {
            add_scaled(&mut right, bound, self.row(index));
        }
        self.times_inverse(&right)
    }

    fn times_inverse(&self, vector: &[f64]) -> Vec<f64> {
        (0..self.count)
            .map(|row| (0..self.count).map(|index| self.inverse[(row, index)] * vector[index]).sum())
            .collect()
    }

    /// Nonnegative, and scaled to within the bounds; nothing where that is not a number.
    fn feasible(&self, x: Vec<f64>) -> Option<Vec<f64>> {
        let largest = x.iter().copied().fold(0.0, f64::max);
        let mut x: Vec<f64> = x.iter().map(|&value| if value > IN_THE_WAY * largest { value } else { 0.0 }).collect();
        let mut share = 1.0_f64;
        for (index, &bound) in self.bounds.iter().enumerate() {
            let sum = inner(self.row(index), &x);
            if sum > bound {
                share = share.min(bound / sum);
            }
        }
        x.iter_mut().for_each(|value| *value *= share);
        x.iter().all(|value| value.is_finite()).then_some(x)
    }
}

/// `xᵀy`, in the order of the factors: there are few of them.
fn inner(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}
