//! Termination status and trace of an iteration.

use crate::noise::ResidualParams;

/// Why a fit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The stopping rule holds.
    Converged,
    /// No step raised the objective, although its gradient is not zero.
    Stalled,
    /// The maximum number of iterations was reached.
    Maxiter,
    /// No factor improves the objective; its loadings are zero.
    Null,
    /// The estimator gave no positive λ and σ.
    NoEstimate,
    /// It was stopped or cancelled (see [`crate::runtime::cancel`]).
    Interrupted,
}

/// One iteration.
#[derive(Clone, Copy, Debug)]
pub struct Trace {
    /// Log-likelihood after the iteration; NaN if it was not computed.
    pub log_likelihood: f64,
    /// Evidence lower bound after the iteration; NaN without priors.
    pub elbo: f64,
    /// λ and σ after the iteration.
    pub params: ResidualParams,
    /// Number of the stage, from 1. Within a stage the objective does not change.
    pub stage: usize,
}
