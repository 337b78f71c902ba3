//! Tests of cancellation: a fit cancelled at any sweep returns the results completed before, unchanged.

use crate::common::fitters::{fitter, maximum_likelihood, options, BOUND_SPEC};
use crate::common::problems::{problem, Data};
use faer::MatRef;
use nmu_core::deflation::{deflate, Count, Deflation, Plan};
use nmu_core::em;
use nmu_core::factor::Factor;
use nmu_core::fit::{FitOptions, PriorStage};
use nmu_core::fitter::{FactorFitter, ModelFitter};
use nmu_core::noise::{NoiseStructure, ResidualParams};
use nmu_core::noise_estimators::{Fixed, Moments, NoiseEstimator};
use nmu_core::prior::Exponential;
use nmu_core::remainder_prior::RemainderPriorFamily;
use nmu_core::residual::Problem;
use nmu_core::runtime::cancel::{catch_cancellation, install, Request};
use nmu_core::runtime::parallel::Threads;
use nmu_core::runtime::progress::no_report;
use nmu_core::storage::Dense;
use nmu_core::trace::Status;
use nmu_core::underapprox::{certificate, underapproximate, UnderapproxOptions};
use std::cell::Cell;

thread_local! {
    /// The number of polls left before cancellation is requested.
    static POLLS_LEFT: Cell<usize> = const { Cell::new(0) };
}

fn request_cancellation() -> Request {
    POLLS_LEFT.set(POLLS_LEFT.get().saturating_sub(1));
    if POLLS_LEFT.get() == 0 {
        Request::Cancel
    } else {
        Request::Continue
    }
}

/// The result of `work` if cancellation is requested from the given poll on, and the number of polls that were left.
fn cancel_at_poll<T>(poll: usize, work: impl FnOnce() -> T) -> (Option<T>, usize) {
    POLLS_LEFT.set(poll);
    let _installed = install(request_cancellation);
    (catch_cancellation(work), POLLS_LEFT.get())
}

/// The number of polls in a complete run.
fn poll_count<T>(work: impl FnOnce() -> T) -> usize {
    let many = 1 << 40;
    many - cancel_at_poll(many, work).1
}

fn with_problem<T>(data: &Data, work: impl FnOnce(&Problem) -> T) -> T {
    let storage = Dense::new(MatRef::from_column_major_slice(&data.values, data.nrow, data.ncol));
    work(&Problem { storage: &storage, symmetric: data.symmetric, scale: 1.0 })
}

/// The continuation in λσ of the fits.
const RATIO_FLOORS: [f64; 3] = [0.5, 1.0, 2.0];

/// The number of cancelled runs; the polls at which they are cancelled are evenly spaced.
const RUNS: usize = 60;

/// Compares cancelled runs with a complete one.
fn compare(data: &Data, method: &dyn FactorFitter, count: Count, name: &str) {
    let fit = |threads: usize| {
        let plan = Plan { count, refine: true, ..Plan::new(0) };
        with_problem(data, |problem| deflate(problem, plan, method, Threads::new(threads), &mut no_report))
    };
    let complete = fit(1);
    let polls = poll_count(|| fit(1));
    let mut factors = 0;
    for run in 0..RUNS {
        let poll = 1 + run * polls / RUNS;
        let cancelled = cancel_at_poll(poll, || fit(1 + run % 2)).0.expect("a deflation returns its completed factors");
        factors += cancelled.fits.len();
        check(&cancelled, &complete, &format!("{name}, poll {poll} of {polls}"));
    }
    assert!(factors > RUNS / 2, "{name}: {factors} factors in {RUNS} runs");
}

