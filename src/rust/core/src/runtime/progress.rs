//! Progress reports of long computations, and the callback that receives them.

/// The stage of a fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Fitting a single factor.
    Factor,
    /// Refitting all factors so far jointly.
    Refit,
    /// Estimating λ and σ with the factors fixed.
    ResidualParams,
}

/// The state of a fit, reported after every iteration and, if iterations are long, within them.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The stage.
    pub stage: Stage,
    /// The index of the factor being fitted, from 0; in a refit, of the last refitted factor.
    pub factor: usize,
    /// The number of completed iterations.
    pub iteration: usize,
    /// The log-likelihood, in the units that the matrix is read in; NaN if unknown.
    pub log_likelihood: f64,
    /// The number of entries in the log-likelihood. In the units of the user's matrix, the log-likelihood is larger by
    /// this number times the log of the scale.
    pub count: f64,
}

impl Progress {
    /// Returns the progress after `iteration` iterations on the first factor.
    pub fn new(iteration: usize) -> Self {
        Self { stage: Stage::Factor, factor: 0, iteration, log_likelihood: f64::NAN, count: 0.0 }
    }

    /// Sets the log-likelihood and its number of entries.
    pub fn with_log_likelihood(self, log_likelihood: f64, count: f64) -> Self {
        Self { log_likelihood, count, ..self }
    }

    /// Sets the stage and the factor.
    pub fn in_stage(self, stage: Stage, factor: usize) -> Self {
        Self { stage, factor, ..self }
    }
}

/// A progress callback, called on the calling thread. It only reports: a fit is ended through
/// [`cancel`](crate::runtime::cancel).
pub type ProgressCallback<'a> = dyn FnMut(Progress) + 'a;

/// The callback of a caller that wants no reports.
pub fn no_report(_: Progress) {}
