//! Factor after factor: each is fitted to the matrix minus those before it.

use crate::em::{self, Settings, Status, Trace};
use crate::noise::Noise;
use crate::observe::Observer;
use crate::parallel::Threads;
use crate::pass::{sweep, Depth, Model, Question};
use crate::start::leading_start;
use crate::storage::Storage;
use crate::view::{Factor, View};

/// How one factor was found.
pub struct Step {
    /// λ and σ after it.
    pub noise: Noise,
    /// The log-likelihood of the matrix minus all factors so far, under that λ and σ.
    pub log_likelihood: f64,
    /// Why its iteration ended.
    pub status: Status,
    /// A value an iteration.
    pub trace: Vec<Trace>,
}

/// The factors in the order in which they were taken out, and how each was found.
pub struct Deflation {
    /// The factors.
    pub factors: Vec<Factor>,
    /// One step a factor.
    pub steps: Vec<Step>,
}

/// Takes `count` factors out of a matrix, one after another, each by the notebook's iteration from its own start.
///
/// It ends early where λ and σ can no longer be estimated or the observer says so; the last factor is kept.
pub fn deflate(
    storage: &dyn Storage,
    symmetric: bool,
    count: usize,
    settings: &Settings,
    threads: Threads,
    observer: &mut Observer,
) -> Deflation {
    let mut done = Deflation { factors: Vec::new(), steps: Vec::new() };
    for index in 0..count {
        let view = View::new(storage, &done.factors, symmetric);
        let start = leading_start(&view, threads);
        let mut tell = |mut progress: crate::observe::Progress| {
            progress.factor = index;
            observer(progress)
        };
        let fit = em::iterate(&view, start, settings, threads, &mut tell);
        let log_likelihood = log_likelihood(&view, &fit.factor, fit.noise, threads);
        let ended = matches!(fit.status, Status::Noise | Status::Interrupted);
        done.steps.push(Step { noise: fit.noise, log_likelihood, status: fit.status, trace: fit.trace });
        done.factors.push(fit.factor);
        if ended {
            break;
        }
    }
    done
}

/// The log-likelihood of the view minus a factor.
fn log_likelihood(view: &View, factor: &Factor, noise: Noise, threads: Threads) -> f64 {
    let question = Question {
        row_weights: &factor.u,
        column_weights: factor.v(),
        shift: 1.0 / noise.lambda,
        depth: Depth::Likelihood,
    };
    sweep(view, Model { factor, noise }, &question, threads).sums.log_likelihood(noise)
}
