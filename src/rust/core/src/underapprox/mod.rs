//! Certified underapproximation: the strict limit σ → 0 of the model.
//!
//! ```text
//! min ‖A − W‖   over   W = Σ_k d_k u_k v_kᵀ,   u, v ≥ 0,   W_ij ≤ A_ij wherever A_ij ≥ 0 is observed
//! ```
//!
//! The inequality holds for the numbers that are returned, for every order of evaluation of `W_ij` in double
//! arithmetic: the factors are fitted to `(1 − m) A` with a margin `m` of some `K` roundings, no factor has positive
//! loadings on both sides where `A_ij = 0`, and the sum of all factors is checked at the end. Where `A_ij < 0`, every
//! factor is zero too, since zero is the best nonnegative value. A missing entry sets no bound.
//!
//! | step | module |
//! |---|---|
//! | greedy factors, each fitted to the residual of those before it | `search`: several starts, successive halving |
//! | ascent from one start | `coordinate_ascent`: one side moves, the other is its `best_response`; `symmetric` |
//! | all factors again, in turn and jointly | `refine`, with one quadratic programme per row (`row_qp`) |
//! | matrices in memory: bounds and residual | `working_copy` |
//! | verification | [`certificate()`] |
//!
//! For a binary A the problem of one factor is the largest biclique (Gillis & Glineur 2010), so the method is a local
//! search. Every step keeps the factors feasible and does not increase the error.

mod best_response;
mod certificate;
mod coordinate_ascent;
mod refine;
mod row_qp;
mod search;
mod symmetric;
mod working_copy;

pub use certificate::{best_rank_shares, certificate, Certificate};

use crate::error::Error;
use crate::factor::Factor;
use crate::residual::{Buffer, Problem, ResidualView};
use crate::runtime::cancel::{catch_cancellation, is_stop_requested};
use crate::runtime::parallel::Threads;
use crate::runtime::progress::{Progress, ProgressCallback, Stage};
use crate::storage::summary::power_of_two_near;
use crate::trace::Status;
use crate::vector::{norm, Contiguous};
use certificate::STRIP_NCOL;
use search::{best_pair, SearchResult, Termination};
use working_copy::{Pair, Residual, WorkingCopy};

/// Options of a certified underapproximation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnderapproxOptions {
    /// The maximum number of factors.
    pub max_factors: usize,
    /// The maximum number of coordinate ascent steps per factor. A step is a pass over the columns and one over the
    /// rows.
    pub max_iterations: usize,
    /// The relative gain of a step, or the relative decrease of the squared error in a round, below which iterations
    /// end.
    pub tolerance: f64,
    /// The number of single rows or columns from which the search for a factor starts.
    pub starts: usize,
    /// The maximum number of refinement rounds over all factors; 0 for the greedy factors without refinement.
    pub rounds: usize,
    /// The maximum number of times that each factor in turn is replaced by a better one. Slow: every exchange needs a
    /// search and some rounds.
    pub exchanges: usize,
}

impl UnderapproxOptions {
    /// Returns the default options for up to `max_factors` factors.
    pub fn new(max_factors: usize) -> Self {
        Self { max_factors, max_iterations: 30, tolerance: 1e-4, starts: 16, rounds: 20, exchanges: 1 }
    }
}

/// A factor of a certified underapproximation.
#[derive(Clone, Debug, PartialEq)]
pub struct CertifiedFactor {
    /// The factor.
    pub factor: Factor,
    /// The number of coordinate ascent steps of its first search.
    pub iterations: usize,
    /// `‖A − W‖/‖A‖` with the factors up to this one, over the observed entries; NaN after an interrupt.
    pub error: f64,
    /// The termination status of its first search; null if there was nothing left for a factor.
    pub status: Status,
}

/// The iterations and the status of the search for one factor.
struct SearchSummary {
    iterations: usize,
    status: Status,
}

