//! Priors of the remainder, and the pass under them computed entry by entry.

use nmu_core::factor::Factor;
use nmu_core::noise::{NoiseScales, ResidualParams};
use nmu_core::prior::{Family, Mixture, Observations, Prior, Shape};
use nmu_core::remainder_prior::RemainderPrior;

/// A point mass and one exponential; three exponentials; a point mass and three exponentials far apart; and as many as allowed.
pub(crate) fn remainder_priors() -> Vec<RemainderPrior> {
    let parts: [&[(f64, f64)]; 4] = [
        &[(0.7, 0.0), (0.3, 1.0)],
        &[(0.5, 0.1), (0.3, 1.0), (0.2, 5.0)],
        &[(0.9, 0.0), (0.04, 0.01), (0.05, 1.0), (0.01, 100.0)],
        &[
            (0.1, 0.0),
            (0.1, 0.1),
            (0.1, 0.2),
            (0.1, 0.4),
            (0.1, 0.8),
            (0.1, 1.6),
            (0.1, 3.2),
            (0.1, 6.4),
            (0.1, 12.0),
            (0.04, 25.0),
            (0.03, 50.0),
            (0.02, 100.0),
            (0.01, 200.0),
        ],
    ];
    parts.iter().map(|parts| RemainderPrior::new(parts.iter().copied()).expect("a valid prior")).collect()
}

/// The same prior as a prior of `b` in the general form.
pub(crate) fn general_prior(remainder_prior: &RemainderPrior, params: ResidualParams) -> Box<dyn Prior> {
    let (weights, means): (Vec<f64>, Vec<f64>) = remainder_prior.components().into_iter().unzip();
    let scales = means.iter().map(|mean| mean / params.lambda).collect();
    let family = Mixture::new(Shape::Exponential, Some(scales), Some(weights)).expect("scales and weights");
    family.estimate(&Observations::new(&[1.0], &[1.0]).expect("one observation"))
}

/// The expected result of a sweep, from the posterior of each entry. For a symmetric matrix the sums are half of those over
/// all entries.
#[derive(Default)]
pub(crate) struct ExpectedPass {
    pub(crate) rows: Vec<f64>,
    pub(crate) columns: Vec<f64>,
    pub(crate) row_curvatures: Vec<f64>,
    pub(crate) column_curvatures: Vec<f64>,
    pub(crate) noise_squares: Vec<f64>,
    pub(crate) mean: f64,
    pub(crate) log_likelihood: f64,
    pub(crate) sigma_derivative: f64,
}

/// The expected result for a matrix in column-major order, in which missing entries are NaN.
pub(crate) fn expected_pass(
    values: &[f64],
    factor: &Factor,
    remainder_prior: &RemainderPrior,
    params: ResidualParams,
    scales: Option<&NoiseScales>,
) -> ExpectedPass {
    let (nrow, ncol) = (factor.u.nrows(), factor.v().len());
    let mut sum = ExpectedPass {
        rows: vec![0.0; nrow],
        columns: vec![0.0; ncol],
        row_curvatures: vec![0.0; nrow],
        column_curvatures: vec![0.0; ncol],
        noise_squares: vec![0.0; nrow],
        ..ExpectedPass::default()
    };
    let general = general_prior(remainder_prior, params);
    for column in 0..ncol {
        for row in 0..nrow {
            let (p, q) = (factor.u[row], factor.v()[column]);
            let x = values[column * nrow + row] - factor.d * p * q;
            if x.is_nan() {
                continue;
            }
            let s = match scales {
                None => 1.0,
                Some(NoiseScales::Outer { rows, columns }) => rows[row] * columns[column],
                Some(NoiseScales::Entries(values)) => values[column * nrow + row],
            };
            let sigma = params.sigma * s;
            let b = general.posterior(x, sigma);
            let m = 1.0 - b.variance / (sigma * sigma);
            let square = ((x - b.mean).powi(2) + b.variance) / (sigma * sigma);
            sum.rows[row] += (x - b.mean) * q / (s * s);
            sum.columns[column] += (x - b.mean) * p / (s * s);
            sum.row_curvatures[row] += m * q * q / (s * s);
            sum.column_curvatures[column] += m * p * p / (s * s);
            sum.noise_squares[row] += square * q;
            sum.sigma_derivative += square - 1.0;
            sum.mean += b.mean;
            sum.log_likelihood += b.log_marginal;
        }
    }
    let weight = if factor.v.is_none() { 0.5 } else { 1.0 };
    [&mut sum.mean, &mut sum.log_likelihood, &mut sum.sigma_derivative].into_iter().for_each(|part| *part *= weight);
    sum
}
