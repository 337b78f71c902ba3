//! What is looked for beside factors that are known, and λ and σ by the rule whatever is held.

use crate::common::problems::{problem, Data};
use faer::MatRef;
use nmu_core::deflation::{deflate, Count, Deflation, Plan};
use nmu_core::error::Error;
use nmu_core::factor::Factor;
use nmu_core::fit::FactorFitter;
use nmu_core::fitter::{ModelFitter, NoiseRule};
use nmu_core::memory::check_available;
use nmu_core::mle::remainder_update::RemainderPriorFamily;
use nmu_core::noise::NoiseStructure;
use nmu_core::noise::{BoundSpec, ResidualParams};
use nmu_core::noise_estimators::Moments;
use nmu_core::residual::Problem;
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::Dense;
use nmu_core::trace::Status;
use std::ops::ControlFlow;

const SHARES: BoundSpec = BoundSpec { floor: 0.01, cap: 3.0 };

fn climb(rule: NoiseRule) -> ModelFitter {
    let (schedule, family, scatter) = (Vec::new(), RemainderPriorFamily::default(), NoiseStructure::Homoscedastic);
    ModelFitter { rule, schedule, family, scatter, tolerance: 1e-8, iterations: 1000 }
}

fn with_problem<T>(data: &Data, work: impl FnOnce(&Problem) -> T) -> T {
    let storage = Dense::new(MatRef::from_column_major_slice(&data.values, data.nrow, data.ncol));
    work(&Problem { storage: &storage, symmetric: data.symmetric, scale: 1.0 })
}

fn found(problem: &Problem, plan: Plan) -> Deflation {
    let climb = climb(NoiseRule::Likelihood(SHARES, Vec::new()));
    deflate(problem, plan, &climb, Threads::new(1), &mut |_| ControlFlow::Continue(()))
}

fn kept(found: &Deflation) -> Vec<Factor> {
    found.fits.iter().map(|fit| fit.factor.clone()).collect()
}

#[test]
fn where_there_is_no_room_for_more_factors_those_that_are_kept_stand() {
    with_problem(&problem(0), |problem| {
        let first = found(problem, Plan::of(2));
        for refine in [false, true] {
            let plan = Plan { kept: kept(&first), refine, count: Count::AtMost(0), ..Plan::of(0) };
            let more = found(problem, plan);
            assert!(more.fits.is_empty() && more.candidates.is_empty() && !more.interrupted);
            assert_eq!(more.refit.map(|refit| refit.factors.len()), refine.then_some(2));
        }
        // Without any factor there is no model, and none is asked for.
        let nothing = found(problem, Plan { count: Count::AtMost(0), refine: true, ..Plan::of(0) });
        assert!(nothing.fits.is_empty() && nothing.refit.is_none());
    });
}

#[test]
fn a_null_factor_is_not_added_to_factors_that_are_kept() {
    // All that is left of this matrix is zero.
    let factor = Factor::new(6.0, &[0.5; 4], Some(&[1.0 / 3.0; 9]));
    let data = Data { kind: "constant", structured: true, values: vec![1.0; 36], nrow: 4, ncol: 9, symmetric: false };
    with_problem(&data, |problem| {
        let plan = |kept| Plan { kept, refine: true, count: Count::AtMost(3), ..Plan::of(0) };
        let more = found(problem, plan(vec![factor.clone()]));
        assert_eq!(more.fits.len(), 0);
        assert_eq!(more.refit.map(|refit| refit.factors.len()), Some(1));
        let negative = Data { values: vec![-1.0; 36], ..data };
        with_problem(&negative, |problem| {
            let alone = found(problem, plan(Vec::new()));
            assert_eq!(alone.fits.iter().map(|fit| fit.status).collect::<Vec<_>>(), [Status::Null]);
        });
    });
}

/// λ and σ by moments of what factors leave.
fn by_moments(data: &Data, factors: &[Factor]) -> ResidualParams {
    let low_rank = |index: usize| -> f64 {
        let (row, column) = (index % data.nrow, index / data.nrow);
        factors.iter().map(|factor| factor.d * factor.u[row] * factor.v()[column]).sum()
    };
    let rest: Vec<f64> = data.values.iter().enumerate().map(|(index, value)| value - low_rank(index)).collect();
    let mean = rest.iter().sum::<f64>() / rest.len() as f64;
    let variance = rest.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / rest.len() as f64;
    ResidualParams { lambda: 1.0 / mean, sigma: (variance - mean * mean).sqrt() }
}

#[test]
fn lambda_and_sigma_of_given_factors_are_by_the_rule() {
    // A remainder of mean 1, and noise of twice that.
    let params = [2.0, -2.0, 2.0, -2.0];
    let values = (0..40).map(|index| 1.0 + params[index % 4] + 0.1 * f64::from(index as u8 % 7)).collect();
    let data = Data { kind: "noise", structured: false, values, nrow: 8, ncol: 5, symmetric: false };
    let factor = Factor::new(0.3, &[8f64.sqrt().recip(); 8], Some(&[5f64.sqrt().recip(); 5]));
    let near = |found: ResidualParams, factors: &[Factor]| {
        let expected = by_moments(&data, factors);
        let apart = (found.lambda / expected.lambda - 1.0).abs().max((found.sigma / expected.sigma - 1.0).abs());
        assert!(apart <= 1e-7, "{found:?} {expected:?}");
    };
    let climb = climb(NoiseRule::Alternate(&Moments, SHARES));
    let on_progress = &mut |_| ControlFlow::Continue(());
    with_problem(&data, |problem| {
        let view = problem.view(&[]);
        let model = climb.estimate_noise(&view, vec![factor.clone()], Threads::new(1), on_progress);
        assert_eq!((model.status, model.factors.len()), (Status::Converged, 1));
        near(model.params, &model.factors);
        assert!(model.bounds.is_some());

        // Weights are those under such λ and σ, which the turns come near to.
        let weighed = climb.weights(&view, vec![factor], Threads::new(1), on_progress);
        let rule = NoiseRule::Fixed(by_moments(&data, &weighed));
        let fixed = self::climb(rule).weights(&view, weighed.clone(), Threads::new(1), on_progress);
        assert!((fixed[0].d - weighed[0].d).abs() <= 0.05 * weighed[0].d, "{} {}", fixed[0].d, weighed[0].d);
    });
}

#[test]
fn more_memory_than_there_can_be_is_refused_before_a_fit() {
    let refused = Err(Error::Memory { what: "the vectors of a fit" });
    with_problem(&problem(1), |problem| {
        let view = problem.view(&[]);
        assert_eq!(check_available(&view, 3), Ok(()));
        assert_eq!(check_available(&view, usize::MAX / 1000), refused);
        assert_eq!(check_available(&view, usize::MAX), refused);
    });
}
