//! Tests of deflation with fixed and kept factors, and of the estimation of λ and σ for given factors.

use crate::common::fitters::{fitter, maximum_likelihood, BOUND_SPEC};
use crate::common::problems::{problem, Data};
use faer::MatRef;
use nmu_core::deflation::{check_memory, deflate, Count, Deflation, Plan};
use nmu_core::error::Error;
use nmu_core::factor::Factor;
use nmu_core::fitter::{FactorFitter, ModelFitter};
use nmu_core::mle::refit::estimate_noise;
use nmu_core::noise::ResidualParams;
use nmu_core::noise_estimators::{Fixed, Moments};
use nmu_core::residual::Problem;
use nmu_core::runtime::parallel::Threads;
use nmu_core::runtime::progress::no_report;
use nmu_core::storage::Dense;
use nmu_core::trace::Status;

fn with_problem<T>(data: &Data, work: impl FnOnce(&Problem) -> T) -> T {
    let storage = Dense::new(MatRef::from_column_major_slice(&data.values, data.nrow, data.ncol));
    work(&Problem { storage: &storage, symmetric: data.symmetric, scale: 1.0 })
}

fn run(problem: &Problem, plan: Plan) -> Deflation {
    let fitter = fitter(maximum_likelihood(&[]), Vec::new(), 1e-8, 1000);
    deflate(problem, plan, &fitter, Threads::new(1), &mut no_report)
}

fn factors(deflation: &Deflation) -> Vec<Factor> {
    deflation.fits.iter().map(|fit| fit.factor().clone()).collect()
}

#[test]
fn with_no_new_factors_allowed_the_kept_factors_remain() {
    with_problem(&problem(0), |problem| {
        let first = run(problem, Plan::new(2));
        for refine in [false, true] {
            let plan = Plan { kept: factors(&first), refine, count: Count::AtMost(0), ..Plan::new(0) };
            let more = run(problem, plan);
            assert!(more.fits.is_empty() && more.candidates.is_empty() && !more.interrupted);
            assert_eq!(more.refit.map(|refit| refit.model.factors.len()), refine.then_some(2));
        }
        // Without any factor there is no model to refit.
        let empty = run(problem, Plan { count: Count::AtMost(0), refine: true, ..Plan::new(0) });
        assert!(empty.fits.is_empty() && empty.refit.is_none());
    });
}

#[test]
fn a_null_factor_is_not_added_to_factors_that_are_kept() {
    // The residual of this matrix is zero.
    let factor = Factor::new(6.0, &[0.5; 4], Some(&[1.0 / 3.0; 9]));
    let data = Data { kind: "constant", structured: true, values: vec![1.0; 36], nrow: 4, ncol: 9, symmetric: false };
    with_problem(&data, |problem| {
        let plan = |kept| Plan { kept, refine: true, count: Count::AtMost(3), ..Plan::new(0) };
        let more = run(problem, plan(vec![factor.clone()]));
        assert_eq!(more.fits.len(), 0);
        assert_eq!(more.refit.map(|refit| refit.model.factors.len()), Some(1));
        let negative = Data { values: vec![-1.0; 36], ..data };
        with_problem(&negative, |problem| {
            let alone = run(problem, plan(Vec::new()));
            assert_eq!(alone.fits.iter().map(|fit| fit.model.status).collect::<Vec<_>>(), [Status::Null]);
        });
    });
}

/// λ and σ by the method of moments, from the residual of the factors.
fn moment_estimates(data: &Data, factors: &[Factor]) -> ResidualParams {
    let low_rank = |index: usize| -> f64 {
        let (row, column) = (index % data.nrow, index / data.nrow);
        factors.iter().map(|factor| factor.d * factor.u[row] * factor.v()[column]).sum()
    };
    let residuals: Vec<f64> = data.values.iter().enumerate().map(|(index, value)| value - low_rank(index)).collect();
    let mean = residuals.iter().sum::<f64>() / residuals.len() as f64;
    let variance = residuals.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / residuals.len() as f64;
    ResidualParams { lambda: 1.0 / mean, sigma: (variance - mean * mean).sqrt() }
}

#[test]
fn lambda_and_sigma_of_given_factors_follow_the_noise_estimator() {
    // A remainder of mean 1, and noise of standard deviation 2.
    let noise = [2.0, -2.0, 2.0, -2.0];
    let values = (0..40).map(|index| 1.0 + noise[index % 4] + 0.1 * f64::from(index as u8 % 7)).collect();
    let data = Data { kind: "noise", structured: false, values, nrow: 8, ncol: 5, symmetric: false };
    let factor = Factor::new(0.3, &[8f64.sqrt().recip(); 8], Some(&[5f64.sqrt().recip(); 5]));
    let check = |params: ResidualParams, factors: &[Factor]| {
        let expected = moment_estimates(&data, factors);
        let error = (params.lambda / expected.lambda - 1.0).abs().max((params.sigma / expected.sigma - 1.0).abs());
        assert!(error <= 1e-7, "{params:?} {expected:?}");
    };
    let alternating = fitter(Box::new(Moments { bounds: BOUND_SPEC }), Vec::new(), 1e-8, 1000);
    with_problem(&data, |problem| {
        let view = problem.view(&[]);
        let model = estimate_noise(&alternating.options, &view, vec![factor.clone()], Threads::new(1), &mut no_report);
        assert_eq!((model.status, model.factors.len()), (Status::Converged, 1));
        check(model.params, &model.factors);
        assert!(model.bounds.is_some());

        // The weights agree with those under fixed λ and σ, up to the tolerance of the alternation.
        let weights = |fitter: &ModelFitter, factors: Vec<Factor>| {
            fitter.estimate_weights(&view, factors, Threads::new(1), &mut no_report).expect("weights").factors
        };
        let weighted = weights(&alternating, vec![factor]);
        let estimator = Box::new(Fixed(moment_estimates(&data, &weighted)));
        let fixed = fitter(estimator, Vec::new(), 1e-8, 1000);
        let fixed = weights(&fixed, weighted.clone());
        assert!((fixed[0].d - weighted[0].d).abs() <= 0.05 * weighted[0].d, "{} {}", fixed[0].d, weighted[0].d);
    });
}

#[test]
fn too_large_a_memory_request_fails_before_a_fit() {
    let error = Err(Error::Memory { what: "the vectors of a fit" });
    with_problem(&problem(1), |problem| {
        let view = problem.view(&[]);
        assert_eq!(check_memory(&view, 3), Ok(()));
        assert_eq!(check_memory(&view, usize::MAX / 1000), error);
        assert_eq!(check_memory(&view, usize::MAX), error);
    });
}
