//! Fits with priors: the bound is one, it rises, and what it is made of is what it says.

use crate::common::problems::{problem, Data, KINDS};
use crate::common::{generator, uniform};
use faer::MatRef;
use nmu_core::distributions::emg::log_density;
use nmu_core::factor::Factor;
use nmu_core::mle::maximize::Settings;
use nmu_core::noise::{Bounds, ResidualParams};
use nmu_core::noise_estimators::Moments;
use nmu_core::prior::{Exponential, Family, GeneralizedBinary, Maximum, Mixture, PointExponential, Shape};
use nmu_core::residual::ResidualView;
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::Dense;
use nmu_core::trace::Status;
use nmu_core::variational::{
    maximize_elbo, NoiseUpdate, PriorStage, VariationalFit, VariationalInit, VariationalOptions,
};
use std::ops::ControlFlow;

const SETTINGS: Settings =
    Settings { bounds: None, largest: f64::INFINITY, spread: 0.0, tolerance: 1e-8, iterations: 200 };

fn fit(
    data: &Data,
    start: &[Factor],
    schedule: &[PriorStage],
    params: ResidualParams,
    noises: NoiseUpdate,
    threads: usize,
) -> VariationalFit {
    let storage = Dense::new(MatRef::from_column_major_slice(&data.values, data.nrow, data.ncol));
    let view = ResidualView::new(&storage, &[], data.symmetric);
    let on_progress = &mut |_| ControlFlow::Continue(());
    let known = VariationalInit { factors: start, fixed: &[], params };
    maximize_elbo(
        &view,
        known,
        VariationalOptions { schedule, noises, settings: SETTINGS },
        Threads::new(threads),
        on_progress,
    )
}

/// Two factors at random.
fn start(data: &Data, seed: u64) -> Vec<Factor> {
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
fn the_bound_never_falls_within_a_stage() {
    for index in 0..4 * KINDS {
        let data = problem(index);
        let params = data.noise(0.3);
        let bounds = Bounds { min_sigma: 0.01 * params.sigma, min_ratio: 1e-6, max_ratio: 3.0 };
        let families = families();
        let rows = families[1 + index % 4].as_ref();
        let columns = families[(index / 4) % 5].as_ref();
        for noises in [NoiseUpdate::Held, NoiseUpdate::ModelFitter(bounds)] {
            let schedule = [PriorStage { rows: families[1].as_ref(), columns }, PriorStage { rows, columns }];
            let found = fit(&data, &start(&data, index as u64), &schedule, params, noises, 1);
            assert!(found.elbo.is_finite(), "{} {index}", data.kind);
            for pair in found.trace.windows(2).filter(|pair| pair[0].stage == pair[1].stage) {
                let slack = 1e-11 * pair[0].elbo.abs();
                assert!(pair[1].elbo >= pair[0].elbo - slack, "{} {index}: {pair:?}", data.kind);
            }
            let last = found.trace.last().expect("a trace").elbo;
            assert_eq!(last, found.elbo, "{} {index}", data.kind);
        }
    }
}

#[test]
fn the_bound_is_what_it_is_made_of() {
    for index in [0, 3, 5, 7] {
        let data = problem(index);
        let families = families();
        let stage = PriorStage { rows: families[2].as_ref(), columns: families[4].as_ref() };
        let found = fit(&data, &start(&data, 1), &[stage], data.noise(0.4), NoiseUpdate::Held, 1);
        let sigma = found.params.sigma;
        let mut expected = 0.0;
        for row in 0..data.nrow {
            for column in 0..data.ncol {
                let share = if data.symmetric { 0.5 } else { 1.0 };
                let (mut low_rank, mut variance) = (0.0, 0.0);
                for beliefs in &found.beliefs {
                    let other = beliefs.columns.as_ref().unwrap_or(&beliefs.rows);
                    let (w, y) = (beliefs.rows.mean[row], other.mean[column]);
                    let (unsure, other) = (beliefs.rows.variance[row], other.variance[column]);
                    low_rank += w * y;
                    variance += unsure * (other + y * y) + w * w * other;
                }
                let x = data.values[column * data.nrow + row] - low_rank;
                expected += share * (log_density(x, found.params) - variance / (2.0 * sigma * sigma));
            }
        }
        expected -= found.beliefs.iter().map(|beliefs| beliefs.kl()).sum::<f64>();
        assert!((found.elbo - expected).abs() <= 1e-10 * expected.abs(), "{index}: {} {expected}", found.elbo);
    }
}

/// The evidence of a single entry, `∫∫ EMG(a − wy) g(w) g(y) dw dy`, by the midpoint rule on quantiles of `g`.
#[test]
fn the_bound_is_below_the_evidence() {
    let params = ResidualParams { lambda: 1.5, sigma: 0.3 };
    let (rate, other) = (0.8, 1.7);
    let family = |rate| Exponential::new(Some(rate)).expect("a prior");
    let (rows, columns) = (family(rate), family(other));
    for a in [-0.5, 0.4, 2.0, 9.0] {
        const POINTS: usize = 2000;
        let quantile = |index: usize, rate: f64| -(-(index as f64 + 0.5) / POINTS as f64).ln_1p() / rate;
        let mut evidence = 0.0;
        for i in 0..POINTS {
            for j in 0..POINTS {
                evidence += log_density(a - quantile(i, rate) * quantile(j, other), params).exp();
            }
        }
        let evidence = (evidence / (POINTS * POINTS) as f64).ln();
        let data = Data { kind: "one entry", structured: false, values: vec![a], nrow: 1, ncol: 1, symmetric: false };
        let start = [Factor::new(0.5, &[1.0], Some(&[1.0]))];
        let stage = PriorStage { rows: &rows, columns: &columns };
        let found = fit(&data, &start, &[stage], params, NoiseUpdate::Held, 1);
        assert!(found.elbo <= evidence + 1e-6, "{a}: {} {evidence}", found.elbo);
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let data = problem(1);
    let families = families();
    let stage = PriorStage { rows: families[3].as_ref(), columns: families[3].as_ref() };
    let bounds = Bounds { min_sigma: 1e-3, min_ratio: 1e-6, max_ratio: 3.0 };
    let of = |threads| {
        let found = fit(&data, &start(&data, 2), &[stage], data.noise(0.3), NoiseUpdate::ModelFitter(bounds), threads);
        (found.elbo, found.factors, found.params)
    };
    assert_eq!(of(1), of(3));
}

/// A rule may lower the bound; that is no sign that nothing moves.
#[test]
fn a_rule_for_the_noise_is_at_rest_where_a_climb_has_converged() {
    let mut converged = 0;
    for index in 0..2 * KINDS {
        let data = problem(index);
        let params = data.noise(0.3);
        let bounds = Bounds { min_sigma: 0.01 * params.sigma, min_ratio: 1e-6, max_ratio: 3.0 };
        let families = families();
        let stage = PriorStage { rows: families[1].as_ref(), columns: families[1].as_ref() };
        let found = fit(&data, &start(&data, 5), &[stage], params, NoiseUpdate::NoiseRule(&Moments, bounds), 1);
        if found.status == Status::Converged {
            converged += 1;
            let last = &found.trace[found.trace.len() - 2..];
            let apart = (last[0].elbo - last[1].elbo).abs();
            assert!(apart <= 1e-6 * data.values.len() as f64, "{} {index}: {last:?}", data.kind);
        }
    }
    assert!(converged > 0);
}
