//! The evidence lower bound at given posteriors, and the normal-means problem of each side of a factor.

use crate::factor::Factor;
use crate::fit;
use crate::noise::ResidualParams;
use crate::pass::gradient::loading_gradient;
use crate::pass::PassStats;
use crate::posterior::{FactorPosterior, LoadingPosterior, NormalMeans};
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::variational::observed_sums::observed_sums;
use crate::vector::{dot, squares, Contiguous};

/// The ELBO at given posteriors, and what the next step needs.
#[derive(Clone)]
pub(crate) struct ElboState {
    pub(crate) posteriors: Vec<FactorPosterior>,
    pub(crate) params: ResidualParams,
    /// Statistics of the pass at the posterior means.
    pub(crate) stats: PassStats,
    /// `V`, the posterior variance of the low-rank part summed over the entries.
    pub(crate) low_rank_variance: f64,
    pub(crate) elbo: f64,
    /// The normal-means problems of the rows and of the columns of each factor, all else held.
    pub(crate) problems: Vec<(NormalMeans, Option<NormalMeans>)>,
}

/// A row without observed entries has a standard deviation this many times the largest of the other rows.
const UNOBSERVED: f64 = 1e6;

impl ElboState {
    /// Computes the ELBO by one pass over `view`, from which the fixed factors are subtracted.
    pub(crate) fn new(
        view: &ResidualView,
        posteriors: Vec<FactorPosterior>,
        params: ResidualParams,
        threads: Threads,
    ) -> Self {
        let means: Vec<Factor> = posteriors.iter().map(FactorPosterior::mean).collect();
        let (gradients, stats) = loading_gradient(view, &means, params, threads);
        let (mut low_rank_variance, mut problems) = (0.0, Vec::with_capacity(posteriors.len()));
        for (posterior, (products, _)) in posteriors.iter().zip(&gradients) {
            let (rows, columns) = (&posterior.rows, posterior.columns.as_ref());
            let other = columns.unwrap_or(rows);
            let square_sums =
                observed_sums(view, threads, &squares(rows.mean.as_slice()), &squares(other.mean.as_slice()));
            let variance_sums = observed_sums(view, threads, rows.variance.as_slice(), other.variance.as_slice());
            let sum = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a + b).collect() };
            let second_moments = sum(square_sums.rows(), variance_sums.rows());
            // Var[w y] = Var[w] E[y²] + E[w]² Var[y], a sum of positive terms.
            low_rank_variance += dot(rows.variance.as_slice(), &second_moments)
                + dot(&squares(rows.mean.as_slice()), variance_sums.rows());
            problems.push((
                normal_means(rows, products.rows(), square_sums.rows(), &second_moments, params.sigma),
                columns.map(|columns| {
                    let second_moments = sum(square_sums.columns(), variance_sums.columns());
                    normal_means(columns, products.columns(), square_sums.columns(), &second_moments, params.sigma)
                }),
            ));
        }
        if view.is_symmetric() {
            low_rank_variance *= 0.5;
        }
        let kl: f64 = posteriors.iter().map(FactorPosterior::kl).sum();
        let elbo = fit::elbo(stats.log_likelihood(params), low_rank_variance, params, kl);
        Self { posteriors, params, stats, low_rank_variance, elbo, problems }
    }
}

