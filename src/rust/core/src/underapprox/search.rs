//! Search for one factor: coordinate ascent from several starts, with successive halving of the candidates.

use crate::runtime::cancel;
use crate::runtime::parallel::{StopCheck, Threads};
use crate::runtime::progress::{Progress, ProgressCallback};
use crate::underapprox::coordinate_ascent::PairState;
use crate::underapprox::symmetric::improve_symmetric;
use crate::underapprox::working_copy::{column_sum_of_squares, Pair, WorkingCopy};
use crate::underapprox::UnderapproxOptions;
use faer::Col;

/// The number of candidates that successive halving keeps.
const FINALISTS: usize = 2;
/// Two candidates whose gains agree to this relative tolerance count as one.
const DUPLICATE_TOLERANCE: f64 = 1e-9;

/// Termination reason of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Termination {
    /// The gain no longer increased.
    Converged,
    /// The iteration limit was reached.
    MaxIterations,
    /// A stop was requested.
    Interrupted,
}

/// Result of a search.
pub(super) struct SearchResult {
    /// The best pair; `None` if no entry of the residual is positive.
    pub(super) pair: Option<Pair>,
    /// The number of coordinate ascent steps.
    pub(super) iterations: usize,
    pub(super) termination: Termination,
}

/// Searches for the feasible `u vᵀ` that reduces the squared error of `residual` most.
pub(super) fn best_pair(
    residual: &WorkingCopy,
    symmetric: bool,
    options: &UnderapproxOptions,
    threads: Threads,
    on_progress: &mut ProgressCallback,
) -> SearchResult {
    let mut candidates = starts(residual, options.starts, threads, &mut || stop_requested(on_progress, 0));
    let (iterations, mut termination) = successive_halving(&mut candidates, residual, options, threads, on_progress);
    if symmetric {
        let improve =
            |index: usize, stop: &mut StopCheck| improve_symmetric(residual.by_column(), &candidates[index].pair, stop);
        candidates = threads.map_with_stop(candidates.len(), improve, &mut || stop_requested(on_progress, iterations));
        sort_by_gain(&mut candidates);
        if stop_requested(on_progress, iterations) {
            termination = Termination::Interrupted;
        }
    }
    let best = candidates.into_iter().next().filter(|best| best.gain > 0.0);
    SearchResult { pair: best.map(|best| best.pair), iterations, termination }
}

/// Reports progress and returns whether to stop. Since iterations are long, this is also done within them.
pub(super) fn stop_requested(on_progress: &mut ProgressCallback, iteration: usize) -> bool {
    on_progress(Progress::new(iteration));
    cancel::is_stop_requested()
}

/// Improves a pair by a few steps of coordinate ascent.
pub(super) fn improve(
    residual: &WorkingCopy,
    symmetric: bool,
    pair: &Pair,
    steps: usize,
    stop: &mut StopCheck,
) -> PairState {
    let mut state = PairState::new(residual, pair.v.clone());
    for _ in 0..steps {
        state.step(residual, stop);
    }
    if !symmetric {
        return state;
    }
    let mut improve = |pair: &Pair| improve_symmetric(residual.by_column(), pair, stop);
    let (from_pair, from_state) = (improve(pair), improve(&state.pair));
    if from_state.gain > from_pair.gain {
        from_state
    } else {
        from_pair
    }
}

/// Sorts candidates by decreasing gain.
fn sort_by_gain(candidates: &mut [PairState]) {
    candidates.sort_by(|one, other| other.gain.total_cmp(&one.gain));
}

/// Returns `count` starts: the rows or the columns, whichever are fewer, with the largest sums of squares.
fn starts(residual: &WorkingCopy, count: usize, threads: Threads, stop: &mut StopCheck) -> Vec<PairState> {
    let by_column = residual.by_column().ncols() <= residual.by_row().ncols();
    let matrix = if by_column { residual.by_column() } else { residual.by_row() };
    let sum_of_squares = |index: usize| -> f64 {
        cancel::check();
        column_sum_of_squares(matrix, index)
    };
    let mut ranking: Vec<(f64, usize)> = (0..matrix.ncols()).map(|index| (sum_of_squares(index), index)).collect();
    ranking.retain(|&(square, _)| square > 0.0);
    ranking.sort_by(|one, other| other.0.total_cmp(&one.0));
    ranking.truncate(count);
    let start = |rank: usize, stop: &mut StopCheck| {
        let index = ranking[rank].1;
        if stop() {
            return PairState::new(residual, Col::zeros(residual.by_column().ncols()));
        }
        if by_column {
            let mut v = Col::zeros(matrix.ncols());
            v[index] = 1.0;
            PairState::new(residual, v)
        } else {
            // `max` replaces missing entries by zero.
            let v = matrix.col_as_slice(index).iter().map(|value| value.max(0.0)).collect();
            PairState::new(residual, v)
        }
    };
    threads.map_with_stop(ranking.len(), start, stop)
}

/// Runs coordinate ascent on all candidates, one step at a time, and drops the worse half after each step. The
/// remaining candidates are sorted by decreasing gain. Returns the number of steps and the termination reason.
fn successive_halving(
    candidates: &mut Vec<PairState>,
    residual: &WorkingCopy,
    options: &UnderapproxOptions,
    threads: Threads,
    on_progress: &mut ProgressCallback,
) -> (usize, Termination) {
    let mut best_gain = 0.0;
    for iteration in 1..=options.max_iterations {
        let step = |index: usize, stop: &mut StopCheck| {
            let mut state = candidates[index].clone();
            state.step(residual, stop);
            state
        };
        *candidates = threads.map_with_stop(candidates.len(), step, &mut || stop_requested(on_progress, iteration - 1));
        sort_by_gain(candidates);
        candidates.dedup_by(|one, other| (one.gain - other.gain).abs() <= DUPLICATE_TOLERANCE * other.gain);
        candidates.truncate(candidates.len().div_ceil(2).max(FINALISTS));
        if stop_requested(on_progress, iteration) {
            return (iteration, Termination::Interrupted);
        }
        let gain = candidates.first().map_or(0.0, |best| best.gain);
        if candidates.len() <= FINALISTS && gain <= best_gain * (1.0 + options.tolerance) {
            return (iteration, Termination::Converged);
        }
        best_gain = gain;
    }
    (options.max_iterations, Termination::MaxIterations)
}
