//! What is believed of loadings: the product of the `q(w_i)`.

use crate::factor::Factor;
use crate::prior::{Maximum, Observations, Prior};
use crate::runtime::parallel::Threads;
use crate::vector::{norm, Contiguous};
use std::rc::Rc;

/// What is believed of the loadings `w` on one side of a factor.
#[derive(Clone, Debug)]
pub struct LoadingPosterior {
    /// The prior, its hyperparameters estimated.
    pub(crate) prior: Rc<dyn Prior>,
    /// The normal-means problem whose posterior this is.
    pub(crate) problem: NormalMeans,
    /// `E[w]`.
    pub mean: Vec<f64>,
    /// `Var[w]`.
    pub variance: Vec<f64>,
    /// `P(w = 0)`.
    pub zero: Vec<f64>,
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
    /// For a prior to be estimated from, or a posterior to be taken; `None` where it makes no sense, since the other
    /// side of the factor has vanished.
    pub(crate) fn observations(&self, threads: Threads) -> Option<Observations<'_>> {
        Observations::new(&self.x, &self.s).ok().map(|observations| observations.with_threads(threads))
    }
}

impl LoadingPosterior {
    /// The posterior of a problem under a prior.
    pub(crate) fn new(prior: Rc<dyn Prior>, problem: NormalMeans, threads: Threads) -> Option<Self> {
        let observations = problem.observations(threads)?;
        let posteriors = prior.posteriors(&observations);
        let divergences = posteriors.iter().zip(observations.iter()).map(|(q, (x, s))| q.kl(x, s));
        let kl = divergences.sum();
        let of = |value: fn(&crate::prior::Posterior) -> f64| posteriors.iter().map(value).collect();
        let (mean, variance, zero) = (of(|q| q.mean), of(|q| q.variance), of(|q| q.lfsr));
        Some(Self { prior, problem, mean, variance, zero, kl })
    }

    /// Loadings that are known for certain.
    pub(crate) fn certain(mean: Vec<f64>) -> Self {
        let problem = NormalMeans { x: mean.clone(), s: vec![1.0; mean.len()] };
        let zero = mean.iter().map(|mean| if *mean > 0.0 { 0.0 } else { 1.0 }).collect();
        Self { prior: Rc::new(Maximum), problem, variance: vec![0.0; mean.len()], mean, zero, kl: 0.0 }
    }

    /// The prior, its hyperparameters estimated.
    pub fn prior(&self) -> &dyn Prior {
        self.prior.as_ref()
    }

    /// The norm of the means.
    pub fn norm(&self) -> f64 {
        norm(&self.mean)
    }
}

/// What is believed of a factor.
#[derive(Clone, Debug)]
pub struct FactorPosterior {
    /// Its loadings on the rows.
    pub rows: LoadingPosterior,
    /// Those on the columns; `None` where the matrix is symmetric and they are those of the rows.
    pub columns: Option<LoadingPosterior>,
}

impl FactorPosterior {
    /// A factor that is known for certain, its weight shared out evenly.
    pub(crate) fn certain(factor: &Factor) -> Self {
        let root = factor.d.max(0.0).sqrt();
        let side =
            |loadings: &[f64]| LoadingPosterior::certain(loadings.iter().map(|loading| root * loading).collect());
        Self { rows: side(factor.u()), columns: factor.v.as_ref().map(|v| side(v.as_slice())) }
    }

    /// The factor of the means, its loadings of any norm.
    pub(crate) fn mean(&self) -> Factor {
        Factor::new(1.0, &self.rows.mean, self.columns.as_ref().map(|columns| &columns.mean[..]))
    }

    /// The norm of the means of each side once the weight of the factor is shared out evenly: only the product of the
    /// two norms is determined.
    pub fn even_norm(&self) -> f64 {
        let norm = self.rows.norm();
        (norm * self.columns.as_ref().map_or(norm, LoadingPosterior::norm)).sqrt()
    }

    /// What it costs in the bound.
    pub fn kl(&self) -> f64 {
        self.rows.kl + self.columns.as_ref().map_or(0.0, |columns| columns.kl)
    }
}
