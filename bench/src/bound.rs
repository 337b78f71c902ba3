//! The climb of the bound of the evidence under a prior, with the sweeps that it makes counted.

use nmu_core::bayes::{believe, Known, Noises, Stage, Way};
use nmu_core::error::Error;
use nmu_core::maximise::Settings;
use nmu_core::noise::Noise;
use nmu_core::parallel::Threads;
use nmu_core::pass::{sweep, Depth, Model, Question};
use nmu_core::prior::Binary;
use nmu_core::storage::Dense;
use nmu_core::view::{Factor, View};
use std::ops::ControlFlow;

#[path = "../../src/rust/core/tests/common/counted.rs"]
mod counted;
use counted::Counted;

/// One factor of a symmetric matrix under a binary prior whose hyperparameters are estimated, λ and σ held: the number of
/// sweeps, in which all else that the climb does is spread over.
///
/// # Errors
/// Where the prior is not as it should be.
pub fn climb(storage: &Dense, factor: &Factor, noise: Noise, threads: usize) -> Result<usize, Error> {
    let threads = Threads::new(threads);
    let counted = Counted::new(storage);
    let view = View::new(&counted, &[], true);
    let question = Question { row_weights: &factor.u, column_weights: &factor.u, shift: 0.0, depth: Depth::Curvature };
    sweep(&view, Model { factor, noise }, &question, threads);
    let one = counted.readings();
    let prior = Binary::new(None, None, Some(0.02))?;
    let settings = Settings { bounds: None, largest: f64::INFINITY, spread: 0.0, tolerance: 1e-8, iterations: 100 };
    let schedule = [Stage { rows: &prior, columns: &prior }];
    let known = Known { factors: std::slice::from_ref(factor), fixed: &[], noise };
    let way = Way { schedule: &schedule, noises: Noises::Held, settings };
    believe(&view, known, way, threads, &mut |_| ControlFlow::Continue(()));
    Ok(counted.readings() / one)
}
