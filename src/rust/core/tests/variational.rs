//! Tests of fits with priors: the ELBO is a lower bound of the evidence, never decreases, and equals the sum of its
//! terms.

use crate::common::fitters::BOUND_SPEC;
use crate::common::problems::{problem, Data, KINDS};
use crate::common::{generator, uniform};
use faer::MatRef;
use nmu_core::distributions::emg::log_density;
use nmu_core::factor::Factor;
use nmu_core::fit::{PriorStage, StopRule};
use nmu_core::noise::{Bounds, ResidualParams};
use nmu_core::noise_estimators::{Fixed, MaximumLikelihood, Moments, NoiseEstimator};
use nmu_core::prior::{Exponential, Family, GeneralizedBinary, Maximum, Mixture, PointExponential, Shape};
use nmu_core::residual::ResidualView;
use nmu_core::runtime::parallel::Threads;
use nmu_core::runtime::progress::no_report;
use nmu_core::storage::Dense;
use nmu_core::trace::Status;
use nmu_core::variational::{maximize_elbo, VariationalFit, VariationalInit, VariationalOptions};

const STOP: StopRule = StopRule::new(1e-8, 200);

/// λ and σ of a fit: the estimator and the bounds.
type Noise<'a> = (&'a dyn NoiseEstimator, Option<Bounds>);

fn fit(
    data: &Data,
    init: &[Factor],
    schedule: &[PriorStage],
    params: ResidualParams,
    (estimator, bounds): Noise,
    threads: usize,
) -> VariationalFit {
    let storage = Dense::new(MatRef::from_column_major_slice(&data.values, data.nrow, data.ncol));
    let view = ResidualView::new(&storage, &[], data.symmetric);
    let init = VariationalInit { factors: init, fixed: &[], params };
    maximize_elbo(
        &view,
        init,
        VariationalOptions { schedule, estimator, bounds, stop: STOP },
        Threads::new(threads),
        &mut no_report,
    )
}

/// Maximum likelihood without a continuation in λσ.
const LIKELIHOOD: MaximumLikelihood = MaximumLikelihood { bounds: BOUND_SPEC, ratio_floors: Vec::new() };

/// Two random factors.
fn random_factors(data: &Data, seed: u64) -> Vec<Factor> {
    let random = &mut generator(seed);
    let mut side = |length| uniform(random, length, 0.0, 1.0);
    (0..2).map(|_| Factor::new(0.7, &side(data.nrow), (!data.symmetric).then(|| side(data.ncol)).as_deref())).collect()
}

fn families() -> Vec<Box<dyn Family>> {
    vec![
        Box::new(Maximum),
        Box::new(Exponential::new(None).expect("a prior")),
        Box::new(PointExponential::new(None, None).expect("a prior")),
        Box::new(GeneralizedBinary::new(None, None, Some(0.05)).expect("a prior")),
        Box::new(Mixture::new(Shape::HalfNormal, None, None).expect("a prior")),
    ]
}

#[test]
fn the_elbo_never_decreases_within_a_stage() {
    for index in 0..4 * KINDS {
        let data = problem(index);
        let params = data.noise(0.3);
        let bounds = Bounds { min_sigma: 0.01 * params.sigma, min_ratio: 1e-6, max_ratio: 3.0 };
        let families = families();
        let rows = families[1 + index % 4].as_ref();
        let columns = families[(index / 4) % 5].as_ref();
        for noise in [(&Fixed(params) as &dyn NoiseEstimator, None), (&LIKELIHOOD, Some(bounds))] {
            let schedule = [PriorStage { rows: families[1].as_ref(), columns }, PriorStage { rows, columns }];
            let fit = fit(&data, &random_factors(&data, index as u64), &schedule, params, noise, 1);
            assert!(fit.elbo.is_finite(), "{} {index}", data.kind);
            for pair in fit.trace.windows(2).filter(|pair| pair[0].stage == pair[1].stage) {
                let slack = 1e-11 * pair[0].elbo.abs();
                assert!(pair[1].elbo >= pair[0].elbo - slack, "{} {index}: {pair:?}", data.kind);
            }
            let last = fit.trace.last().expect("a trace").elbo;
            assert_eq!(last, fit.elbo, "{} {index}", data.kind);
        }
    }
}

