//! Laws of the remainder, and the pass under them written out entry by entry.

use nmu_core::factor::Factor;
use nmu_core::noise::NoiseScales;
use nmu_core::noise::ResidualParams;
use nmu_core::prior::{Family, Mixture, Observations, Prior, Shape};
use nmu_core::remainder_prior::RemainderPrior;

/// A point mass and one exponential, three of them, four far apart, and as many as there may be.
pub(crate) fn laws() -> Vec<RemainderPrior> {
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
    parts.iter().map(|parts| RemainderPrior::new(parts.iter().copied()).expect("a law")).collect()
}

/// The law as a prior of `b`.
pub(crate) fn prior(law: &RemainderPrior, params: ResidualParams) -> Box<dyn Prior> {
    let (weights, means): (Vec<f64>, Vec<f64>) = law.components().into_iter().unzip();
    let scales = means.iter().map(|mean| mean / params.lambda).collect();
    let family = Mixture::new(Shape::Exponential, Some(scales), Some(weights)).expect("scales and weights");
    family.estimate(&Observations::new(&[1.0], &[1.0]).expect("one observation"))
}

/// What a sweep must find, from the posterior of each entry. Of a symmetric matrix the sums are half of those over all entries.
#[derive(Default)]
pub(crate) struct Plain {
    pub(crate) rows: Vec<f64>,
    pub(crate) columns: Vec<f64>,
    pub(crate) row_curvatures: Vec<f64>,
    pub(crate) column_curvatures: Vec<f64>,
    pub(crate) deviations: Vec<f64>,
    pub(crate) mean: f64,
    pub(crate) log_likelihood: f64,
    pub(crate) slope: f64,
}

/// That of a matrix by columns, NaN where an entry is missing.
pub(crate) fn plain(
    values: &[f64],
    factor: &Factor,
    law: &RemainderPrior,
    params: ResidualParams,
    scales: Option<&NoiseScales>,
) -> Plain {
    let (nrow, ncol) = (factor.u.nrows(), factor.v().len());
    let mut sum = Plain {
        rows: vec![0.0; nrow],
        columns: vec![0.0; ncol],
        row_curvatures: vec![0.0; nrow],
        column_curvatures: vec![0.0; ncol],
        deviations: vec![0.0; nrow],
        ..Plain::default()
    };
    let prior = prior(law, params);
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
            let b = prior.posterior(x, sigma);
            let m = 1.0 - b.variance / (sigma * sigma);
            let square = ((x - b.mean).powi(2) + b.variance) / (sigma * sigma);
            sum.rows[row] += (x - b.mean) * q / (s * s);
            sum.columns[column] += (x - b.mean) * p / (s * s);
            sum.row_curvatures[row] += m * q * q / (s * s);
            sum.column_curvatures[column] += m * p * p / (s * s);
            sum.deviations[row] += square * q;
            sum.slope += square - 1.0;
            sum.mean += b.mean;
            sum.log_likelihood += b.log_marginal;
        }
    }
    let share = if factor.v.is_none() { 0.5 } else { 1.0 };
    [&mut sum.mean, &mut sum.log_likelihood, &mut sum.slope].into_iter().for_each(|part| *part *= share);
    sum
}
