//! The log-likelihood of a model, computed entry by entry from the densities.

use super::matrix::Matrix;
use nmu_core::distributions::mills::truncated_moments;
use nmu_core::factor::Factor;
use nmu_core::noise::{NoiseScales, NoiseStructure, ResidualParams};
use nmu_core::remainder_prior::RemainderPrior;

const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;
/// Rounding error of a residual, relative to the terms of the difference.
const RESIDUAL_ROUNDING: f64 = 4.0 * f64::EPSILON;

/// The distribution of the residual.
pub(crate) struct Residual<'a> {
    pub(crate) params: ResidualParams,
    pub(crate) prior: &'a RemainderPrior,
    pub(crate) structure: &'a NoiseStructure,
    pub(crate) noise_sd: Option<&'a [f64]>,
}

/// A sum with a bound of its rounding error.
#[derive(Default)]
pub(crate) struct Rounded {
    pub(crate) value: f64,
    pub(crate) rounding: f64,
}

/// Σ log f(x) over the observed entries, halved for a symmetric matrix. The rounding error of a density includes that
/// of its argument, and for a sparse matrix the approximation error of its pass.
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
        let sigma = residual.params.sigma * residual.scale(matrix, row, column);
        let log_density = residual.log_density(x, sigma);
        // The rounding error of the residual, in units of its noise.
        let error = RESIDUAL_ROUNDING * (value.abs() * scale + low_rank) / sigma;
        // A bound of |λσ − h(z)|, since h(z) ≤ 1 + |z|.
        let steepest = 1.0 + x.abs() / sigma + residual.params.lambda * sigma * residual.largest_rate();
        sum.value += log_density;
        sum.rounding += 1e-11 * log_density.abs() + 1e-14 + error * (error + 10.0 * steepest);
        if matrix.sparse.is_some() {
            sum.rounding += 1e-9;
        }
    }
    let factor = if matrix.symmetric { 0.5 } else { 1.0 };
    Rounded { value: factor * sum.value, rounding: factor * sum.rounding }
}

/// The effect of rounding of the residuals on the log-likelihood under heteroscedastic noise, which may be smaller than
/// the rounding.
pub(crate) fn rounding_error(matrix: &Matrix, scale: f64, residual: &Residual) -> f64 {
    if *residual.structure == NoiseStructure::Homoscedastic {
        return 0.0;
    }
    let largest = matrix.values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs())) * scale;
    let entry = |index: usize| {
        let scale_of_entry = residual.scale(matrix, index % matrix.nrow, index / matrix.nrow);
        let error = RESIDUAL_ROUNDING * largest / (residual.params.sigma * scale_of_entry);
        error + error * error
    };
    (0..matrix.values.len()).map(entry).sum()
}

impl Residual<'_> {
    fn scale(&self, matrix: &Matrix, row: usize, column: usize) -> f64 {
        match (self.structure, self.noise_sd) {
            (NoiseStructure::Known(NoiseScales::Outer { rows, columns }), _) => rows[row] * columns[column],
            (NoiseStructure::Known(NoiseScales::Entries(values)), _) => values[column * matrix.nrow + row],
            (_, Some(sd)) if matrix.symmetric => (sd[row] * sd[column]).sqrt(),
            (NoiseStructure::ByRow, Some(sd)) => sd[row],
            (NoiseStructure::ByColumn, Some(sd)) => sd[column],
            _ => 1.0,
        }
    }

    fn largest_rate(&self) -> f64 {
        self.prior.exponentials().fold(0.0, |largest: f64, (_, rate)| largest.max(rate))
    }

    /// `log [π_0 φ(x/σ)/σ + Σ_k π_k EMG(x)]`.
    fn log_density(&self, x: f64, sigma: f64) -> f64 {
        let t = x / sigma;
        let normal = -HALF_LOG_TAU - sigma.ln() - 0.5 * t * t;
        let atom = (self.prior.atom() > 0.0).then(|| self.prior.atom().ln() + normal);
        let exponential = |(weight, rate): (f64, f64)| {
            let lambda = self.params.lambda * rate;
            let z = t - lambda * sigma;
            let b = truncated_moments(z);
            // Two forms of the log-density; each is used where it has no cancellation.
            weight.ln()
                + if z < 0.0 {
                    normal + (lambda * sigma).ln() - b.hazard.ln()
                } else {
                    lambda.ln() - lambda * sigma * (t - 0.5 * lambda * sigma) + b.log_mass
                }
        };
        let terms: Vec<f64> = self.prior.exponentials().map(exponential).chain(atom).collect();
        let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        largest + terms.iter().map(|term| (term - largest).exp()).sum::<f64>().ln()
    }
}
