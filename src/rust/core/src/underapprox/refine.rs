//! All factors once more: each in turn with the others held, the rows and the columns by their programmes, and, where it
//! is asked for, one factor given up for another.

use crate::runtime::parallel::{StopCheck, Threads};
use crate::runtime::progress::ProgressCallback;
use crate::underapprox::row_qp::{better_row, better_symmetric_row};
use crate::underapprox::search::{best_pair, climb_on, stops, End};
use crate::underapprox::working_copy::{Block, Pair, Residual};
use crate::underapprox::Settings;
use crate::vector::norm;
use std::ops::ControlFlow;

/// The most steps of a factor's climb in one round.
const STEPS: usize = 3;
/// The rounds that judge an exchange.
const TRIAL_ROUNDS: usize = 3;
/// The least relative fall of the squared error that an exchange is for.
const WORTH_IT: f64 = 1e-6;

/// Lowers the error of all pairs together until a round gains little. A break leaves them feasible.
pub(super) fn refine(
    pairs: &mut Vec<Pair>,
    residual: &mut Residual,
    symmetric: bool,
    settings: &Settings,
    threads: Threads,
    on_progress: &mut ProgressCallback,
) -> ControlFlow<()> {
    let mut refinement = Refinement { residual, symmetric, settings, threads, on_progress };
    refinement.rounds(pairs, settings.rounds, f64::INFINITY)?;
    // The only factor would be searched for in the place where it was found.
    let exchanges = if pairs.len() > 1 { settings.exchanges } else { 0 };
    for _ in 0..exchanges {
        if !refinement.exchange_all(pairs)? {
            break;
        }
    }
    if exchanges > 0 {
        refinement.rounds(pairs, settings.rounds, f64::INFINITY)?;
    }
    ControlFlow::Continue(())
}

struct Refinement<'a, 'b, 'c> {
    residual: &'a mut Residual<'b>,
    symmetric: bool,
    settings: &'a Settings,
    threads: Threads,
    on_progress: &'a mut ProgressCallback<'c>,
}

impl Refinement<'_, '_, '_> {
    /// Round after round, until the error falls by little, or by too little to reach `goal` in the rounds that remain.
    fn rounds(&mut self, pairs: &mut [Pair], most: usize, goal: f64) -> ControlFlow<()> {
        let mut before = self.error(pairs);
        for round in 1..=most {
            if before == 0.0 {
                break;
            }
            self.each_in_turn(pairs, round)?;
            self.together(pairs, round)?;
            let after = self.error(pairs);
            let fall = before - after;
            if fall <= self.settings.tolerance * before || after - goal > fall * (most - round) as f64 {
                break;
            }
            before = after;
        }
        ControlFlow::Continue(())
    }

    /// The squared error.
    fn error(&mut self, pairs: &[Pair]) -> f64 {
        self.residual.after(pairs.iter()).square()
    }

    /// Each factor climbs in what the others leave.
    fn each_in_turn(&mut self, pairs: &mut [Pair], round: usize) -> ControlFlow<()> {
        for index in 0..pairs.len() {
            let others = pairs.iter().enumerate().filter(|&(other, _)| other != index).map(|(_, pair)| pair);
            let left = self.residual.after(others);
            let mut stopped = false;
            let stop = &mut || {
                stopped = stopped || stops(self.on_progress, round);
                stopped
            };
            let ascent = climb_on(left, self.symmetric, &pairs[index], STEPS, stop);
            let old = &mut pairs[index];
            if ascent.gain > left.columns().gain(&old.u, &old.v) {
                *old = ascent.pair;
            }
            if stopped {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// All factors of a row together, and then of a column.
    fn together(&mut self, pairs: &mut [Pair], round: usize) -> ControlFlow<()> {
        let bounds = self.residual.bounds();
        if self.symmetric {
            for row in 0..bounds.columns().count() {
                if stops(self.on_progress, round) {
                    return ControlFlow::Break(());
                }
                move_symmetric_row(bounds.columns().column(row), row, pairs);
            }
            return ControlFlow::Continue(());
        }
        for side in [bounds.rows(), bounds.columns()] {
            move_rows(side, pairs, self.threads, &mut || stops(self.on_progress, round));
            pairs.iter_mut().for_each(Pair::transpose);
        }
        if stops(self.on_progress, round) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Gives up each factor in turn for what a new search finds, where that is better. Whether any was.
    fn exchange_all(&mut self, pairs: &mut Vec<Pair>) -> ControlFlow<(), bool> {
        let mut error = self.error(pairs);
        let mut exchanged = false;
        for index in 0..pairs.len() {
            if error == 0.0 {
                break;
            }
            let mut trial = pairs.clone();
            trial.remove(index);
            self.together(&mut trial, 0)?;
            let left = self.residual.after(trial.iter());
            let found = best_pair(left, self.symmetric, self.settings, self.threads, self.on_progress);
            if found.end == End::Interrupted {
                return ControlFlow::Break(());
            }
            trial.insert(index, found.pair.unwrap_or_else(|| Pair::nothing(left)));
            self.rounds(&mut trial, TRIAL_ROUNDS, error)?;
            let now = self.error(&trial);
            if now < error * (1.0 - WORTH_IT) {
                (*pairs, error, exchanged) = (trial, now, true);
            }
        }
        ControlFlow::Continue(exchanged)
    }
}

/// Moves every row of `u` to where its programme says; those that a stop comes before stay.
fn move_rows(rows: &Block, pairs: &mut [Pair], threads: Threads, ask: &mut StopCheck) {
    // The programme weighs its unknowns alike, so the other side has unit norms.
    for pair in pairs.iter_mut() {
        let width = norm(&pair.v);
        if width > 0.0 {
            pair.v.iter_mut().for_each(|value| *value /= width);
            pair.u.iter_mut().for_each(|value| *value *= width);
        }
    }
    let other: Vec<&[f64]> = pairs.iter().map(|pair| pair.v.as_slice()).collect();
    let better = |row: usize, stop: &mut StopCheck| {
        let old: Vec<f64> = pairs.iter().map(|pair| pair.u[row]).collect();
        (!stop()).then(|| better_row(rows.column(row), &other, &old)).flatten()
    };
    let moved = threads.map_with_stop(rows.count(), better, ask);
    for (row, loadings) in moved.into_iter().enumerate() {
        for (pair, loading) in pairs.iter_mut().zip(loadings.into_iter().flatten()) {
            pair.u[row] = loading;
        }
    }
}

/// Moves one row of `u = v`.
fn move_symmetric_row(bounds: &[f64], row: usize, pairs: &mut [Pair]) {
    let other: Vec<&[f64]> = pairs.iter().map(|pair| pair.u.as_slice()).collect();
    let old: Vec<f64> = other.iter().map(|loadings| loadings[row]).collect();
    let moved = better_symmetric_row(bounds, row, &other, &old);
    for (pair, loading) in pairs.iter_mut().zip(moved.into_iter().flatten()) {
        (pair.u[row], pair.v[row]) = (loading, loading);
    }
}
