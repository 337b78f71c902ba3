//! Joint refinement of all factors: each in turn with the others held fixed, then all loadings of each row and of each
//! column by a quadratic programme, and, optionally, exchanges of single factors for better ones.

use crate::runtime::parallel::{StopCheck, Threads};
use crate::runtime::progress::ProgressCallback;
use crate::underapprox::row_qp::{better_row, better_symmetric_row};
use crate::underapprox::search::{best_pair, improve, stop_requested, Termination};
use crate::underapprox::working_copy::{gain, Pair, Residual};
use crate::underapprox::UnderapproxOptions;
use crate::vector::{norm, Contiguous};
use faer::Mat;
use std::ops::ControlFlow;

/// The number of coordinate ascent steps of a factor in one round.
const STEPS: usize = 3;
/// The maximum number of rounds after which an exchange is evaluated.
const TRIAL_ROUNDS: usize = 3;
/// The smallest relative decrease of the squared error for which an exchange is accepted.
const MIN_EXCHANGE_DECREASE: f64 = 1e-6;

/// Lowers the joint error of all pairs until a round changes it by little. The pairs stay feasible after an interrupt.
pub(super) fn refine(
    pairs: &mut Vec<Pair>,
    residual: &mut Residual,
    symmetric: bool,
    options: &UnderapproxOptions,
    threads: Threads,
    on_progress: &mut ProgressCallback,
) -> ControlFlow<()> {
    let mut refinement = Refinement { residual, symmetric, options, threads, on_progress };
    refinement.run_rounds(pairs, options.rounds, f64::INFINITY)?;
    // With one factor the search would start from the same residual and find the same factor.
    let exchanges = if pairs.len() > 1 { options.exchanges } else { 0 };
    for _ in 0..exchanges {
        if !refinement.exchange_all(pairs)? {
            break;
        }
    }
    if exchanges > 0 {
        refinement.run_rounds(pairs, options.rounds, f64::INFINITY)?;
    }
    ControlFlow::Continue(())
}

/// The arguments that the steps of a refinement share.
struct Refinement<'a, 'b, 'c> {
    residual: &'a mut Residual<'b>,
    symmetric: bool,
    options: &'a UnderapproxOptions,
    threads: Threads,
    on_progress: &'a mut ProgressCallback<'c>,
}

