//! The climb of the likelihood on many kinds of problems: it never falls, it seldom ends below EM, it needs few sweeps, and
//! its λ and σ are where they should be.
//!
//! `NMU_EXTENDED_TESTS=true` runs a thousand problems in the place of two hundred.

use crate::common::counted::Counted;
use crate::common::generator;
use crate::common::problems::{problem, tree, Data, KINDS};
use faer::MatRef;
use nmu_core::em;
use nmu_core::factor::{Factor, FreeFactor};
use nmu_core::fit::{FactorFit, FactorFitter};
use nmu_core::fitter::{ModelFitter, NoiseRule};
use nmu_core::init::leading_init;
use nmu_core::mle::maximize::{maximize, no_callback, Fit, Objective, Settings};
use nmu_core::mle::remainder_update::RemainderPriorFamily;
use nmu_core::noise::NoiseStructure;
use nmu_core::noise::{BoundSpec, Bounds, ResidualParams};
use nmu_core::noise_derivatives::NoiseDerivatives;
use nmu_core::noise_estimators::Moments;
use nmu_core::residual::ResidualView;
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::{Dense, Masked};
use nmu_core::trace::{Status, Trace};
use rand::Rng;
use rand_distr::{Exp1, StandardNormal};
use std::ops::ControlFlow;

/// What a log-likelihood may lose to rounding, relative to its size and the number of entries.
const ROUNDING: f64 = 1e-13;
/// The bounds that R's defaults ask for.
const SHARES: BoundSpec = BoundSpec { floor: 0.1, cap: 3.0 };
/// The ladder of R's default.
const LADDER: [f64; 3] = [0.5, 1.0, 2.0];
/// The iterations that EM gets.
const EM_ITERATIONS: usize = 20_000;

fn problem_count() -> u32 {
    if std::env::var_os("NMU_EXTENDED_TESTS").is_some_and(|value| value == "true") {
        1000
    } else {
        25 * KINDS as u32
    }
}

fn with_view<T>(data: &Data, work: impl FnOnce(&ResidualView) -> T) -> T {
    let storage = Dense::new(MatRef::from_column_major_slice(&data.values, data.nrow, data.ncol));
    work(&ResidualView::new(&storage, &[], data.symmetric))
}

fn climb(view: &ResidualView, rule: NoiseRule) -> FactorFit {
    let (schedule, family, scatter) = (Vec::new(), RemainderPriorFamily::default(), NoiseStructure::Homoscedastic);
    let climb = ModelFitter { rule, schedule, family, scatter, tolerance: 1e-8, iterations: 5000 };
    climb.fit(view, None, Threads::new(1), &mut |_| ControlFlow::Continue(()))
}

fn em(view: &ResidualView, params: ResidualParams) -> Vec<Trace> {
    let settings =
        em::Settings { params, estimator: None, rounds: 1, iterations: EM_ITERATIONS, tolerance: 1e-12, trace: true };
    let start = leading_init(view, Threads::new(1), &mut |_| ControlFlow::Continue(()));
    em::iterate(view, Some(start), &settings, Threads::new(1), &mut |_| ControlFlow::Continue(())).trace
}

/// Where a climb from one factor ends.
fn top(view: &ResidualView, part: FreeFactor, params: ResidualParams, settings: &Settings) -> Fit {
    let hill = Objective { view, parts: &[part], params, settings: *settings, threads: Threads::new(1) };
    maximize(hill, &mut no_callback, &mut |_| ControlFlow::Continue(()))
}

/// The largest fall from one step to the next where λ and σ are free or stay.
fn largest_fall(trace: &[Trace]) -> f64 {
    trace
        .windows(2)
        .filter(|pair| pair[0].stage == pair[1].stage)
        .map(|pair| pair[0].log_likelihood - pair[1].log_likelihood)
        .fold(0.0, f64::max)
}

fn last(trace: &[Trace]) -> f64 {
    trace.last().map_or(f64::NEG_INFINITY, |row| row.log_likelihood)
}

#[test]
fn the_likelihood_never_falls_and_seldom_ends_below_that_of_em() {
    let mut below = 0;
    for index in 0..problem_count() as usize {
        let data = problem(index);
        let params = data.noise([0.1, 0.3, 1.0][index / KINDS % 3]);
        with_view(&data, |view| {
            let at = format!("problem {index}, {}", data.kind);
            let fixed = climb(view, NoiseRule::Fixed(params));
            ends_well(&fixed, &at);
            let gap = last(&em(view, params)) - fixed.log_likelihood;
            assert!(gap <= 1e-6 || !data.structured, "{at}: {gap} below EM");
            below += u32::from(gap > 1e-6);

            let free = climb(view, NoiseRule::Likelihood(SHARES, LADDER.to_vec()));
            ends_well(&free, &format!("{at}, λ and σ free"));
            let bounds = free.bounds.expect("free noise has bounds");
            assert!(free.params.sigma >= bounds.min_sigma * (1.0 - 1e-12), "{at}: σ");
            assert!(free.params.lambda * free.params.sigma <= bounds.max_ratio * (1.0 + 1e-12), "{at}: λ");

            let turns = climb(view, NoiseRule::Alternate(&Moments, SHARES));
            assert!(turns.log_likelihood.is_finite(), "{at}: moments");
        });
    }
    // Where there is no structure to find, hills are many and near each other: now EM ends on the higher, now the climb.
    assert!(100 * below <= 2 * problem_count(), "{below} of {} below EM", problem_count());
}

