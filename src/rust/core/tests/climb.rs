//! The climb of the likelihood on many kinds of problems: it never falls, it seldom ends below EM, it needs few sweeps, and
//! its λ and σ are where they should be.
//!
//! `NMU_EXTENDED_TESTS=true` runs a thousand problems in the place of two hundred.

use crate::common::counted::Counted;
use crate::common::generator;
use crate::common::problems::{problem, tree, Data, KINDS};
use nmu_core::climb::{Climb, Rule};
use nmu_core::em;
use nmu_core::estimate::likelihood::Slopes;
use nmu_core::estimate::{LawFamily, Moments};
use nmu_core::fit::{FactorFit, Method, Status, Trace};
use nmu_core::maximise::{maximise, unwatched, Fit, Hill, Settings};
use nmu_core::noise::{Bounds, Noise, Scatter, Shares};
use nmu_core::parallel::Threads;
use nmu_core::part::Part;
use nmu_core::start::leading_start;
use nmu_core::storage::{Dense, Masked};
use nmu_core::view::{Factor, View};
use rand::Rng;
use rand_distr::{Exp1, StandardNormal};
use std::ops::ControlFlow;

/// What a log-likelihood may lose to rounding, relative to its size and the number of entries.
const ROUNDING: f64 = 1e-13;
/// The bounds that R's defaults ask for.
const SHARES: Shares = Shares { floor: 0.1, cap: 3.0 };
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

fn with_view<T>(data: &Data, work: impl FnOnce(&View) -> T) -> T {
    let storage = Dense::from_columns(&data.values, data.nrow, data.ncol).expect("lengths agree");
    work(&View::new(&storage, &[], data.symmetric))
}

fn climb(view: &View, rule: Rule) -> FactorFit {
    let (schedule, family, scatter) = (Vec::new(), LawFamily::default(), Scatter::Even);
    let climb = Climb { rule, schedule, family, scatter, tolerance: 1e-8, iterations: 5000 };
    climb.fit(view, None, Threads::new(1), &mut |_| ControlFlow::Continue(()))
}

fn em(view: &View, noise: Noise) -> Vec<Trace> {
    let settings =
        em::Settings { noise, estimator: None, rounds: 1, iterations: EM_ITERATIONS, tolerance: 1e-12, trace: true };
    let start = leading_start(view, Threads::new(1), &mut |_| ControlFlow::Continue(()));
    em::iterate(view, Some(start), &settings, Threads::new(1), &mut |_| ControlFlow::Continue(())).trace
}

/// Where a climb from one factor ends.
fn top(view: &View, part: Part, noise: Noise, settings: &Settings) -> Fit {
    let hill = Hill { view, parts: &[part], noise, settings: *settings, threads: Threads::new(1) };
    maximise(hill, &mut unwatched, &mut |_| ControlFlow::Continue(()))
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
        let noise = data.noise([0.1, 0.3, 1.0][index / KINDS % 3]);
        with_view(&data, |view| {
            let at = format!("problem {index}, {}", data.kind);
            let fixed = climb(view, Rule::Fixed(noise));
            ends_well(&fixed, &at);
            let gap = last(&em(view, noise)) - fixed.log_likelihood;
            assert!(gap <= 1e-6 || !data.structured, "{at}: {gap} below EM");
            below += u32::from(gap > 1e-6);

            let free = climb(view, Rule::Likelihood(SHARES, LADDER.to_vec()));
            ends_well(&free, &format!("{at}, λ and σ free"));
            let bounds = free.bounds.expect("free noise has bounds");
            assert!(free.noise.sigma >= bounds.least_sigma * (1.0 - 1e-12), "{at}: σ");
            assert!(free.noise.lambda * free.noise.sigma <= bounds.largest_ratio * (1.0 + 1e-12), "{at}: λ");

            let turns = climb(view, Rule::Alternate(&Moments, SHARES));
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
        let truth = Noise { lambda: 2.0, sigma: [0.1, 0.5, 1.0][seed as usize % 3] };
        let mut draw =
            || truth.sigma * random.sample::<f64, _>(StandardNormal) + random.sample::<f64, _>(Exp1) / truth.lambda;
        let values: Vec<f64> = (0..SIZE * SIZE).map(|_| draw()).collect();
        let storage = Dense::from_columns(&values, SIZE, SIZE).expect("lengths agree");
        let view = View::new(&storage, &[], false);
        // W = 0 is known, and stays: from zero loadings there is no slope.
        let nothing = Factor { d: 0.0, u: vec![0.0; SIZE], v: Some(vec![0.0; SIZE]) };
        let nothing = Part::loadings(nothing);
        let bounds = Some(Bounds { least_sigma: 1e-3, least_ratio: 1e-6, largest_ratio: 100.0 });
        let settings = Settings { bounds, largest: f64::INFINITY, spread: 0.0, tolerance: 1e-8, iterations: 1000 };
        let start = Noise { lambda: 1.0, sigma: 0.3 };
        let fit = top(&view, nothing, start, &settings);
        assert_eq!(fit.status, Status::Converged, "seed {seed}");
        let [lambda, sigma] = Slopes::new(&fit.sums, fit.noise).standard_errors();
        let errors = [(fit.noise.lambda / truth.lambda).ln() / lambda, (fit.noise.sigma / truth.sigma).ln() / sigma];
        within += u32::from(errors.iter().all(|error| error.abs() <= 3.0));
    }
    assert!(within >= 95, "{within} of 100");
}

#[test]
fn a_climb_needs_a_tenth_of_the_passes_of_em_on_trees() {
    let (mut sweeps, mut iterations) = (0, 0);
    for seed in 0..3 {
        let data = tree(&mut generator(seed));
        let storage = Dense::from_columns(&data.values, data.nrow, data.ncol).expect("lengths agree");
        let counted = Counted::new(&storage);
        with_view(&data, |view| {
            let noise = data.noise(0.1);
            let trace = em(view, noise);
            let near = last(&trace) - 1e-6;
            iterations += trace.iter().position(|row| row.log_likelihood >= near).expect("the last is near") + 1;
            let settings =
                em::Settings { noise, estimator: None, rounds: 1, iterations: 30, tolerance: 0.0, trace: false };
            let start = leading_start(view, Threads::new(1), &mut |_| ControlFlow::Continue(()));
            let begun =
                em::iterate(view, Some(start), &settings, Threads::new(1), &mut |_| ControlFlow::Continue(())).factor;
            let settings =
                Settings { bounds: None, largest: f64::INFINITY, spread: 0.0, tolerance: 1e-8, iterations: 1000 };
            let fit = top(&View::new(&counted, &[], data.symmetric), Part::loadings(begun), noise, &settings);
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
        let storage = Dense::from_columns(&values[..nrow * columns], nrow, columns).expect("lengths agree");
        let storage = Masked::new(storage);
        let mut v = vec![0.0; columns];
        v[..ncol].fill(1.0);
        let part = Part::loadings(Factor { d: 1.0, u: vec![1.0; nrow], v: Some(v) });
        let settings =
            Settings { bounds: None, largest: f64::INFINITY, spread: 0.0, tolerance: 1e-5, iterations: 1000 };
        top(&View::new(&storage, &[], false), part, data.noise(0.3), &settings)
    };
    let (whole, sparse) = (fit(ncol), fit(200 * ncol));
    assert_eq!(whole.trace.len(), sparse.trace.len());
    assert!((whole.log_likelihood() - sparse.log_likelihood()).abs() <= 1e-9 * whole.log_likelihood().abs());
}