impl Refinement<'_, '_, '_> {
    /// Runs rounds until the error decreases by little, or by too little to reach `target` in the remaining rounds.
    fn run_rounds(&mut self, pairs: &mut [Pair], max_rounds: usize, target: f64) -> ControlFlow<()> {
        let mut before = self.squared_error(pairs);
        for round in 1..=max_rounds {
            if before == 0.0 {
                break;
            }
            self.update_factors(pairs, round)?;
            self.update_rows_and_columns(pairs, round)?;
            let after = self.squared_error(pairs);
            let decrease = before - after;
            if decrease <= self.options.tolerance * before || after - target > decrease * (max_rounds - round) as f64 {
                break;
            }
            before = after;
        }
        ControlFlow::Continue(())
    }

    fn squared_error(&mut self, pairs: &[Pair]) -> f64 {
        self.residual.of(pairs.iter()).sum_of_squares()
    }

    /// Improves each factor in turn on the residual of the others.
    fn update_factors(&mut self, pairs: &mut [Pair], round: usize) -> ControlFlow<()> {
        for index in 0..pairs.len() {
            let others = pairs.iter().enumerate().filter(|&(other, _)| other != index).map(|(_, pair)| pair);
            let residual = self.residual.of(others);
            let mut stopped = false;
            let stop = &mut || {
                stopped = stopped || stop_requested(self.on_progress, round);
                stopped
            };
            let improved = improve(residual, self.symmetric, &pairs[index], STEPS, stop);
            let current = &mut pairs[index];
            if improved.gain > gain(residual.by_column(), &current.u, &current.v) {
                *current = improved.pair;
            }
            if stopped {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// Updates the loadings of all factors jointly, row by row and then column by column.
    fn update_rows_and_columns(&mut self, pairs: &mut [Pair], round: usize) -> ControlFlow<()> {
        let bounds = self.residual.bounds();
        if self.symmetric {
            for row in 0..bounds.by_column().ncols() {
                if stop_requested(self.on_progress, round) {
                    return ControlFlow::Break(());
                }
                update_symmetric_row(bounds.by_column().col_as_slice(row), row, pairs);
            }
            return ControlFlow::Continue(());
        }
        for bounds in [bounds.by_row(), bounds.by_column()] {
            update_rows(bounds, pairs, self.threads, &mut || stop_requested(self.on_progress, round));
            pairs.iter_mut().for_each(Pair::transpose);
        }
        if stop_requested(self.on_progress, round) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Replaces each factor in turn by the result of a new search if that lowers the error. Returns whether any was
    /// replaced.
    fn exchange_all(&mut self, pairs: &mut Vec<Pair>) -> ControlFlow<(), bool> {
        let mut error = self.squared_error(pairs);
        let mut exchanged = false;
        for index in 0..pairs.len() {
            if error == 0.0 {
                break;
            }
            let mut trial = pairs.clone();
            trial.remove(index);
            self.update_rows_and_columns(&mut trial, 0)?;
            let residual = self.residual.of(trial.iter());
            let result = best_pair(residual, self.symmetric, self.options, self.threads, self.on_progress);
            if result.termination == Termination::Interrupted {
                return ControlFlow::Break(());
            }
            trial.insert(index, result.pair.unwrap_or_else(|| residual.zero_pair()));
            self.run_rounds(&mut trial, TRIAL_ROUNDS, error)?;
            let trial_error = self.squared_error(&trial);
            if trial_error < error * (1.0 - MIN_EXCHANGE_DECREASE) {
                (*pairs, error, exchanged) = (trial, trial_error, true);
            }
        }
        ControlFlow::Continue(exchanged)
    }
}

/// Updates every row of `u` by its quadratic programme; `bounds` has the rows of the matrix as its columns. Rows that
/// are not reached before `stop` returns true stay unchanged.
fn update_rows(bounds: &Mat<f64>, pairs: &mut [Pair], threads: Threads, stop: &mut StopCheck) {
    // The penalty of the programme is the same for all factors, so `v` is scaled to unit norm.
    for pair in pairs.iter_mut() {
        let length = norm(pair.v.as_slice());
        if length > 0.0 {
            pair.v.iter_mut().for_each(|value| *value /= length);
            pair.u.iter_mut().for_each(|value| *value *= length);
        }
    }
    let other: Vec<&[f64]> = pairs.iter().map(|pair| pair.v.as_slice()).collect();
    let better = |row: usize, stop: &mut StopCheck| {
        let current: Vec<f64> = pairs.iter().map(|pair| pair.u[row]).collect();
        (!stop()).then(|| better_row(bounds.col_as_slice(row), &other, &current)).flatten()
    };
    let rows = threads.map_with_stop(bounds.ncols(), better, stop);
    for (row, loadings) in rows.into_iter().enumerate() {
        for (pair, loading) in pairs.iter_mut().zip(loadings.into_iter().flatten()) {
            pair.u[row] = loading;
        }
    }
}

/// Updates one row of `u = v`.
fn update_symmetric_row(bounds: &[f64], row: usize, pairs: &mut [Pair]) {
    let other: Vec<&[f64]> = pairs.iter().map(|pair| pair.u.as_slice()).collect();
    let current: Vec<f64> = other.iter().map(|loadings| loadings[row]).collect();
    let better = better_symmetric_row(bounds, row, &other, &current);
    for (pair, loading) in pairs.iter_mut().zip(better.into_iter().flatten()) {
        (pair.u[row], pair.v[row]) = (loading, loading);
    }
}
