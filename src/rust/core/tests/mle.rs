//! Tests of maximum likelihood fits on many kinds of problems: the log-likelihood never decreases and seldom ends below
//! that of EM, few sweeps are needed, and the estimates of λ and σ are accurate.
//!
//! `NMU_EXTENDED_TESTS=true` runs 1000 problems instead of 200.

use crate::common::counted::Counted;
use crate::common::fitters::fitter;
use crate::common::generator;
use crate::common::problems::{problem, tree, Data, KINDS};
use faer::MatRef;
use nmu_core::em;
use nmu_core::factor::{Factor, FreeFactor};
use nmu_core::fit::{FactorFit, StopRule};
use nmu_core::fitter::FactorFitter;
use nmu_core::init::leading_init;
use nmu_core::mle::maximize::{maximize, Optimum};
use nmu_core::mle::objective::Objective;
use nmu_core::noise::{BoundSpec, Bounds, ResidualParams};
use nmu_core::noise_derivatives::NoiseDerivatives;
use nmu_core::noise_estimators::{Fixed, MaximumLikelihood, Moments, NoiseEstimator};
use nmu_core::residual::ResidualView;
use nmu_core::runtime::parallel::Threads;
use nmu_core::runtime::progress::no_report;
use nmu_core::storage::{Dense, Masked};
use nmu_core::trace::{Status, Trace};
use rand::Rng;
use rand_distr::{Exp1, StandardNormal};

/// Tolerance for rounding of a log-likelihood, relative to its absolute value plus the number of entries.
const ROUNDING: f64 = 1e-13;
/// The default bounds of the R package.
const BOUNDS: BoundSpec = BoundSpec { floor: 0.1, cap: 3.0 };
/// The default continuation in λσ of the R package.
const RATIO_FLOORS: [f64; 3] = [0.5, 1.0, 2.0];
/// Maximum number of EM iterations.
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

fn fit_factor(view: &ResidualView, estimator: Box<dyn NoiseEstimator>) -> FactorFit {
    fitter(estimator, Vec::new(), 1e-8, 5000).fit(view, None, Threads::new(1), &mut no_report)
}

fn em(view: &ResidualView, params: ResidualParams) -> Vec<Trace> {
    let settings =
        em::NotebookEm { params, estimator: None, rounds: 1, iterations: EM_ITERATIONS, tolerance: 1e-12, trace: true };
    let init = leading_init(view, Threads::new(1), &mut no_report);
    em::iterate(view, Some(init), &settings, Threads::new(1), &mut no_report).trace
}

/// Maximizes the likelihood from one factor.
fn maximize_from(
    view: &ResidualView,
    factor: FreeFactor,
    params: ResidualParams,
    bounds: Option<Bounds>,
    tolerance: f64,
) -> Optimum {
    let objective = Objective {
        view,
        factors: &[factor],
        params,
        bounds,
        max_entry: f64::INFINITY,
        low_rank_variance: 0.0,
        threads: Threads::new(1),
    };
    maximize(objective, StopRule::new(tolerance, 1000), &mut no_report)
}

/// The largest decrease between consecutive iterations of one stage.
fn largest_decrease(trace: &[Trace]) -> f64 {
    trace
        .windows(2)
        .filter(|pair| pair[0].stage == pair[1].stage)
        .map(|pair| pair[0].log_likelihood - pair[1].log_likelihood)
        .fold(0.0, f64::max)
}

fn final_log_likelihood(trace: &[Trace]) -> f64 {
    trace.last().map_or(f64::NEG_INFINITY, |row| row.log_likelihood)
}

#[test]
fn the_likelihood_never_decreases_and_seldom_ends_below_that_of_em() {
    let mut below = 0;
    for index in 0..problem_count() as usize {
        let data = problem(index);
        let params = data.noise([0.1, 0.3, 1.0][index / KINDS % 3]);
        with_view(&data, |view| {
            let context = format!("problem {index}, {}", data.kind);
            let fixed = fit_factor(view, Box::new(Fixed(params)));
            check_fit(&fixed, &context);
            let gap = final_log_likelihood(&em(view, params)) - fixed.model.log_likelihood;
            assert!(gap <= 1e-6 || !data.structured, "{context}: {gap} below EM");
            below += u32::from(gap > 1e-6);

            let likelihood = MaximumLikelihood { bounds: BOUNDS, ratio_floors: RATIO_FLOORS.to_vec() };
            let free = fit_factor(view, Box::new(likelihood));
            check_fit(&free, &format!("{context}, λ and σ free"));
            let bounds = free.model.bounds.expect("free noise has bounds");
            assert!(free.model.params.sigma >= bounds.min_sigma * (1.0 - 1e-12), "{context}: σ");
            assert!(
                free.model.params.lambda * free.model.params.sigma <= bounds.max_ratio * (1.0 + 1e-12),
                "{context}: λ"
            );

            let alternating = fit_factor(view, Box::new(Moments { bounds: BOUNDS }));
            assert!(alternating.model.log_likelihood.is_finite(), "{context}: moments");
        });
    }
    // Without structure there are many local maxima of similar height, and either algorithm may find the higher one.
    assert!(100 * below <= 2 * problem_count(), "{below} of {} below EM", problem_count());
}

