//! Termination status and trace of an optimization.

use crate::noise::ResidualParams;

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
    NoEstimate,
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
    pub params: ResidualParams,
    /// The stage of the fit that it belongs to, from 1. Within a stage nothing but the iterations moves anything.
    pub stage: usize,
}
