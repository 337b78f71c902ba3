//! The bound at some beliefs, and where each loading would go from there.

use super::belief::{Belief, Beliefs, Means};
use super::observed::over_observed;
use crate::noise::Noise;
use crate::parallel::Threads;
use crate::pass::{slopes, Sums};
use crate::vector::{dot, squares};
use crate::view::{Factor, View};

/// What the bound is of: a matrix minus what is certain.
pub(super) struct Target<'a> {
    pub(super) view: &'a View<'a>,
    pub(super) threads: Threads,
}

/// The bound at some beliefs.
#[derive(Clone)]
pub(super) struct Standing {
    pub(super) beliefs: Vec<Beliefs>,
    pub(super) noise: Noise,
    /// The sums of the sweep at the means.
    pub(super) sums: Sums,
    /// `V`, the variance of the low-rank part summed over the entries.
    pub(super) spread: f64,
    /// The bound.
    pub(super) elbo: f64,
    /// The best problems for the rows and for the columns of each factor, with all else held.
    pub(super) best: Vec<(Means, Option<Means>)>,
}

/// The bound, from the log-likelihood of what the means leave, the variance `V` of the low-rank part and the divergences of
/// the loadings from their priors.
pub(crate) fn bound(log_likelihood: f64, spread: f64, noise: Noise, divergence: f64) -> f64 {
    log_likelihood - spread / (2.0 * noise.sigma * noise.sigma) - divergence
}

/// A row of which nothing is seen gets a standard deviation of this many times the largest of the others.
const UNSEEN: f64 = 1e6;

impl Target<'_> {
    /// The bound, by one sweep.
    pub(super) fn standing(&self, beliefs: Vec<Beliefs>, noise: Noise) -> Standing {
        let means: Vec<Factor> = beliefs.iter().map(Beliefs::mean).collect();
        let (found, sums) = slopes(self.view, &means, noise, self.threads);
        let (mut spread, mut best) = (0.0, Vec::with_capacity(beliefs.len()));
        for (beliefs, (products, _)) in beliefs.iter().zip(&found) {
            let (rows, columns) = (&beliefs.rows, beliefs.columns.as_ref());
            let other = columns.unwrap_or(rows);
            let certain = over_observed(self.view, self.threads, &squares(&rows.mean), &squares(&other.mean));
            let unsure = over_observed(self.view, self.threads, &rows.variance, &other.variance);
            let sum = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a + b).collect() };
            let seconds = sum(&certain.rows, &unsure.rows);
            // Var[w y] = Var[w] E[y²] + E[w]² Var[y], a sum of positive terms.
            spread += dot(&rows.variance, &seconds) + dot(&squares(&rows.mean), &unsure.rows);
            best.push((
                problem(rows, &products.rows, &certain.rows, &seconds, noise.sigma),
                columns.map(|columns| {
                    let seconds = sum(&certain.columns, &unsure.columns);
                    problem(columns, &products.columns, &certain.columns, &seconds, noise.sigma)
                }),
            ));
        }
        if self.view.is_symmetric() {
            spread *= 0.5;
        }
        let costs: f64 = beliefs.iter().map(Beliefs::divergence).sum();
        let elbo = bound(sums.log_likelihood(noise), spread, noise, costs);
        Standing { beliefs, noise, sums, spread, elbo, best }
    }
}

/// `x` and `s` for one side, from its products with `x − b̄`, and the squares and second moments of the other side.
fn problem(belief: &Belief, products: &[f64], squares: &[f64], seconds: &[f64], sigma: f64) -> Means {
    let largest = seconds.iter().copied().fold(0.0, f64::max);
    let seen = |second: f64| second.max(largest / (UNSEEN * UNSEEN));
    let x = products.iter().zip(&belief.mean).zip(squares.iter().zip(seconds));
    let x = x.map(|((product, mean), (square, second))| (product + mean * square) / seen(*second)).collect();
    Means { x, s: seconds.iter().map(|second| sigma / seen(*second).sqrt()).collect() }
}
