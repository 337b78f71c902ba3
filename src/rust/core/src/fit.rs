//! What the fit of one factor is, whichever method made it.

use crate::factor::{Factor, FreeFactor};
use crate::init::InitialLoadings;
use crate::noise::{Bounds, ResidualParams};
use crate::noise_derivatives::NoiseDerivatives;
use crate::posterior::FactorPosterior;
use crate::remainder_prior::RemainderPrior;
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::runtime::progress::ProgressCallback;
use crate::trace::{Status, Trace};

/// A factor and how it was found.
#[derive(Clone)]
pub struct FactorFit {
    /// The factor.
    pub factor: Factor,
    /// λ and σ after it.
    pub params: ResidualParams,
    /// The law of the remainder then.
    pub law: RemainderPrior,
    /// The standard deviations of the noise of rows, or columns, in units of σ, where they were estimated.
    pub deviations: Option<Vec<f64>>,
    /// What λ and σ were held within, where they were.
    pub bounds: Option<Bounds>,
    /// The least ratio `λσ` that the factor was found with, where it climbed a ladder of them.
    pub ratio_floor: Option<f64>,
    /// The log-likelihood of the matrix minus all factors so far, under that λ and σ.
    pub log_likelihood: f64,
    /// The number of entries that it is a sum over.
    pub count: f64,
    /// The ends of all rungs, where it climbed a ladder.
    pub ends: Vec<Factor>,
    /// What is believed of the loadings, where they have priors.
    pub beliefs: Option<FactorPosterior>,
    /// The variance of the factor, summed over the entries; 0 where it is known for certain.
    pub spread: f64,
    /// The slopes of the log-likelihood in log λ and log σ, where they were looked at.
    pub slopes: Option<NoiseDerivatives>,
    /// A value an iteration.
    pub trace: Vec<Trace>,
    /// Why the fit ended.
    pub status: Status,
}

/// All factors, refitted.
pub struct Refit {
    /// The factors, in the order given.
    pub factors: Vec<Factor>,
    /// λ and σ.
    pub params: ResidualParams,
    /// The law of the remainder.
    pub law: RemainderPrior,
    /// The standard deviations of the noise of rows, or columns, in units of σ, where they were estimated.
    pub deviations: Option<Vec<f64>>,
    /// What λ and σ were held within, where they were.
    pub bounds: Option<Bounds>,
    /// The log-likelihood of the matrix minus all factors.
    pub log_likelihood: f64,
    /// The number of entries that it is a sum over.
    pub count: f64,
    /// The slopes of the log-likelihood in log λ and log σ.
    pub slopes: NoiseDerivatives,
    /// A value a step.
    pub trace: Vec<Trace>,
    /// Why the climb of the loadings ended.
    pub status: Status,
    /// Whether its end was taken; if not, the flattest factors that it came by were.
    pub accepted: bool,
    /// What is believed of the loadings of those factors that are not fixed, where they have priors.
    pub beliefs: Vec<FactorPosterior>,
    /// The bound of the evidence; NaN where there are no priors.
    pub elbo: f64,
    /// The end of the climb, taken or not.
    pub top: CandidateRefit,
}

/// The end of a climb.
pub struct CandidateRefit {
    /// The factors.
    pub factors: Vec<Factor>,
    /// The log-likelihood of the matrix minus all factors.
    pub log_likelihood: f64,
}

/// A way to fit factors. Where it is interrupted before there is anything to return, it is given up (see
/// [`cancel`](crate::runtime::cancel)).
pub trait FactorFitter {
    /// Fits one factor to a view, from the start given or from one of its own.
    fn fit(
        &self,
        view: &ResidualView,
        start: Option<InitialLoadings>,
        threads: Threads,
        on_progress: &mut ProgressCallback,
    ) -> FactorFit;

    /// The weights of factors whose loadings are given, found anew; as they are, where the method has no way to find them.
    fn weights(&self, _: &ResidualView, factors: Vec<Factor>, _: Threads, _: &mut ProgressCallback) -> Vec<Factor> {
        factors
    }

    /// Refits factors that were found one by one, from where they stand, with λ and σ from `noise`, if that is
    /// known; `None` where the method has no way to do so.
    fn refit(
        &self,
        _: &ResidualView,
        _: &[FreeFactor],
        _: Option<ResidualParams>,
        _: Threads,
        _: &mut ProgressCallback,
    ) -> Option<Refit> {
        None
    }
}
