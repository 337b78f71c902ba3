//! What a long computation tells its caller, and how the caller stops it.

use std::ops::ControlFlow;

/// What a fit is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// One factor.
    Factor,
    /// All factors so far, together.
    Refit,
    /// λ and σ, with the factors as they are.
    ResidualParams,
}

/// Where a fit stands, told after every iteration and, where iterations are long, within them.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What it is at.
    pub stage: Stage,
    /// The factor being fitted, from 0; of a refit, the last of those refitted.
    pub factor: usize,
    /// The iterations done.
    pub iteration: usize,
    /// The log-likelihood, in the units that the matrix is read in; NaN where it is not known.
    pub log_likelihood: f64,
    /// The number of entries that the log-likelihood sums over. In units of the matrix it is larger by this times the log of the
    /// scale.
    pub count: f64,
}

impl Progress {
    /// After so many iterations on the first factor.
    pub fn new(iteration: usize) -> Self {
        Self { stage: Stage::Factor, factor: 0, iteration, log_likelihood: f64::NAN, count: 0.0 }
    }

    /// The same, with a log-likelihood.
    pub fn at(self, log_likelihood: f64, count: f64) -> Self {
        Self { log_likelihood, count, ..self }
    }

    /// The same, of another stage and factor.
    pub fn of(self, stage: Stage, factor: usize) -> Self {
        Self { stage, factor, ..self }
    }
}

/// A listener on the calling thread. `Break` ends the fit, which returns what it has.
pub type ProgressCallback<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;