fn check(cancelled: &Deflation, complete: &Deflation, context: &str) {
    let (count, partial) = match cancelled.fits.split_last() {
        Some((last, before)) if last.model.status == Status::Interrupted => (before.len(), Some(last)),
        _ => (cancelled.fits.len(), None),
    };
    // Completed factors are identical to those of the complete run.
    for (fit, expected) in cancelled.fits[..count].iter().zip(&complete.fits) {
        assert_eq!(
            (fit.factor(), fit.model.params, fit.model.status),
            (expected.factor(), expected.model.params, expected.model.status),
            "{context}"
        );
        assert_eq!(fit.model.log_likelihood, expected.model.log_likelihood, "{context}");
    }
    if let Some(fit) = partial {
        let (Factor { d, u, v }, params, log_likelihood) = (fit.factor(), fit.model.params, fit.model.log_likelihood);
        let loadings = u.iter().chain(v.iter().flat_map(|v| v.iter()));
        let valid = loadings.chain([d, &params.lambda, &params.sigma]).all(|value| value.is_finite() && *value >= 0.0);
        assert!(valid && log_likelihood.is_finite(), "{context}: {d} {params:?} {log_likelihood}");
    }
    let interrupted_refit = cancelled.refit.as_ref().is_some_and(|refit| refit.model.status == Status::Interrupted);
    let reported = partial.is_some() || cancelled.interrupted || interrupted_refit;
    assert!(reported, "{context}: the cancellation is not reported");
}

#[test]
fn a_cancelled_maximum_likelihood_fit_keeps_completed_factors() {
    for index in [0, 3, 5] {
        let data = problem(index);
        let estimators: [(&str, Box<dyn NoiseEstimator>); 3] = [
            ("fixed", Box::new(Fixed(data.noise(0.3)))),
            ("likelihood", maximum_likelihood(&RATIO_FLOORS)),
            ("moments", Box::new(Moments { bounds: BOUND_SPEC })),
        ];
        for (name, estimator) in estimators {
            let fitter = fitter(estimator, Vec::new(), 1e-8, 300);
            compare(&data, &fitter, Count::Exactly(3), &format!("{} {name}", data.kind));
        }
    }
}

#[test]
fn cancelled_fits_with_other_models_keep_completed_factors() {
    // The second has a structure, so the criterion chooses at least one factor.
    let (data, structured) = (problem(5), problem(0));
    let prior = Exponential::new(None).expect("a prior");
    let priors = || vec![PriorStage { rows: &prior, columns: &prior }];
    let models = [
        ("remainder prior", Vec::new(), RemainderPriorFamily::PointExponential, NoiseStructure::Homoscedastic),
        ("noise by row", Vec::new(), RemainderPriorFamily::default(), NoiseStructure::ByRow),
        ("prior", priors(), RemainderPriorFamily::default(), NoiseStructure::Homoscedastic),
    ];
    for (name, schedule, remainder, noise_structure) in models {
        let options = options(maximum_likelihood(&RATIO_FLOORS), schedule, 1e-8, 300);
        let fitter = ModelFitter { options: FitOptions { remainder, noise_structure, ..options } };
        compare(&data, &fitter, Count::Exactly(2), name);
        compare(&structured, &fitter, Count::AtMost(3), name);
    }
}

#[test]
fn a_cancelled_notebook_fit_keeps_completed_factors() {
    let data = problem(0);
    let settings = em::NotebookEm {
        params: ResidualParams { lambda: 1.0, sigma: 0.1 },
        estimator: None,
        rounds: 1,
        iterations: 40,
        tolerance: 0.0,
        trace: true,
    };
    compare(&data, &settings, Count::Exactly(3), "notebook");
}

#[test]
fn certified_factors_stay_certified_after_cancellation() {
    for index in [0, 3] {
        let data = problem(index);
        let fit = || {
            with_problem(&data, |problem| {
                underapproximate(problem, &UnderapproxOptions::new(3), Threads::new(1), &mut no_report).expect("memory")
            })
        };
        let polls = poll_count(fit);
        for run in 0..RUNS {
            // The first pass finds the units; without them there is no result to return.
            let Some(certified) = cancel_at_poll(1 + run * polls / RUNS, fit).0 else {
                assert!(run * polls / RUNS < data.ncol + 2 * data.nrow, "{run}");
                continue;
            };
            let factors: Vec<Factor> = certified.iter().map(|certified| certified.factor.clone()).collect();
            let certificate = with_problem(&data, |problem| certificate(problem, &factors, Threads::new(1)));
            assert_eq!(certificate.violated, 0.0, "{} {run}", data.kind);
            assert_eq!(certified.last().map(|last| last.status), Some(Status::Interrupted), "{} {run}", data.kind);
        }
    }
}
