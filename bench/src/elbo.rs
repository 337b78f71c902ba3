//! Maximization of the ELBO under a prior, with a count of its sweeps.

use nmu_core::error::Error;
use nmu_core::factor::Factor;
use nmu_core::fit::{PriorStage, StopRule};
use nmu_core::noise::ResidualParams;
use nmu_core::noise_estimators::Fixed;
use nmu_core::pass::{sweep, Model, PassLevel, PassSpec};
use nmu_core::prior::GeneralizedBinary;
use nmu_core::residual::ResidualView;
use nmu_core::runtime::parallel::Threads;
use nmu_core::runtime::progress::no_report;
use nmu_core::storage::Dense;
use nmu_core::variational::{maximize_elbo, VariationalInit, VariationalOptions};

#[path = "../../src/rust/core/tests/common/counted.rs"]
mod counted;
use counted::Counted;

/// Fits one factor of a symmetric matrix under a binary prior with estimated hyperparameters and fixed λ and σ. Returns
/// the number of sweeps, so that the time per sweep includes a share of all other work.
///
/// # Errors
/// Those of the prior.
pub fn fit_with_prior(
    storage: &Dense,
    factor: &Factor,
    params: ResidualParams,
    threads: usize,
) -> Result<usize, Error> {
    let threads = Threads::new(threads);
    let counted = Counted::new(storage);
    let view = ResidualView::new(&counted, &[], true);
    let u = factor.u.as_ref();
    let spec = PassSpec { row_weights: u, column_weights: u, shift: 0.0, level: PassLevel::Curvature };
    sweep(&view, Model { factor, params }, &spec, threads);
    let readings_per_sweep = counted.readings();
    let prior = GeneralizedBinary::new(None, None, Some(0.02))?;
    let options = VariationalOptions {
        schedule: &[PriorStage { rows: &prior, columns: &prior }],
        estimator: &Fixed(params),
        bounds: None,
        stop: StopRule::new(1e-8, 100),
    };
    let init = VariationalInit { factors: std::slice::from_ref(factor), fixed: &[], params };
    maximize_elbo(&view, init, options, threads, &mut no_report);
    Ok(counted.readings() / readings_per_sweep)
}
