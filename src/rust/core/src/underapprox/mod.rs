//! Certified underapproximation: the strict limit σ → 0 of the model.
//!
//! ```text
//! min ‖A − W‖   over   W = Σ_k d_k u_k v_kᵀ,   u, v ≥ 0,   W_ij ≤ A_ij wherever A_ij ≥ 0 is observed
//! ```
//!
//! The inequality holds for the numbers that are returned, in whatever order `W_ij` is evaluated in double arithmetic: the
//! factors are fitted to `(1 − m) A` with a margin `m` of some `K` roundings, no factor has both loadings where `A_ij = 0`,
//! and the sum of all is checked at the end. Where `A_ij < 0` a factor has no part either, since zero is the best
//! that it can do there; a missing entry bounds nothing.
//!
//! | step | module |
//! |---|---|
//! | a factor after another, each to what those before it leave (`residual`) | `search`: several starts, a race |
//! | how a start climbs | `ascent`: one `side` moves, the other follows (`row`, `limits`); `symmetric` |
//! | all factors again, in turn and together | `refine`, by `joint`: a quadratic programme a row |
//! | the proof | [`certificate()`] |
//!
//! The problem for one factor, with A binary, is the largest biclique (Gillis & Glineur 2010), so all of this is local
//! search. Every step keeps the factors feasible and the error from rising.

mod ascent;
mod certificate;
mod limits;
mod refine;
mod row;
mod row_qp;
mod search;
mod side;
mod sparse;
mod symmetric;
mod tally;
mod working_copy;

pub use certificate::certificate;
pub use tally::Certificate;

use crate::error::Error;
use crate::factor::Factor;
use crate::residual::{Buffer, Problem, ResidualView};
use crate::runtime::cancel::catch_cancellation;
use crate::runtime::parallel::Threads;
use crate::runtime::progress::{Progress, ProgressCallback, Stage};
use crate::storage::summary::power_of_two_near;
use crate::trace::Status;
use crate::vector::norm;
use search::{best_pair, End, Found};
use std::ops::ControlFlow;
use working_copy::{bounds, Pair, Residual};

/// How long to search, and how widely.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The most factors.
    pub count: usize,
    /// The most steps of a factor's climb, each a sweep over the columns and one over the rows.
    pub iterations: usize,
    /// A relative gain that ends a climb, and a relative fall of the squared error that ends the rounds.
    pub tolerance: f64,
    /// How many single rows or columns a factor's search starts from.
    pub starts: usize,
    /// The most rounds over all factors once they are found; 0 leaves them as deflation found them.
    pub rounds: usize,
    /// How often each factor in turn is given up for a better one. Slow, as every exchange is a search and some rounds.
    pub exchanges: usize,
}

impl Settings {
    /// Settings for `count` factors that need no tuning.
    pub fn new(count: usize) -> Self {
        Self { count, iterations: 30, tolerance: 1e-4, starts: 16, rounds: 20, exchanges: 1 }
    }
}

/// A factor of a certified underapproximation, and how it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Certified {
    /// The factor.
    pub factor: Factor,
    /// The steps of its first climb.
    pub iterations: usize,
    /// `‖A − W‖/‖A‖` with the factors up to this one, over the observed entries; NaN after an interrupt.
    pub error: f64,
    /// Why its first climb ended; null where there was nothing left for a factor.
    pub status: Status,
}

/// What was found for one factor.
struct Search {
    iterations: usize,
    status: Status,
}

