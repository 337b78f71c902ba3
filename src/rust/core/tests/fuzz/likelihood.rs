//! The log-likelihood of a model, entry by entry from the densities.

use super::matrix::Matrix;
use nmu_core::distributions::mills::truncated_moments;
use nmu_core::factor::Factor;
use nmu_core::noise::ResidualParams;
use nmu_core::noise::{NoiseScales, NoiseStructure};
use nmu_core::remainder_prior::RemainderPrior;

const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;
/// The rounding of a residual, relative to what it is the difference of.
const RESIDUAL: f64 = 4.0 * f64::EPSILON;

/// What a fit says of the residual.
pub(crate) struct Residual<'a> {
    pub(crate) params: ResidualParams,
    pub(crate) law: &'a RemainderPrior,
    pub(crate) scatter: &'a NoiseStructure,
    pub(crate) deviations: Option<&'a [f64]>,
}

/// A sum, and the rounding that it may have.
#[derive(Default)]
pub(crate) struct Rounded {
    pub(crate) value: f64,
    pub(crate) rounding: f64,
}

/// Σ log f(x) over the entries that count, half of it where symmetric. A density is not known better than its argument; that of
/// a sparse matrix has the rounding that its pass allows itself.
pub(crate) fn log_likelihood(
    matrix: &Matrix,
    scale: f64,
    ignore_diagonal: bool,
    factors: &[&Factor],
    residual: &Residual,
) -> Rounded {
    let mut sum = Rounded::default();
    for (index, value) in matrix.values.iter().enumerate() {
        let (row, column) = (index % matrix.nrow, index / matrix.nrow);
        if value.is_nan() || (ignore_diagonal && row == column) {
            continue;
        }
        let terms = factors.iter().map(|factor| factor.d * factor.u[row] * factor.v()[column]);
        let low_rank: f64 = terms.sum();
        let x = value * scale - low_rank;
        let sigma = residual.params.sigma * residual.deviation(matrix, row, column);
        let log_density = residual.log_density(x, sigma);
        // how far a residual is off, in units of its noise
        let off = RESIDUAL * (value.abs() * scale + low_rank) / sigma;
        // |λσ − h(z)| is at most this, since h(z) ≤ 1 + |z|
        let steepest = 1.0 + x.abs() / sigma + residual.params.lambda * sigma * residual.largest_rate();
        sum.value += log_density;
        sum.rounding += 1e-11 * log_density.abs() + 1e-14 + off * (off + 10.0 * steepest);
        if matrix.sparse.is_some() {
            sum.rounding += 1e-9;
        }
    }
    let share = if matrix.symmetric { 0.5 } else { 1.0 };
    Rounded { value: share * sum.value, rounding: share * sum.rounding }
}

/// What the rounding of residuals may do to the log-likelihood where their noise differs, and so may be below it.
pub(crate) fn blur(matrix: &Matrix, scale: f64, residual: &Residual) -> f64 {
    if *residual.scatter == NoiseStructure::Homoscedastic {
        return 0.0;
    }
    let largest = matrix.values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs())) * scale;
    let entry = |index: usize| {
        let deviation = residual.deviation(matrix, index % matrix.nrow, index / matrix.nrow);
        let off = RESIDUAL * largest / (residual.params.sigma * deviation);
        off + off * off
    };
    (0..matrix.values.len()).map(entry).sum()
}

impl Residual<'_> {
    fn deviation(&self, matrix: &Matrix, row: usize, column: usize) -> f64 {
        match (self.scatter, self.deviations) {
            (NoiseStructure::Known(NoiseScales::Outer { rows, columns }), _) => rows[row] * columns[column],
            (NoiseStructure::Known(NoiseScales::Entries(values)), _) => values[column * matrix.nrow + row],
            (_, Some(found)) if matrix.symmetric => (found[row] * found[column]).sqrt(),
            (NoiseStructure::ByRow, Some(found)) => found[row],
            (NoiseStructure::ByColumn, Some(found)) => found[column],
            _ => 1.0,
        }
    }

    fn largest_rate(&self) -> f64 {
        self.law.exponentials().fold(0.0, |largest: f64, (_, rate)| largest.max(rate))
    }

    /// `log [π_0 φ(x/σ)/σ + Σ_k π_k EMG(x)]`.
    fn log_density(&self, x: f64, sigma: f64) -> f64 {
        let t = x / sigma;
        let normal = -HALF_LOG_TAU - sigma.ln() - 0.5 * t * t;
        let atom = (self.law.atom() > 0.0).then(|| self.law.atom().ln() + normal);
        let exponential = |(weight, rate): (f64, f64)| {
            let lambda = self.params.lambda * rate;
            let z = t - lambda * sigma;
            let b = truncated_moments(z);
            // Each form where it does not cancel.
            weight.ln()
                + if z < 0.0 {
                    normal + (lambda * sigma).ln() - b.hazard.ln()
                } else {
                    lambda.ln() - lambda * sigma * (t - 0.5 * lambda * sigma) + b.log_mass
                }
        };
        let terms: Vec<f64> = self.law.exponentials().map(exponential).chain(atom).collect();
        let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        largest + terms.iter().map(|term| (term - largest).exp()).sum::<f64>().ln()
    }
}
