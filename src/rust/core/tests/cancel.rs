//! Whatever sweep a fit is given up at, what it had found before is returned as it was.

use crate::common::problems::{problem, Data};
use nmu_core::deflation::{deflate, Count, Deflation, Plan};
use nmu_core::em;
use nmu_core::factor::Factor;
use nmu_core::fit::{FactorFit, FactorFitter};
use nmu_core::fitter::{ModelFitter, NoiseRule};
use nmu_core::mle::remainder_update::RemainderPriorFamily;
use nmu_core::noise::NoiseStructure;
use nmu_core::noise::{BoundSpec, ResidualParams};
use nmu_core::noise_estimators::Moments;
use nmu_core::prior::Exponential;
use nmu_core::residual::Problem;
use nmu_core::runtime::cancel::with_cancellation;
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::Dense;
use nmu_core::trace::Status;
use nmu_core::underapprox::{certificate, underapproximate, UnderapproxOptions};
use nmu_core::variational::PriorStage;
use std::cell::Cell;
use std::ops::ControlFlow;

thread_local! {
    /// How often it is still asked before it says so.
    static PATIENCE: Cell<usize> = const { Cell::new(0) };
}

fn impatient() -> bool {
    PATIENCE.set(PATIENCE.get().saturating_sub(1));
    PATIENCE.get() == 0
}

/// What `work` returns where the listener says so from its `patience`th question on, and the questions that were left.
fn given_up_after<T>(patience: usize, work: impl FnOnce() -> T) -> (Option<T>, usize) {
    PATIENCE.set(patience);
    (with_cancellation(impatient, work), PATIENCE.get())
}

/// The questions that a whole run asks.
fn questions<T>(work: impl FnOnce() -> T) -> usize {
    let many = 1 << 40;
    many - given_up_after(many, work).1
}

fn with_problem<T>(data: &Data, work: impl FnOnce(&Problem) -> T) -> T {
    let storage = Dense::from_columns(&data.values, data.nrow, data.ncol).expect("lengths agree");
    work(&Problem { storage: &storage, symmetric: data.symmetric, scale: 1.0 })
}

const SHARES: BoundSpec = BoundSpec { floor: 0.1, cap: 3.0 };

/// Runs that are given up, each at a place of its own, spread over the whole of it.
const PLACES: usize = 60;

/// Compares with the whole run one that is given up at each of some places.
fn compare(data: &Data, method: &dyn FactorFitter, count: Count, name: &str) {
    let fit = |threads: usize| {
        let plan = Plan { count, refine: true, ..Plan::of(0) };
        with_problem(data, |problem| {
            deflate(problem, plan, method, Threads::new(threads), &mut |_| ControlFlow::Continue(()))
        })
    };
    let whole = fit(1);
    let most = questions(|| fit(1));
    let mut kept = 0;
    for place in 0..PLACES {
        let patience = 1 + place * most / PLACES;
        let found = given_up_after(patience, || fit(1 + place % 2)).0.expect("a deflation gives up nothing");
        kept += found.fits.len();
        check(&found, &whole, &format!("{name}, question {patience} of {most}"));
    }
    assert!(kept > PLACES / 2, "{name}: {kept} factors in {PLACES} runs");
}

fn check(found: &Deflation, whole: &Deflation, place: &str) {
    let (last, cut) = match found.fits.split_last() {
        Some((last, before)) if last.status == Status::Interrupted => (before.len(), Some(last)),
        _ => (found.fits.len(), None),
    };
    // What was complete is what it always is, to the last bit.
    for (fit, same) in found.fits[..last].iter().zip(&whole.fits) {
        assert_eq!((&fit.factor, fit.params, fit.status), (&same.factor, same.params, same.status), "{place}");
        assert_eq!(fit.log_likelihood, same.log_likelihood, "{place}");
    }
    if let Some(FactorFit { factor: Factor { d, u, v }, params, log_likelihood, .. }) = cut {
        let loadings = u.iter().chain(v.iter().flat_map(|v| v.iter()));
        let legal = loadings.chain([d, &params.lambda, &params.sigma]).all(|value| value.is_finite() && *value >= 0.0);
        assert!(legal && log_likelihood.is_finite(), "{place}: {d} {params:?} {log_likelihood}");
    }
    let told =
        cut.is_some() || found.interrupted || found.refit.as_ref().is_some_and(|r| r.status == Status::Interrupted);
    assert!(told, "{place}: nothing says that it was given up");
}

#[test]
fn a_climb_keeps_what_it_has() {
    for index in [0, 3, 5] {
        let data = problem(index);
        let ratio_floors = vec![0.5, 1.0, 2.0];
        let rules = [
            ("fixed", NoiseRule::Fixed(data.noise(0.3))),
            ("likelihood", NoiseRule::Likelihood(SHARES, ratio_floors)),
            ("moments", NoiseRule::Alternate(&Moments, SHARES)),
        ];
        for (name, rule) in rules {
            let (schedule, family, scatter) =
                (Vec::new(), RemainderPriorFamily::default(), NoiseStructure::Homoscedastic);
            let climb = ModelFitter { rule, schedule, family, scatter, tolerance: 1e-8, iterations: 300 };
            compare(&data, &climb, Count::Exactly(3), &format!("{} {name}", data.kind));
        }
    }
}

#[test]
fn laws_and_scales_and_priors_keep_what_they_have() {
    let data = problem(5);
    let prior = Exponential::new(None).expect("a prior");
    let priors = || vec![PriorStage { rows: &prior, columns: &prior }];
    let ways = [
        ("law", Vec::new(), RemainderPriorFamily::PointExponential, NoiseStructure::Homoscedastic),
        ("rows", Vec::new(), RemainderPriorFamily::default(), NoiseStructure::ByRow),
        ("prior", priors(), RemainderPriorFamily::default(), NoiseStructure::Homoscedastic),
    ];
    for (name, schedule, family, scatter) in ways {
        let rule = NoiseRule::Likelihood(SHARES, vec![0.5, 1.0, 2.0]);
        let climb = ModelFitter { rule, schedule, family, scatter, tolerance: 1e-8, iterations: 300 };
        compare(&data, &climb, Count::Exactly(2), name);
        compare(&data, &climb, Count::AtMost(3), name);
    }
}

#[test]
fn the_notebook_keeps_what_it_has() {
    let data = problem(0);
    let settings = em::Settings {
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
fn certified_factors_hold_wherever_the_search_is_given_up() {
    for index in [0, 3] {
        let data = problem(index);
        let fit = || {
            with_problem(&data, |problem| {
                let on_progress = &mut |_| ControlFlow::Continue(());
                underapproximate(problem, &UnderapproxOptions::new(3), Threads::new(1), on_progress).expect("memory")
            })
        };
        let most = questions(fit);
        for place in 0..PLACES {
            // The first question is about the units, without which there is nothing to begin with.
            let Some(found) = given_up_after(1 + place * most / PLACES, fit).0 else {
                assert!(place * most / PLACES < data.ncol + 2 * data.nrow, "{place}");
                continue;
            };
            let factors: Vec<Factor> = found.iter().map(|certified| certified.factor.clone()).collect();
            let compared = with_problem(&data, |problem| certificate(problem, &factors, Threads::new(1)));
            assert_eq!(compared.violated, 0.0, "{} {place}", data.kind);
            assert_eq!(found.last().map(|last| last.status), Some(Status::Interrupted), "{} {place}", data.kind);
        }
    }
}
