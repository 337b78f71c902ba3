//! The bound at some beliefs, and where each loading would go from there.

use crate::factor::Factor;
use crate::noise::ResidualParams;
use crate::pass::gradient::loading_gradient;
use crate::pass::PassStats;
use crate::posterior::{FactorPosterior, LoadingPosterior, NormalMeans};
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::variational::observed_sums::observed_sums;
use crate::vector::{dot, squares};

/// What the bound is of: a matrix minus what is certain.
pub(crate) struct Target<'a> {
    pub(crate) view: &'a ResidualView<'a>,
    pub(crate) threads: Threads,
}

/// The bound at some beliefs.
#[derive(Clone)]
pub(crate) struct ElboState {
    pub(crate) beliefs: Vec<FactorPosterior>,
    pub(crate) params: ResidualParams,
    /// The sums of the sweep at the means.
    pub(crate) sums: PassStats,
    /// `V`, the variance of the low-rank part summed over the entries.
    pub(crate) spread: f64,
    /// The bound.
    pub(crate) elbo: f64,
    /// The best problems for the rows and for the columns of each factor, with all else held.
    pub(crate) best: Vec<(NormalMeans, Option<NormalMeans>)>,
}

/// The bound, from the log-likelihood of what the means leave, the variance `V` of the low-rank part and the divergences of
/// the loadings from their priors.
pub(crate) fn bound(log_likelihood: f64, spread: f64, params: ResidualParams, kl: f64) -> f64 {
    log_likelihood - spread / (2.0 * params.sigma * params.sigma) - kl
}

/// A row of which nothing is seen gets a standard deviation of this many times the largest of the others.
const UNSEEN: f64 = 1e6;

impl Target<'_> {
    /// The bound, by one sweep.
    pub(crate) fn standing(&self, beliefs: Vec<FactorPosterior>, params: ResidualParams) -> ElboState {
        let means: Vec<Factor> = beliefs.iter().map(FactorPosterior::mean).collect();
        let (found, sums) = loading_gradient(self.view, &means, params, self.threads);
        let (mut spread, mut best) = (0.0, Vec::with_capacity(beliefs.len()));
        for (beliefs, (products, _)) in beliefs.iter().zip(&found) {
            let (rows, columns) = (&beliefs.rows, beliefs.columns.as_ref());
            let other = columns.unwrap_or(rows);
            let certain = observed_sums(self.view, self.threads, &squares(&rows.mean), &squares(&other.mean));
            let unsure = observed_sums(self.view, self.threads, &rows.variance, &other.variance);
            let sum = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a + b).collect() };
            let seconds = sum(certain.rows(), unsure.rows());
            // Var[w y] = Var[w] E[y²] + E[w]² Var[y], a sum of positive terms.
            spread += dot(&rows.variance, &seconds) + dot(&squares(&rows.mean), unsure.rows());
            best.push((
                problem(rows, products.rows(), certain.rows(), &seconds, params.sigma),
                columns.map(|columns| {
                    let seconds = sum(certain.columns(), unsure.columns());
                    problem(columns, products.columns(), certain.columns(), &seconds, params.sigma)
                }),
            ));
        }
        if self.view.is_symmetric() {
            spread *= 0.5;
        }
        let costs: f64 = beliefs.iter().map(FactorPosterior::kl).sum();
        let elbo = bound(sums.log_likelihood(params), spread, params, costs);
        ElboState { beliefs, params, sums, spread, elbo, best }
    }
}

/// `x` and `s` for one side, from its products with `x − b̄`, and the squares and second moments of the other side.
fn problem(belief: &LoadingPosterior, products: &[f64], squares: &[f64], seconds: &[f64], sigma: f64) -> NormalMeans {
    let largest = seconds.iter().copied().fold(0.0, f64::max);
    let seen = |second: f64| second.max(largest / (UNSEEN * UNSEEN));
    let x = products.iter().zip(&belief.mean).zip(squares.iter().zip(seconds));
    let x = x.map(|((product, mean), (square, second))| (product + mean * square) / seen(*second)).collect();
    NormalMeans { x, s: seconds.iter().map(|second| sigma / seen(*second).sqrt()).collect() }
}