/// Finds up to `options.max_factors` factors whose sum exceeds no entry of the matrix.
///
/// After an interrupt there are fewer factors, which satisfy the bounds as well; if the final check itself is
/// cancelled, they do so only up to rounding.
///
/// # Errors
/// [`Error::Memory`] if the working copies cannot be allocated: two for a symmetric matrix, otherwise four.
pub fn underapproximate(
    problem: &Problem,
    options: &UnderapproxOptions,
    threads: Threads,
    on_progress: &mut ProgressCallback,
) -> Result<Vec<CertifiedFactor>, Error> {
    let view = problem.view(&[]);
    let unit = unit(&view, threads);
    let margin = 4.0 * (options.max_factors as f64 + 8.0) * f64::EPSILON;
    let bounds = WorkingCopy::bounds(&view.scaled_by(problem.scale / unit), margin)?;
    let mut residual = Residual::new(&bounds)?;
    let mut searches: Vec<SearchSummary> = Vec::new();
    let mut pairs: Vec<Pair> = Vec::new();
    let mut interrupted = false;
    while searches.len() < options.max_factors && !interrupted {
        let mut report = |progress: Progress| on_progress(progress.in_stage(Stage::Factor, searches.len()));
        let result = catch_cancellation(|| {
            best_pair(residual.of(pairs.iter()), problem.symmetric, options, threads, &mut report)
        });
        let cancelled = SearchResult { pair: None, iterations: 0, termination: Termination::Interrupted };
        let SearchResult { pair, iterations, termination } = result.unwrap_or(cancelled);
        interrupted = termination == Termination::Interrupted;
        let status = match termination {
            Termination::Interrupted => Status::Interrupted,
            _ if pair.is_none() => Status::Null,
            Termination::Converged => Status::Converged,
            Termination::MaxIterations => Status::Maxiter,
        };
        searches.push(SearchSummary { iterations, status });
        pairs.extend(pair);
    }
    if !interrupted {
        let mut report =
            |progress: Progress| on_progress(progress.in_stage(Stage::Refit, searches.len().saturating_sub(1)));
        let refined = catch_cancellation(|| {
            refine::refine(&mut pairs, &mut residual, problem.symmetric, options, threads, &mut report)
        });
        if let (true, Some(last)) = (refined.is_none_or(|flow| flow.is_break()), searches.last_mut()) {
            last.status = Status::Interrupted;
        }
    }
    pairs.resize_with(searches.len(), || bounds.zero_pair());
    let mut factors: Vec<Factor> = pairs.into_iter().map(|pair| to_factor(pair, unit, problem.symmetric)).collect();
    let enforced = catch_cancellation(|| certificate::enforce(problem, &mut factors, threads));
    // The errors cost a full pass, which is skipped after an interrupt.
    let errors = enforced
        .filter(|()| !is_stop_requested())
        .and_then(|()| catch_cancellation(|| certificate::relative_errors(problem, &factors, threads)));
    if let (None, Some(last)) = (&errors, searches.last_mut()) {
        last.status = Status::Interrupted;
    }
    let errors = errors.unwrap_or_else(|| vec![f64::NAN; factors.len()]);
    Ok(certified_factors(factors, &searches, errors))
}

/// Converts a pair to a factor in the units of the matrix.
fn to_factor(pair: Pair, unit: f64, symmetric: bool) -> Factor {
    let Pair { mut u, mut v } = pair;
    if norm(u.as_slice()) == 0.0 || norm(v.as_slice()) == 0.0 {
        u.fill(0.0);
        v.fill(0.0);
    }
    Factor { d: unit, u, v: (!symmetric).then_some(v) }.normalised()
}

/// Combines factors, searches and errors.
fn certified_factors(factors: Vec<Factor>, searches: &[SearchSummary], errors: Vec<f64>) -> Vec<CertifiedFactor> {
    let certified = |((factor, search), error): ((Factor, &SearchSummary), f64)| {
        let null = factor.d == 0.0 && search.status != Status::Interrupted;
        let status = if null { Status::Null } else { search.status };
        CertifiedFactor { factor, iterations: search.iterations, error, status }
    };
    factors.into_iter().zip(searches).zip(errors).map(certified).collect()
}

/// Returns the power of two near the largest observed `|A_ij|`, so that the search does not depend on the scale of A.
fn unit(view: &ResidualView, threads: Threads) -> f64 {
    let largest = threads.map(view.ncol().div_ceil(STRIP_NCOL), |strip| {
        let columns = strip * STRIP_NCOL..((strip + 1) * STRIP_NCOL).min(view.ncol());
        let mut buffer = Buffer::new(view.nrow(), columns.end);
        columns.fold(0.0_f64, |largest, column| {
            let entries = view.column(column, 0..view.nrow(), &mut buffer);
            // `max` ignores missing entries.
            entries.iter().fold(largest, |largest, entry| largest.max(entry.abs()))
        })
    });
    unit_of(largest.into_iter().fold(0.0, f64::max))
}

/// Returns the power of two near `largest`, or 1 if it is zero.
fn unit_of(largest: f64) -> f64 {
    if largest > 0.0 {
        power_of_two_near(largest)
    } else {
        1.0
    }
}
