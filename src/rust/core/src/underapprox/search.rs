//! One factor: several starts climb side by side, and the lesser ones are dropped on the way.

use crate::runtime::cancel;
use crate::runtime::parallel::{StopCheck, Threads};
use crate::runtime::progress::{Progress, ProgressCallback};
use crate::underapprox::ascent::Ascent;
use crate::underapprox::working_copy::{Pair, Sides};
use crate::underapprox::{symmetric, Settings};

/// How many of the starts reach the top.
const FINALISTS: usize = 2;
/// Two climbs whose gains agree to this are at the same place.
const SAME_PLACE: f64 = 1e-9;

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// No step gained more.
    Converged,
    /// Its iterations were used up.
    Maxiter,
    /// The observer ended it.
    Interrupted,
}

/// What a search found.
pub(super) struct Found {
    /// The pair; none where nothing is positive.
    pub(super) pair: Option<Pair>,
    /// The steps of the climbs.
    pub(super) iterations: usize,
    pub(super) end: End,
}

/// Looks for the feasible `u vᵀ` that takes most out of `residual`.
pub(super) fn best_pair(
    residual: &Sides,
    symmetric: bool,
    settings: &Settings,
    threads: Threads,
    on_progress: &mut ProgressCallback,
) -> Found {
    let mut climbs = starts(residual, settings.starts, threads, &mut || stops(on_progress, 0));
    let (iterations, mut end) = race(&mut climbs, residual, settings, threads, on_progress);
    if symmetric {
        let raise =
            |index: usize, stop: &mut StopCheck| symmetric::raise(residual.columns(), &climbs[index].pair, stop);
        climbs = threads.map_with_stop(climbs.len(), raise, &mut || stops(on_progress, iterations));
        climbs.sort_by(|one, other| other.gain.total_cmp(&one.gain));
        if stops(on_progress, iterations) {
            end = End::Interrupted;
        }
    }
    let best = climbs.into_iter().next().filter(|best| best.gain > 0.0);
    Found { pair: best.map(|best| best.pair), iterations, end }
}

/// Whether the observer ends the search. Iterations are long, so that it is asked within them, too.
pub(super) fn stops(on_progress: &mut ProgressCallback, iteration: usize) -> bool {
    on_progress(Progress::new(iteration)).is_break()
}

/// Climbs on from a pair, a few steps.
pub(super) fn climb_on(residual: &Sides, symmetric: bool, pair: &Pair, steps: usize, stop: &mut StopCheck) -> Ascent {
    let mut ascent = Ascent::new(residual, pair.v.clone());
    for _ in 0..steps {
        ascent.step(residual, stop);
    }
    if !symmetric {
        return ascent;
    }
    let mut raise = |pair: &Pair| symmetric::raise(residual.columns(), pair, stop);
    let (stayed, moved) = (raise(pair), raise(&ascent.pair));
    if moved.gain > stayed.gain {
        moved
    } else {
        stayed
    }
}

/// The single rows or columns, whichever are fewer, that hold most.
fn starts(residual: &Sides, count: usize, threads: Threads, ask: &mut StopCheck) -> Vec<Ascent> {
    let by_column = residual.columns().count() <= residual.rows().count();
    let block = if by_column { residual.columns() } else { residual.rows() };
    let square = |index: usize| -> f64 {
        cancel::check();
        block.square(index)
    };
    let mut squares: Vec<(f64, usize)> = (0..block.count()).map(|index| (square(index), index)).collect();
    squares.retain(|&(square, _)| square > 0.0);
    squares.sort_by(|one, other| other.0.total_cmp(&one.0));
    squares.truncate(count);
    let start = |rank: usize, stop: &mut StopCheck| {
        let index = squares[rank].1;
        if stop() {
            return Ascent::new(residual, vec![0.0; residual.columns().count()]);
        }
        if by_column {
            let mut v = vec![0.0; block.count()];
            v[index] = 1.0;
            Ascent::new(residual, v)
        } else {
            // A row that is missing somewhere asks for nothing there.
            let v = block.column(index).iter().map(|value| value.max(0.0)).collect();
            Ascent::new(residual, v)
        }
    };
    threads.map_with_stop(squares.len(), start, ask)
}

/// Climbs from all starts, a step at a time, and drops the worse half after every step. The best is left first. Returns
/// how many steps that took.
fn race(
    climbs: &mut Vec<Ascent>,
    residual: &Sides,
    settings: &Settings,
    threads: Threads,
    on_progress: &mut ProgressCallback,
) -> (usize, End) {
    let mut leader = 0.0;
    for iteration in 1..=settings.iterations {
        let step = |index: usize, stop: &mut StopCheck| {
            let mut ascent = climbs[index].clone();
            ascent.step(residual, stop);
            ascent
        };
        *climbs = threads.map_with_stop(climbs.len(), step, &mut || stops(on_progress, iteration - 1));
        climbs.sort_by(|one, other| other.gain.total_cmp(&one.gain));
        climbs.dedup_by(|one, other| (one.gain - other.gain).abs() <= SAME_PLACE * other.gain);
        climbs.truncate(climbs.len().div_ceil(2).max(FINALISTS));
        if stops(on_progress, iteration) {
            return (iteration, End::Interrupted);
        }
        let gain = climbs.first().map_or(0.0, |best| best.gain);
        if climbs.len() <= FINALISTS && gain <= leader * (1.0 + settings.tolerance) {
            return (iteration, End::Converged);
        }
        leader = gain;
    }
    (settings.iterations, End::Maxiter)
}