fn check_fit(fit: &FactorFit, context: &str) {
    let (factor, fit) = (fit.factor(), &fit.model);
    let rounding = ROUNDING * (fit.log_likelihood.abs() + fit.count);
    assert!(largest_decrease(&fit.trace) <= rounding, "{context}: the log-likelihood decreases");
    assert!(matches!(fit.status, Status::Converged | Status::Null), "{context}: {:?}", fit.status);
    assert!(fit.log_likelihood.is_finite(), "{context}");
    assert!(factor.u.iter().all(|loading| loading.is_finite() && *loading >= 0.0), "{context}");
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
        // W = 0 stays fixed: the gradient vanishes at zero loadings.
        let zero = FreeFactor::loadings(Factor::zero(SIZE, Some(SIZE)));
        let bounds = Some(Bounds { min_sigma: 1e-3, min_ratio: 1e-6, max_ratio: 100.0 });
        let init = ResidualParams { lambda: 1.0, sigma: 0.3 };
        let fit = maximize_from(&view, zero, init, bounds, 1e-8);
        assert_eq!(fit.status, Status::Converged, "seed {seed}");
        let [lambda, sigma] = NoiseDerivatives::new(&fit.stats, fit.params).standard_errors();
        let errors = [(fit.params.lambda / truth.lambda).ln() / lambda, (fit.params.sigma / truth.sigma).ln() / sigma];
        within += u32::from(errors.iter().all(|error| error.abs() <= 3.0));
    }
    assert!(within >= 95, "{within} of 100");
}

#[test]
fn maximum_likelihood_needs_a_tenth_of_the_passes_of_em_on_trees() {
    let (mut sweeps, mut iterations) = (0, 0);
    for seed in 0..3 {
        let data = tree(&mut generator(seed));
        let storage = Dense::new(MatRef::from_column_major_slice(&data.values, data.nrow, data.ncol));
        let counted = Counted::new(&storage);
        with_view(&data, |view| {
            let params = data.noise(0.1);
            let trace = em(view, params);
            let target = final_log_likelihood(&trace) - 1e-6;
            iterations +=
                trace.iter().position(|row| row.log_likelihood >= target).expect("the last iteration reaches it") + 1;
            let settings =
                em::NotebookEm { params, estimator: None, rounds: 1, iterations: 30, tolerance: 0.0, trace: false };
            let init = leading_init(view, Threads::new(1), &mut no_report);
            let after_em = em::iterate(view, Some(init), &settings, Threads::new(1), &mut no_report).factor;
            let fit = maximize_from(
                &ResidualView::new(&counted, &[], data.symmetric),
                FreeFactor::loadings(after_em),
                params,
                None,
                1e-8,
            );
            assert!(fit.log_likelihood() >= target, "seed {seed}: below EM");
            sweeps += 30 + counted.readings();
        });
    }
    assert!(10 * sweeps <= iterations, "{sweeps} sweeps against {iterations} iterations");
}

/// Columns without observed entries do not change the result or the effective tolerance.
#[test]
fn missing_entries_do_not_stop_the_optimizer_early() {
    let data = problem(3);
    let (nrow, ncol) = (data.nrow, data.ncol);
    let mut values = data.values.clone();
    values.resize(200 * values.len(), f64::NAN);
    let fit = |columns: usize| {
        let storage = Dense::new(MatRef::from_column_major_slice(&values[..nrow * columns], nrow, columns));
        let storage = Masked::new(storage);
        let mut v = vec![0.0; columns];
        v[..ncol].fill(1.0);
        let factor = FreeFactor::loadings(Factor::new(1.0, &vec![1.0; nrow], Some(&v)));
        maximize_from(&ResidualView::new(&storage, &[], false), factor, data.noise(0.3), None, 1e-5)
    };
    let (complete, padded) = (fit(ncol), fit(200 * ncol));
    assert_eq!(complete.trace.len(), padded.trace.len());
    assert!((complete.log_likelihood() - padded.log_likelihood()).abs() <= 1e-9 * complete.log_likelihood().abs());
}
