//! Test matrices, and the pass computed entry by entry.

pub(crate) mod brute;
pub(crate) mod counted;
pub(crate) mod fitters;
pub(crate) mod means;
pub(crate) mod problems;
pub(crate) mod quadrature;
pub(crate) mod remainder_priors;

use nmu_core::distributions::mills::truncated_moments;
use nmu_core::pass::Model;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A generator for one test.
pub(crate) fn generator(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// `count` numbers, uniform on `[low, high)`.
pub(crate) fn uniform(generator: &mut ChaCha8Rng, count: usize, low: f64, high: f64) -> Vec<f64> {
    (0..count).map(|_| generator.random_range(low..high)).collect()
}

/// A matrix in column-major order, optionally symmetric.
pub(crate) fn matrix(generator: &mut ChaCha8Rng, nrow: usize, ncol: usize, symmetric: bool) -> Vec<f64> {
    let mut values = uniform(generator, nrow * ncol, -0.5, 2.0);
    if symmetric {
        for column in 0..ncol {
            for row in 0..column {
                values[row * nrow + column] = values[column * nrow + row];
            }
        }
    }
    values
}

/// The expected result of a sweep, from the scalar functions and plain sums over all entries.
#[derive(Default)]
pub(crate) struct ExpectedPass {
    pub(crate) rows: Vec<f64>,
    pub(crate) columns: Vec<f64>,
    pub(crate) row_curvatures: Vec<f64>,
    pub(crate) column_curvatures: Vec<f64>,
    pub(crate) count: f64,
    pub(crate) mean_b: f64,
    pub(crate) square_difference: f64,
    pub(crate) mean: f64,
    pub(crate) variance: f64,
    pub(crate) maximum: f64,
    pub(crate) log_likelihood: f64,
}

/// The expected result for a matrix in column-major order, in which missing entries are NaN. With `derivatives`,
/// products are those of `x − b̄` instead of `a − b̄`.
pub(crate) fn expected_pass(
    values: &[f64],
    nrow: usize,
    model: Model,
    p: &[f64],
    q: &[f64],
    derivatives: bool,
) -> ExpectedPass {
    let ncol = q.len();
    let (lambda, sigma) = (model.params.lambda, model.params.sigma);
    let mut sums = ExpectedPass {
        rows: vec![0.0; nrow],
        columns: vec![0.0; ncol],
        row_curvatures: vec![0.0; nrow],
        column_curvatures: vec![0.0; ncol],
        maximum: f64::NEG_INFINITY,
        ..ExpectedPass::default()
    };
    let mut residuals = Vec::new();
    for column in 0..ncol {
        for row in 0..nrow {
            let entry = values[column * nrow + row];
            let x = entry - model.factor.d * model.factor.u[row] * model.factor.v()[column];
            if x.is_nan() {
                // A missing entry is excluded from all sums, but EM imputes it by its expectation.
                let expected =
                    if derivatives { 0.0 } else { model.factor.d * model.factor.u[row] * model.factor.v()[column] };
                sums.rows[row] += expected * q[column];
                sums.columns[column] += expected * p[row];
                sums.square_difference += expected * expected;
                continue;
            }
            let b = truncated_moments(x / sigma - lambda * sigma);
            let difference = if derivatives { x } else { entry } - sigma * b.mean;
            let curvature = b.hazard * b.mean;
            sums.rows[row] += difference * q[column];
            sums.columns[column] += difference * p[row];
            sums.square_difference += difference * difference;
            sums.row_curvatures[row] += curvature * q[column] * q[column];
            sums.column_curvatures[column] += curvature * p[row] * p[row];
            sums.mean_b += sigma * b.mean;
            sums.log_likelihood += lambda.ln() + 0.5 * (lambda * sigma).powi(2) - lambda * x + b.log_mass;
            sums.maximum = sums.maximum.max(x);
            residuals.push(x);
        }
    }
    sums.count = residuals.len() as f64;
    sums.mean = residuals.iter().sum::<f64>() / sums.count;
    sums.variance = residuals.iter().map(|x| (x - sums.mean).powi(2)).sum::<f64>() / sums.count;
    sums
}

/// Whether two vectors agree within `tolerance` times the largest expected element.
pub(crate) fn close(actual: &[f64], expected: &[f64], tolerance: f64) -> bool {
    let scale = expected.iter().fold(1e-300_f64, |scale, value| scale.max(value.abs()));
    actual.len() == expected.len() && actual.iter().zip(expected).all(|(a, b)| (a - b).abs() <= tolerance * scale)
}

/// The swimmer data in column-major order: 256 images of 20 × 11 pixels, one per row. Each image has a torso of 12
/// pixels and four limbs of 5 pixels, each in one of four directions from its joint next to the torso. The joints are
/// always on, so the matrix is the sum of 17 binary factors: the torso with the joints, and 16 limbs without them.
pub(crate) fn swimmer() -> (Vec<f64>, usize, usize) {
    const PIXELS: usize = 20 * 11;
    const IMAGES: usize = 256;
    const JOINTS: [(i32, i32); 4] = [(6, -1), (6, 1), (13, -1), (13, 1)];
    const DIRECTIONS: [(i32, i32); 4] = [(-1, 1), (0, 1), (1, 1), (1, 0)];
    let pixel = |row: i32, column: i32| (row * 11 + column) as usize;
    let mut values = vec![0.0; IMAGES * PIXELS];
    for image in 0..IMAGES {
        (4..16).for_each(|row| values[pixel(row, 5) * IMAGES + image] = 1.0);
        for (limb, (row, side)) in JOINTS.into_iter().enumerate() {
            let (down, out) = DIRECTIONS[image >> (2 * limb) & 3];
            for step in 0..5 {
                values[pixel(row + step * down, 5 + side * (1 + step * out)) * IMAGES + image] = 1.0;
            }
        }
    }
    (values, IMAGES, PIXELS)
}
