//! One factor: several starts climb side by side, and the lesser ones are dropped on the way.

use super::ascent::Ascent;
use super::residual::{Pair, Sides};
use super::symmetric;
use super::Settings;
use crate::observe::{Observer, Progress};
use crate::parallel::Threads;
use std::ops::ControlFlow;

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

/// Looks for the feasible `u vᵀ` that takes most out of `residual`; there is none where nothing is positive.
pub(super) fn best_pair(
    residual: &Sides,
    symmetric: bool,
    settings: &Settings,
    threads: Threads,
    observer: &mut Observer,
) -> (Option<Pair>, End) {
    let mut climbs = starts(residual, settings.starts, threads);
    let end = race(&mut climbs, residual, settings, threads, observer);
    if symmetric {
        climbs = threads.map(climbs.len(), |index| symmetric::raise(residual.columns(), &climbs[index].pair));
        climbs.sort_by(|one, other| other.gain.total_cmp(&one.gain));
    }
    let best = climbs.into_iter().next().filter(|best| best.gain > 0.0);
    (best.map(|best| best.pair), end)
}

/// Climbs on from a pair, a few steps.
pub(super) fn climb_on(residual: &Sides, symmetric: bool, pair: &Pair, steps: usize) -> Ascent {
    let mut ascent = Ascent::new(residual, pair.v.clone());
    for _ in 0..steps {
        ascent.step(residual);
    }
    if !symmetric {
        return ascent;
    }
    let (stayed, moved) =
        (symmetric::raise(residual.columns(), pair), symmetric::raise(residual.columns(), &ascent.pair));
    if moved.gain > stayed.gain {
        moved
    } else {
        stayed
    }
}

/// The single rows or columns, whichever are fewer, that hold most.
fn starts(residual: &Sides, count: usize, threads: Threads) -> Vec<Ascent> {
    let by_column = residual.columns().count() <= residual.rows().count();
    let block = if by_column { residual.columns() } else { residual.rows() };
    let square = |index: usize| -> f64 {
        block.column(index).iter().filter(|value| !value.is_nan()).map(|value| value * value).sum()
    };
    let mut squares: Vec<(f64, usize)> = (0..block.count()).map(|index| (square(index), index)).collect();
    squares.retain(|&(square, _)| square > 0.0);
    squares.sort_by(|one, other| other.0.total_cmp(&one.0));
    squares.truncate(count);
    threads.map(squares.len(), |rank| {
        let index = squares[rank].1;
        if by_column {
            let mut v = vec![0.0; block.count()];
            v[index] = 1.0;
            Ascent::new(residual, v)
        } else {
            // A row that is missing somewhere asks for nothing there.
            let v = block.column(index).iter().map(|value| value.max(0.0)).collect();
            Ascent::new(residual, v)
        }
    })
}

/// Climbs from all starts, a step at a time, and drops the worse half after every step. The best is left first.
fn race(
    climbs: &mut Vec<Ascent>,
    residual: &Sides,
    settings: &Settings,
    threads: Threads,
    observer: &mut Observer,
) -> End {
    let mut leader = 0.0;
    for iteration in 1..=settings.iterations {
        *climbs = threads.map(climbs.len(), |index| {
            let mut ascent = climbs[index].clone();
            ascent.step(residual);
            ascent
        });
        climbs.sort_by(|one, other| other.gain.total_cmp(&one.gain));
        climbs.dedup_by(|one, other| (one.gain - other.gain).abs() <= SAME_PLACE * other.gain);
        climbs.truncate(climbs.len().div_ceil(2).max(FINALISTS));
        if observer(Progress { factor: 0, iteration }) == ControlFlow::Break(()) {
            return End::Interrupted;
        }
        let gain = climbs.first().map_or(0.0, |best| best.gain);
        if climbs.len() <= FINALISTS && gain <= leader * (1.0 + settings.tolerance) {
            return End::Converged;
        }
        leader = gain;
    }
    End::Maxiter
}