fn ends_well(fit: &FactorFit, at: &str) {
    let rounding = ROUNDING * (fit.log_likelihood.abs() + fit.count);
    assert!(largest_fall(&fit.trace) <= rounding, "{at}: fell");
    assert!(matches!(fit.status, Status::Converged | Status::Null), "{at}: {:?}", fit.status);
    assert!(fit.log_likelihood.is_finite(), "{at}");
    assert!(fit.factor.u.iter().all(|loading| loading.is_finite() && *loading >= 0.0), "{at}");
}

#[test]
fn lambda_and_sigma_are_within_three_standard_errors_where_w_is_known() {
    const SIZE: usize = 60;
    let mut within = 0;
    for seed in 0..100 {
        let random = &mut generator(seed);
        let truth = ResidualParams { lambda: 2.0, sigma: [0.1, 0.5, 1.0][seed as usize % 3] };
        let mut draw =
            || truth.sigma * random.sample::<f64, _>(StandardNormal) + random.sample::<f64, _>(Exp1) / truth.lambda;
        let values: Vec<f64> = (0..SIZE * SIZE).map(|_| draw()).collect();
        let storage = Dense::new(MatRef::from_column_major_slice(&values, SIZE, SIZE));
        let view = ResidualView::new(&storage, &[], false);
        // W = 0 is known, and stays: from zero loadings there is no slope.
        let nothing = Factor::zero(SIZE, Some(SIZE));
        let nothing = FreeFactor::loadings(nothing);
        let bounds = Some(Bounds { min_sigma: 1e-3, min_ratio: 1e-6, max_ratio: 100.0 });
        let settings = Settings { bounds, largest: f64::INFINITY, spread: 0.0, tolerance: 1e-8, iterations: 1000 };
        let start = ResidualParams { lambda: 1.0, sigma: 0.3 };
        let fit = top(&view, nothing, start, &settings);
        assert_eq!(fit.status, Status::Converged, "seed {seed}");
        let [lambda, sigma] = NoiseDerivatives::new(&fit.sums, fit.params).standard_errors();
        let errors = [(fit.params.lambda / truth.lambda).ln() / lambda, (fit.params.sigma / truth.sigma).ln() / sigma];
        within += u32::from(errors.iter().all(|error| error.abs() <= 3.0));
    }
    assert!(within >= 95, "{within} of 100");
}

#[test]
fn a_climb_needs_a_tenth_of_the_passes_of_em_on_trees() {
    let (mut sweeps, mut iterations) = (0, 0);
    for seed in 0..3 {
        let data = tree(&mut generator(seed));
        let storage = Dense::new(MatRef::from_column_major_slice(&data.values, data.nrow, data.ncol));
        let counted = Counted::new(&storage);
        with_view(&data, |view| {
            let params = data.noise(0.1);
            let trace = em(view, params);
            let near = last(&trace) - 1e-6;
            iterations += trace.iter().position(|row| row.log_likelihood >= near).expect("the last is near") + 1;
            let settings =
                em::Settings { params, estimator: None, rounds: 1, iterations: 30, tolerance: 0.0, trace: false };
            let start = leading_init(view, Threads::new(1), &mut |_| ControlFlow::Continue(()));
            let begun =
                em::iterate(view, Some(start), &settings, Threads::new(1), &mut |_| ControlFlow::Continue(())).factor;
            let settings =
                Settings { bounds: None, largest: f64::INFINITY, spread: 0.0, tolerance: 1e-8, iterations: 1000 };
            let fit =
                top(&ResidualView::new(&counted, &[], data.symmetric), FreeFactor::loadings(begun), params, &settings);
            assert!(fit.log_likelihood() >= near, "seed {seed}: below EM");
            sweeps += 30 + counted.readings();
        });
    }
    assert!(10 * sweeps <= iterations, "{sweeps} sweeps against {iterations} iterations");
}

/// Columns of which nothing is observed change nothing, the tolerance included.
#[test]
fn missing_entries_do_not_end_a_climb_early() {
    let data = problem(3);
    let (nrow, ncol) = (data.nrow, data.ncol);
    let mut values = data.values.clone();
    values.resize(200 * values.len(), f64::NAN);
    let fit = |columns: usize| {
        let storage = Dense::new(MatRef::from_column_major_slice(&values[..nrow * columns], nrow, columns));
        let storage = Masked::new(storage);
        let mut v = vec![0.0; columns];
        v[..ncol].fill(1.0);
        let part = FreeFactor::loadings(Factor::new(1.0, &vec![1.0; nrow], Some(&v)));
        let settings =
            Settings { bounds: None, largest: f64::INFINITY, spread: 0.0, tolerance: 1e-5, iterations: 1000 };
        top(&ResidualView::new(&storage, &[], false), part, data.noise(0.3), &settings)
    };
    let (whole, sparse) = (fit(ncol), fit(200 * ncol));
    assert_eq!(whole.trace.len(), sparse.trace.len());
    assert!((whole.log_likelihood() - sparse.log_likelihood()).abs() <= 1e-9 * whole.log_likelihood().abs());
}
