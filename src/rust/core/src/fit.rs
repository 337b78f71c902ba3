//! What the fit of one factor is, whichever method made it.

use crate::bayes::Beliefs;
use crate::estimate::likelihood::Slopes;
use crate::noise::{Bounds, Law, Noise};
use crate::observe::Observer;
use crate::parallel::Threads;
use crate::part::Part;
use crate::start::Start;
use crate::view::{Factor, View};

/// Why a fit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It no longer moved.
    Converged,
    /// No step gained more, though the slopes say that one should.
    Stalled,
    /// It was still moving when its iterations were used up.
    Maxiter,
    /// It was losing what had been found, or had lost it.
    Refused,
    /// Nothing is left for a factor: its loadings are zero.
    Null,
    /// The estimator found no positive λ and σ.
    Noise,
    /// The observer ended it.
    Interrupted,
}

/// One value an iteration.
#[derive(Clone, Copy, Debug)]
pub struct Trace {
    /// The log-likelihood after the iteration; NaN where it was not asked for.
    pub log_likelihood: f64,
    /// The bound of the evidence after the iteration; NaN where there are no priors.
    pub elbo: f64,
    /// The λ and σ of the iteration.
    pub noise: Noise,
    /// The stage of the fit that it belongs to, from 1. Within a stage nothing but the iterations moves anything.
    pub stage: usize,
}

/// A factor and how it was found.
#[derive(Clone)]
pub struct FactorFit {
    /// The factor.
    pub factor: Factor,
    /// λ and σ after it.
    pub noise: Noise,
    /// The law of the remainder then.
    pub law: Law,
    /// The standard deviations of the noise of rows, or columns, in units of σ, where they were estimated.
    pub deviations: Option<Vec<f64>>,
    /// What λ and σ were held within, where they were.
    pub bounds: Option<Bounds>,
    /// The least ratio `λσ` that the factor was found with, where it climbed a ladder of them.
    pub rung: Option<f64>,
    /// The log-likelihood of the matrix minus all factors so far, under that λ and σ.
    pub log_likelihood: f64,
    /// The number of entries that it is a sum over.
    pub count: f64,
    /// The ends of all rungs, where it climbed a ladder.
    pub ends: Vec<Factor>,
    /// What is believed of the loadings, where they have priors.
    pub beliefs: Option<Beliefs>,
    /// The variance of the factor, summed over the entries; 0 where it is known for certain.
    pub spread: f64,
    /// The slopes of the log-likelihood in log λ and log σ, where they were looked at.
    pub slopes: Option<Slopes>,
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
    pub noise: Noise,
    /// The law of the remainder.
    pub law: Law,
    /// The standard deviations of the noise of rows, or columns, in units of σ, where they were estimated.
    pub deviations: Option<Vec<f64>>,
    /// What λ and σ were held within, where they were.
    pub bounds: Option<Bounds>,
    /// The log-likelihood of the matrix minus all factors.
    pub log_likelihood: f64,
    /// The number of entries that it is a sum over.
    pub count: f64,
    /// The slopes of the log-likelihood in log λ and log σ.
    pub slopes: Slopes,
    /// A value a step.
    pub trace: Vec<Trace>,
    /// Why the climb of the loadings ended.
    pub status: Status,
    /// Whether its end was taken; if not, the flattest factors that it came by were.
    pub settled: bool,
    /// What is believed of the loadings of those factors that are not fixed, where they have priors.
    pub beliefs: Vec<Beliefs>,
    /// The bound of the evidence; NaN where there are no priors.
    pub elbo: f64,
    /// The end of the climb, taken or not.
    pub top: Top,
}

/// The end of a climb.
pub struct Top {
    /// The factors.
    pub factors: Vec<Factor>,
    /// The log-likelihood of the matrix minus all factors.
    pub log_likelihood: f64,
}

/// A way to fit factors. Where it is interrupted before there is anything to return, it is given up (see
/// [`cancel`](crate::cancel)).
pub trait Method {
    /// Fits one factor to a view, from the start given or from one of its own.
    fn fit(&self, view: &View, start: Option<Start>, threads: Threads, observer: &mut Observer) -> FactorFit;

    /// The weights of factors whose loadings are given, found anew; as they are, where the method has no way to find them.
    fn weights(&self, _: &View, factors: Vec<Factor>, _: Threads, _: &mut Observer) -> Vec<Factor> {
        factors
    }

    /// Refits factors that were found one by one, from where they stand, with λ and σ from `noise`, if that is
    /// known; `None` where the method has no way to do so.
    fn refit(&self, _: &View, _: &[Part], _: Option<Noise>, _: Threads, _: &mut Observer) -> Option<Refit> {
        None
    }
}
