//! Posteriors of the loadings of a factor, products of the `q(w_i)`.

use crate::factor::Factor;
use crate::prior::{Maximum, Observations, Prior};
use crate::runtime::parallel::Threads;
use crate::vector::{column, norm, Contiguous};
use faer::Col;
use std::rc::Rc;

/// Posterior of the loadings `w` on one side of a factor.
#[derive(Clone, Debug)]
pub struct LoadingPosterior {
    /// The prior, with its hyperparameters estimated.
    pub(crate) prior: Rc<dyn Prior>,
    /// The normal-means problem whose posterior this is.
    pub(crate) problem: NormalMeans,
    /// `E[w]`.
    pub mean: Col<f64>,
    /// `Var[w]`.
    pub variance: Col<f64>,
    /// `P(w = 0)`: the local false sign rate, since no `w` is negative.
    pub lfsr: Col<f64>,
    /// `Σ KL(q(w_i) ‖ g)`.
    pub kl: f64,
}

/// A normal-means problem: values and their standard deviations.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NormalMeans {
    pub(crate) x: Vec<f64>,
    pub(crate) s: Vec<f64>,
}

impl NormalMeans {
    /// The observations of the problem; `None` if they are not finite, because the other side of the factor is zero.
    pub(crate) fn observations(&self, threads: Threads) -> Option<Observations<'_>> {
        Observations::new(&self.x, &self.s).ok().map(|observations| observations.with_threads(threads))
    }
}

impl LoadingPosterior {
    /// The posterior of a problem under a prior.
    pub(crate) fn new(prior: Rc<dyn Prior>, problem: NormalMeans, threads: Threads) -> Option<Self> {
        let observations = problem.observations(threads)?;
        let posteriors = prior.posteriors(&observations);
        let kls = posteriors.iter().zip(observations.iter()).map(|(q, (x, s))| q.kl(x, s));
        let kl = kls.sum();
        let of = |value: fn(&crate::prior::Posterior) -> f64| posteriors.iter().map(value).collect();
        let (mean, variance, lfsr) = (of(|q| q.mean), of(|q| q.variance), of(|q| q.lfsr));
        Some(Self { prior, problem, mean, variance, lfsr, kl })
    }

    /// Loadings without uncertainty.
    pub(crate) fn certain(mean: Vec<f64>) -> Self {
        let count = mean.len();
        let problem = NormalMeans { x: mean.clone(), s: vec![1.0; count] };
        let lfsr = mean.iter().map(|mean| if *mean > 0.0 { 0.0 } else { 1.0 }).collect();
        Self { prior: Rc::new(Maximum), problem, variance: Col::zeros(count), mean: column(&mean), lfsr, kl: 0.0 }
    }

    /// The prior, its hyperparameters estimated.
    pub fn prior(&self) -> &dyn Prior {
        self.prior.as_ref()
    }

    /// Norm of the posterior means.
    pub fn norm(&self) -> f64 {
        norm(self.mean.as_slice())
    }
}

/// Posterior of the loadings of a factor.
#[derive(Clone, Debug)]
pub struct FactorPosterior {
    /// Posterior of the loadings of the rows.
    pub rows: LoadingPosterior,
    /// Posterior of the loadings of the columns; `None` if the matrix is symmetric, so that it is that of the rows.
    pub columns: Option<LoadingPosterior>,
}

impl FactorPosterior {
    /// A factor without uncertainty, its weight divided evenly between the sides.
    pub(crate) fn certain(factor: &Factor) -> Self {
        let root = factor.d.max(0.0).sqrt();
        let side =
            |loadings: &[f64]| LoadingPosterior::certain(loadings.iter().map(|loading| root * loading).collect());
        Self { rows: side(factor.u()), columns: factor.v.as_ref().map(|v| side(v.as_slice())) }
    }

    /// The factor of the posterior means, its loadings of any norm.
    pub(crate) fn mean(&self) -> Factor {
        Factor { d: 1.0, u: self.rows.mean.clone(), v: self.columns.as_ref().map(|columns| columns.mean.clone()) }
    }

    /// Norm of the means of each side if the weight is divided evenly: only the product of the two norms is identified.
    pub fn even_norm(&self) -> f64 {
        let norm = self.rows.norm();
        (norm * self.columns.as_ref().map_or(norm, LoadingPosterior::norm)).sqrt()
    }

    /// Divergence of the loadings from their priors, summed over both sides.
    pub fn kl(&self) -> f64 {
        self.rows.kl + self.columns.as_ref().map_or(0.0, |columns| columns.kl)
    }
}
