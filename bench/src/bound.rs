//! The climb of the bound of the evidence under a prior, with the sweeps that it makes counted.

use nmu_core::error::Error;
use nmu_core::factor::Factor;
use nmu_core::faer::ColRef;
use nmu_core::mle::maximize::Settings;
use nmu_core::noise::ResidualParams;
use nmu_core::pass::{sweep, Model, PassLevel, PassSpec};
use nmu_core::prior::GeneralizedBinary;
use nmu_core::residual::ResidualView;
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::Dense;
use nmu_core::variational::{maximize_elbo, NoiseUpdate, PriorStage, VariationalInit, VariationalOptions};
use std::ops::ControlFlow;

#[path = "../../src/rust/core/tests/common/counted.rs"]
mod counted;
use counted::Counted;

/// One factor of a symmetric matrix under a binary prior whose hyperparameters are estimated, λ and σ held: the number of
/// sweeps, in which all else that the climb does is spread over.
///
/// # Errors
/// Where the prior is not as it should be.
pub fn climb(storage: &Dense, factor: &Factor, params: ResidualParams, threads: usize) -> Result<usize, Error> {
    let threads = Threads::new(threads);
    let counted = Counted::new(storage);
    let view = ResidualView::new(&counted, &[], true);
    let question = PassSpec {
        row_weights: ColRef::from_slice(factor.u()),
        column_weights: ColRef::from_slice(factor.u()),
        shift: 0.0,
        level: PassLevel::Curvature,
    };
    sweep(&view, Model { factor, params }, &question, threads);
    let one = counted.readings();
    let prior = GeneralizedBinary::new(None, None, Some(0.02))?;
    let settings = Settings { bounds: None, largest: f64::INFINITY, spread: 0.0, tolerance: 1e-8, iterations: 100 };
    let schedule = [PriorStage { rows: &prior, columns: &prior }];
    let known = VariationalInit { factors: std::slice::from_ref(factor), fixed: &[], params };
    let way = VariationalOptions { schedule: &schedule, noises: NoiseUpdate::Held, settings };
    maximize_elbo(&view, known, way, threads, &mut |_| ControlFlow::Continue(()));
    Ok(counted.readings() / one)
}
