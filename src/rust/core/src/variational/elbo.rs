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
use crate::vector::{dot, squares};

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
            let square_sums = observed_sums(view, threads, &squares(&rows.mean), &squares(&other.mean));
            let variance_sums = observed_sums(view, threads, &rows.variance, &other.variance);
            let sum = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a + b).collect() };
            let second_moments = sum(&square_sums.rows, &variance_sums.rows);
            // Var[w y] = Var[w] E[y²] + E[w]² Var[y], a sum of positive terms.
            low_rank_variance += dot(&rows.variance, &second_moments) + dot(&squares(&rows.mean), &variance_sums.rows);
            problems.push((
                normal_means(rows, &products.rows, &square_sums.rows, &second_moments, params.sigma),
                columns.map(|columns| {
                    let second_moments = sum(&square_sums.columns, &variance_sums.columns);
                    normal_means(columns, &products.columns, &square_sums.columns, &second_moments, params.sigma)
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
    let x = products.iter().zip(&posterior.mean).zip(square_sums.iter().zip(second_moments));
    let x = x.map(|((product, mean), (square, second_moment))| (product + mean * square) / positive(*second_moment));
    NormalMeans {
        x: x.collect(),
        s: second_moments.iter().map(|second_moment| sigma / positive(*second_moment).sqrt()).collect(),
    }
}