/// Finds up to `settings.count` factors whose sum is nowhere larger than the matrix. An interrupt leaves fewer. These hold
/// as well, if only to roundings where the last look at them is given up.
///
/// # Errors
/// [`Error::Memory`] where the working copies find no room: two of a symmetric matrix, otherwise four.
pub fn underapproximate(
    problem: &Problem,
    settings: &Settings,
    threads: Threads,
    on_progress: &mut ProgressCallback,
) -> Result<Vec<Certified>, Error> {
    let mut stopped = false;
    let mut on_progress = |progress: Progress| {
        stopped = stopped || on_progress(progress).is_break();
        if stopped {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let view = problem.view(&[]);
    let unit = unit(&view, threads);
    let margin = 4.0 * (settings.count as f64 + 8.0) * f64::EPSILON;
    let bounds = bounds(&view.scaled_by(problem.scale / unit), margin)?;
    let mut residual = Residual::new(&bounds)?;
    let mut searches: Vec<Search> = Vec::new();
    let mut pairs: Vec<Pair> = Vec::new();
    let mut interrupted = false;
    while searches.len() < settings.count && !interrupted {
        let mut tell = |progress: Progress| on_progress(progress.in_stage(Stage::Factor, searches.len()));
        let found = catch_cancellation(|| {
            best_pair(residual.after(pairs.iter()), problem.symmetric, settings, threads, &mut tell)
        });
        let Found { pair, iterations, end } =
            found.unwrap_or(Found { pair: None, iterations: 0, end: End::Interrupted });
        interrupted = end == End::Interrupted;
        let status = match end {
            End::Interrupted => Status::Interrupted,
            _ if pair.is_none() => Status::Null,
            End::Converged => Status::Converged,
            End::Maxiter => Status::Maxiter,
        };
        searches.push(Search { iterations, status });
        pairs.extend(pair);
    }
    if !interrupted {
        let mut tell =
            |progress: Progress| on_progress(progress.in_stage(Stage::Refit, searches.len().saturating_sub(1)));
        let refined = catch_cancellation(|| {
            refine::refine(&mut pairs, &mut residual, problem.symmetric, settings, threads, &mut tell)
        });
        if let (true, Some(last)) = (refined.is_none_or(|flow| flow.is_break()), searches.last_mut()) {
            last.status = Status::Interrupted;
        }
    }
    pairs.resize_with(searches.len(), || Pair::nothing(&bounds));
    let mut factors: Vec<Factor> = pairs.into_iter().map(|pair| factor(pair, unit, problem.symmetric)).collect();
    let enforced = catch_cancellation(|| certificate::enforce(problem, &mut factors, threads));
    let looked = enforced
        .filter(|()| !stopped)
        .and_then(|()| catch_cancellation(|| certificate::errors(problem, &factors, threads)));
    if let (None, Some(last)) = (&looked, searches.last_mut()) {
        last.status = Status::Interrupted;
    }
    let errors = looked.unwrap_or_else(|| vec![f64::NAN; factors.len()]);
    Ok(report(factors, &searches, errors))
}

/// The factor of a pair, in units of the matrix.
fn factor(pair: Pair, unit: f64, symmetric: bool) -> Factor {
    let Pair { mut u, mut v } = pair;
    if norm(&u) == 0.0 || norm(&v) == 0.0 {
        u.fill(0.0);
        v.fill(0.0);
    }
    Factor::new(unit, &u, (!symmetric).then_some(&v[..])).normalised()
}

/// The factors with how they were found.
fn report(factors: Vec<Factor>, searches: &[Search], errors: Vec<f64>) -> Vec<Certified> {
    let found = factors.into_iter().zip(searches).zip(errors);
    let certified = |((factor, search), error): ((Factor, &Search), f64)| {
        let null = factor.d == 0.0 && search.status != Status::Interrupted;
        let status = if null { Status::Null } else { search.status };
        Certified { factor, iterations: search.iterations, error, status }
    };
    found.map(certified).collect()
}

/// The power of two near the largest observed `|A_ij|`, so that the search does not depend on the scale of A.
fn unit(view: &ResidualView, threads: Threads) -> f64 {
    let largest = threads.map(view.ncol(), |column| {
        let mut buffer = Buffer::new(view.nrow());
        let entries = view.column(column, 0..view.nrow(), &mut buffer);
        // `max` passes over missing entries.
        entries.iter().fold(0.0_f64, |largest, entry| largest.max(entry.abs()))
    });
    unit_of(largest.into_iter().fold(0.0, f64::max))
}

/// The power of two near the largest entry, or 1 where all are zero.
fn unit_of(largest: f64) -> f64 {
    if largest > 0.0 {
        power_of_two_near(largest)
    } else {
        1.0
    }
}