/// `x` and `s` of one side, from its products with `x − b̄` and the sums of squares and of second moments of the other side.
fn normal_means(
    posterior: &LoadingPosterior,
    products: &[f64],
    square_sums: &[f64],
    second_moments: &[f64],
    sigma: f64,
) -> NormalMeans {
    let largest = second_moments.iter().copied().fold(0.0, f64::max);
    let positive = |second_moment: f64| second_moment.max(largest / (UNOBSERVED * UNOBSERVED));
    let x = products.iter().zip(posterior.mean.iter()).zip(square_sums.iter().zip(second_moments));
    let x = x.map(|((product, mean), (square, second_moment))| (product + mean * square) / positive(*second_moment));
    NormalMeans {
        x: x.collect(),
        s: second_moments.iter().map(|second_moment| sigma / positive(*second_moment).sqrt()).collect(),
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::ElboState;
    use crate::noise::{NoiseScales, ResidualParams};
    use crate::posterior::{FactorPosterior, LoadingPosterior, NormalMeans};
    use crate::prior::{Family, Observations, PointExponential, Prior};
    use crate::residual::ResidualView;
    use crate::runtime::parallel::Threads;
    use crate::storage::{Dense, Masked, Storage};
    use faer::MatRef;
    use std::rc::Rc;

    const PARAMS: ResidualParams = ResidualParams { lambda: 1.3, sigma: 0.4 };

    /// Numbers between 0 and 1 that look random enough.
    fn numbers(count: usize, seed: f64) -> Vec<f64> {
        (0..count).map(|index| ((index as f64 + seed) * 12.9898).sin().abs()).collect()
    }

    fn prior() -> Rc<dyn Prior> {
        let (weight, rate) = (Some(0.6), Some(1.5));
        let observations = Observations::new(&[1.0], &[1.0]).expect("one observation");
        Rc::from(PointExponential::new(weight, rate).expect("a prior").estimate(&observations))
    }

    fn posterior(count: usize, seed: f64) -> LoadingPosterior {
        let s = numbers(count, seed + 0.3).iter().map(|s| 0.2 + 0.3 * s).collect();
        let problem = NormalMeans { x: numbers(count, seed), s };
        LoadingPosterior::new(prior(), problem, Threads::new(1)).expect("a posterior")
    }

    /// The same posterior with one `x` moved.
    fn moved(posterior: &LoadingPosterior, index: usize, step: f64) -> LoadingPosterior {
        let mut problem = posterior.problem.clone();
        problem.x[index] += step;
        LoadingPosterior::new(Rc::clone(&posterior.prior), problem, Threads::new(1)).expect("a posterior")
    }

    /// The derivative of the ELBO in `x` of one loading. With `q` the posterior at `(x, s)`, `dE[w]/dx = Var[w]/s²` and
    /// `dE[w²]/dx = Cov[w, w²]/s²`. The derivatives of the ELBO in `E[w]` and `E[w²]` are `x*/s*² − x/s²` and
    /// `½/s² − ½/s*²` with the target `(x*, s*)`.
    fn derivative(posterior: &LoadingPosterior, target: &NormalMeans, index: usize) -> f64 {
        const STEP: f64 = 1e-5;
        let second_moment = |q: &LoadingPosterior| q.variance[index] + q.mean[index] * q.mean[index];
        let (up, down) = (moved(posterior, index, STEP), moved(posterior, index, -STEP));
        let precision = |s: f64| 1.0 / (s * s);
        let (present, wanted) = (precision(posterior.problem.s[index]), precision(target.s[index]));
        let in_mean = target.x[index] * wanted - posterior.problem.x[index] * present;
        let mean_change = up.mean[index] - down.mean[index];
        let moment_change = second_moment(&up) - second_moment(&down);
        (in_mean * mean_change + 0.5 * (present - wanted) * moment_change) / (2.0 * STEP)
    }

    fn gradient_matches_differences(
        storage: &dyn Storage,
        symmetric: bool,
        count: usize,
        scales: Option<&NoiseScales>,
    ) {
        let (nrow, ncol) = (storage.nrow(), storage.ncol());
        let view = ResidualView::new(storage, &[], symmetric).with_noise_scales(scales);
        let factor = |k: usize| FactorPosterior {
            rows: posterior(nrow, k as f64),
            columns: (!symmetric).then(|| posterior(ncol, 0.5 + k as f64)),
        };
        let posteriors: Vec<FactorPosterior> = (0..count).map(factor).collect();
        let evaluate = |posteriors: Vec<FactorPosterior>| ElboState::new(&view, posteriors, PARAMS, Threads::new(1));
        let state = evaluate(posteriors.clone());
        for (k, (rows, columns)) in state.problems.iter().enumerate() {
            let sides = [Some(rows), columns.as_ref()];
            let targets = sides.iter().enumerate().filter_map(|(side, target)| target.map(|target| (side, target)));
            for (side, target) in targets {
                for index in 0..target.x.len() {
                    const STEP: f64 = 1e-4;
                    let of_side = |posterior: &FactorPosterior| match side {
                        0 => posterior.rows.clone(),
                        _ => posterior.columns.clone().expect("columns"),
                    };
                    let elbo_after = |step: f64| {
                        let mut changed = posteriors.clone();
                        let new = moved(&of_side(&posteriors[k]), index, step);
                        match side {
                            0 => changed[k].rows = new,
                            _ => changed[k].columns = Some(new),
                        }
                        evaluate(changed).elbo
                    };
                    let difference = (elbo_after(STEP) - elbo_after(-STEP)) / (2.0 * STEP);
                    let expected = derivative(&of_side(&posteriors[k]), target, index);
                    let error = (difference - expected).abs();
                    assert!(error <= 1e-5 * (1.0 + expected.abs()), "{k} {side} {index}: {difference} {expected}");
                }
            }
        }
    }

    #[test]
    fn natural_gradient_matches_finite_differences_of_the_elbo() {
        let values = numbers(7 * 7, 3.0);
        let mirrored: Vec<f64> =
            (0..49).map(|index| values[(index % 7).max(index / 7) * 7 + (index % 7).min(index / 7)]).collect();
        let mut with_missing = values.clone();
        (0..49).step_by(4).for_each(|index| with_missing[index] = f64::NAN);
        fn dense(values: &[f64], nrow: usize, ncol: usize) -> Dense<'_> {
            Dense::new(MatRef::from_column_major_slice(values, nrow, ncol))
        }
        for count in [1, 2] {
            gradient_matches_differences(&dense(&values[..35], 5, 7), false, count, None);
            gradient_matches_differences(&Masked::new(dense(&with_missing, 7, 7)), false, count, None);
            gradient_matches_differences(&dense(&mirrored, 7, 7), true, count, None);
            let off_diagonal = Masked::without_diagonal(dense(&mirrored, 7, 7));
            gradient_matches_differences(&off_diagonal, true, count, None);
            let uneven = |length| numbers(length, 9.0).iter().map(|s| 0.5 + s).collect::<Vec<f64>>();
            let scales = NoiseScales::outer(uneven(5), uneven(7)).expect("scales");
            gradient_matches_differences(&dense(&values[..35], 5, 7), false, count, Some(&scales));
            let scales = NoiseScales::outer(uneven(7), uneven(7)).expect("scales");
            gradient_matches_differences(&off_diagonal, true, count, Some(&scales));
        }
    }

    #[test]
    fn low_rank_variance_is_the_sum_over_all_entries() {
        let values = numbers(5 * 7, 3.0);
        let storage = Dense::new(MatRef::from_column_major_slice(&values, 5, 7));
        let view = ResidualView::new(&storage, &[], false);
        let (rows, columns) = (posterior(5, 0.0), posterior(7, 0.5));
        let mut expected = 0.0;
        for (w, w_variance) in rows.mean.iter().zip(rows.variance.iter()) {
            for (y, y_variance) in columns.mean.iter().zip(columns.variance.iter()) {
                expected += (w_variance + w * w) * (y_variance + y * y) - (w * y).powi(2);
            }
        }
        let posteriors = vec![FactorPosterior { rows, columns: Some(columns) }];
        let found = ElboState::new(&view, posteriors, PARAMS, Threads::new(1)).low_rank_variance;
        assert!((found - expected).abs() <= 1e-13 * expected, "{found} {expected}");
    }
}
