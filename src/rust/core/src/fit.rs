//! What the fit of one factor is, whichever method made it.

use crate::noise::likelihood::Slopes;
use crate::noise::{Bounds, Noise};
use crate::observe::Observer;
use crate::parallel::Threads;
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
    /// The λ and σ of the iteration.
    pub noise: Noise,
    /// The stage of the fit that it belongs to, from 1. Within a stage nothing but the iterations moves anything.
    pub stage: usize,
}

/// A factor and how it was found.
pub struct FactorFit {
    /// The factor.
    pub factor: Factor,
    /// λ and σ after it.
    pub noise: Noise,
    /// What λ and σ were held within, where they were.
    pub bounds: Option<Bounds>,
    /// The least ratio `λσ` that the factor was found with, where it climbed a ladder of them.
    pub rung: Option<f64>,
    /// The log-likelihood of the matrix minus all factors so far, under that λ and σ.
    pub log_likelihood: f64,
    /// The number of entries that it is a sum over.
    pub count: f64,
    /// The slopes of the log-likelihood in log λ and log σ, where they were looked at.
    pub slopes: Option<Slopes>,
    /// A value an iteration.
    pub trace: Vec<Trace>,
    /// Why the fit ended.
    pub status: Status,
}

/// A way to fit one factor to a view.
pub trait FitFactor {
    /// Fits one factor from the start given, or from one of its own.
    fn fit(&self, view: &View, start: Option<Start>, threads: Threads, observer: &mut Observer) -> FactorFit;
}