#[test]
fn the_elbo_is_the_sum_of_its_terms() {
    for index in [0, 3, 5, 7] {
        let data = problem(index);
        let families = families();
        let params = data.noise(0.4);
        let stage = PriorStage { rows: families[2].as_ref(), columns: families[4].as_ref() };
        let fit = fit(&data, &random_factors(&data, 1), &[stage], params, (&Fixed(params), None), 1);
        let sigma = fit.params.sigma;
        let mut expected = 0.0;
        for row in 0..data.nrow {
            for column in 0..data.ncol {
                let entry_weight = if data.symmetric { 0.5 } else { 1.0 };
                let (mut low_rank, mut variance) = (0.0, 0.0);
                for posterior in &fit.posteriors {
                    let other = posterior.columns.as_ref().unwrap_or(&posterior.rows);
                    let (w, y) = (posterior.rows.mean[row], other.mean[column]);
                    let (w_variance, y_variance) = (posterior.rows.variance[row], other.variance[column]);
                    low_rank += w * y;
                    variance += w_variance * (y_variance + y * y) + w * w * y_variance;
                }
                let x = data.values[column * data.nrow + row] - low_rank;
                expected += entry_weight * (log_density(x, fit.params) - variance / (2.0 * sigma * sigma));
            }
        }
        expected -= fit.posteriors.iter().map(|posterior| posterior.kl()).sum::<f64>();
        assert!((fit.elbo - expected).abs() <= 1e-10 * expected.abs(), "{index}: {} {expected}", fit.elbo);
    }
}

/// Compares with the evidence of a single entry, `∫∫ EMG(a − wy) g(w) g(y) dw dy`, by the midpoint rule on quantiles of
/// `g`.
#[test]
fn the_elbo_is_below_the_evidence() {
    let params = ResidualParams { lambda: 1.5, sigma: 0.3 };
    let (row_rate, column_rate) = (0.8, 1.7);
    let family = |rate| Exponential::new(Some(rate)).expect("a prior");
    let (rows, columns) = (family(row_rate), family(column_rate));
    for a in [-0.5, 0.4, 2.0, 9.0] {
        const POINTS: usize = 2000;
        let quantile = |index: usize, rate: f64| -(-(index as f64 + 0.5) / POINTS as f64).ln_1p() / rate;
        let mut evidence = 0.0;
        for i in 0..POINTS {
            for j in 0..POINTS {
                evidence += log_density(a - quantile(i, row_rate) * quantile(j, column_rate), params).exp();
            }
        }
        let evidence = (evidence / (POINTS * POINTS) as f64).ln();
        let data = Data { kind: "one entry", structured: false, values: vec![a], nrow: 1, ncol: 1, symmetric: false };
        let init = [Factor::new(0.5, &[1.0], Some(&[1.0]))];
        let stage = PriorStage { rows: &rows, columns: &columns };
        let fit = fit(&data, &init, &[stage], params, (&Fixed(params), None), 1);
        assert!(fit.elbo <= evidence + 1e-6, "{a}: {} {evidence}", fit.elbo);
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let data = problem(1);
    let families = families();
    let stage = PriorStage { rows: families[3].as_ref(), columns: families[3].as_ref() };
    let bounds = Bounds { min_sigma: 1e-3, min_ratio: 1e-6, max_ratio: 3.0 };
    let result = |threads| {
        let fit =
            fit(&data, &random_factors(&data, 2), &[stage], data.noise(0.3), (&LIKELIHOOD, Some(bounds)), threads);
        (fit.elbo, fit.factors, fit.params)
    };
    assert_eq!(result(1), result(3));
}

/// An alternating noise estimator may lower the ELBO, so a decrease alone must not count as convergence.
#[test]
fn the_noise_estimate_is_stationary_at_convergence() {
    let mut converged = 0;
    let moments = Moments { bounds: BOUND_SPEC };
    for index in 0..2 * KINDS {
        let data = problem(index);
        let params = data.noise(0.3);
        let bounds = Bounds { min_sigma: 0.01 * params.sigma, min_ratio: 1e-6, max_ratio: 3.0 };
        let families = families();
        let stage = PriorStage { rows: families[1].as_ref(), columns: families[1].as_ref() };
        let fit = fit(&data, &random_factors(&data, 5), &[stage], params, (&moments, Some(bounds)), 1);
        if fit.status == Status::Converged {
            converged += 1;
            let last = &fit.trace[fit.trace.len() - 2..];
            let change = (last[0].elbo - last[1].elbo).abs();
            assert!(change <= 1e-6 * data.values.len() as f64, "{} {index}: {last:?}", data.kind);
        }
    }
    assert!(converged > 0);
}
