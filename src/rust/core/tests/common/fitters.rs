//! Fitters with the options that tests vary.

use nmu_core::fit::{FitOptions, PriorStage, StopRule};
use nmu_core::fitter::ModelFitter;
use nmu_core::noise::{BoundSpec, NoiseStructure};
use nmu_core::noise_estimators::{MaximumLikelihood, NoiseEstimator};
use nmu_core::remainder_prior::RemainderPriorFamily;

/// The bounds on λ and σ of the tests.
pub(crate) const BOUND_SPEC: BoundSpec = BoundSpec { floor: 0.01, cap: 3.0 };

/// Maximum likelihood with these lower bounds on `λσ`.
pub(crate) fn maximum_likelihood(ratio_floors: &[f64]) -> Box<dyn NoiseEstimator> {
    Box::new(MaximumLikelihood { bounds: BOUND_SPEC, ratio_floors: ratio_floors.to_vec() })
}

/// Options with an exponential remainder and noise that is the same everywhere.
pub(crate) fn options<'a>(
    estimator: Box<dyn NoiseEstimator + 'a>,
    schedule: Vec<PriorStage<'a>>,
    tolerance: f64,
    max_iterations: usize,
) -> FitOptions<'a> {
    FitOptions {
        estimator,
        schedule,
        remainder: RemainderPriorFamily::default(),
        noise_structure: NoiseStructure::Homoscedastic,
        stop: StopRule::new(tolerance, max_iterations),
        starts: 4,
    }
}

/// A fitter with such options.
pub(crate) fn fitter<'a>(
    estimator: Box<dyn NoiseEstimator + 'a>,
    schedule: Vec<PriorStage<'a>>,
    tolerance: f64,
    max_iterations: usize,
) -> ModelFitter<'a> {
    ModelFitter { options: options(estimator, schedule, tolerance, max_iterations) }
}
