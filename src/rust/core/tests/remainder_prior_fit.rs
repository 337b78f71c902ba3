//! Fits that estimate the prior of `b`: comparison with brute force, with the truth, and on problems of many kinds.

use crate::common::brute::{maximize, Axis};
use crate::common::fitters::{maximum_likelihood, options};
use crate::common::generator;
use crate::common::problems::{problem, KINDS};
use faer::MatRef;
use nmu_core::factor::Factor;
use nmu_core::fit::{FitOptions, ModelFit};
use nmu_core::fitter::{FactorFitter, ModelFitter};
use nmu_core::mle::refit;
use nmu_core::noise::{NoiseStructure, ResidualParams};
use nmu_core::prior::remainder;
use nmu_core::remainder_prior::{ComponentMeans, RemainderPrior, RemainderPriorFamily};
use nmu_core::residual::ResidualView;
use nmu_core::runtime::parallel::Threads;
use nmu_core::runtime::progress::no_report;
use nmu_core::storage::Dense;
use nmu_core::trace::Status;
use rand::Rng;
use rand_distr::{Exp1, StandardNormal};

fn fit_options(remainder: RemainderPriorFamily, ratio_floors: &[f64], tolerance: f64) -> FitOptions<'static> {
    FitOptions { remainder, ..options(maximum_likelihood(ratio_floors), Vec::new(), tolerance, 2000) }
}

/// Draws of `b + e` with `b` from a mixture of exponentials with these weights and means.
fn residuals(seed: u64, count: usize, parts: &[(f64, f64)], sigma: f64) -> Vec<f64> {
    let random = &mut generator(seed);
    let draw = |_| {
        let mut position = random.random::<f64>();
        let part = parts.iter().find(|(weight, _)| {
            position -= weight;
            position < 0.0
        });
        let mean = part.map_or(0.0, |(_, mean)| *mean);
        mean * random.sample::<f64, _>(Exp1) + sigma * random.sample::<f64, _>(StandardNormal)
    };
    (0..count).map(draw).collect()
}

fn estimate_noise(values: &[f64], nrow: usize, options: &FitOptions) -> ModelFit {
    let storage = Dense::new(MatRef::from_column_major_slice(values, nrow, values.len() / nrow));
    let view = ResidualView::new(&storage, &[], false);
    refit::estimate_noise(options, &view, Vec::new(), Threads::new(1), &mut no_report)
}

fn log_likelihood(values: &[f64], prior: &RemainderPrior, params: ResidualParams) -> f64 {
    let general = remainder(prior, params);
    values.iter().map(|x| general.posterior(*x, params.sigma).log_marginal).sum()
}

#[test]
fn prior_lambda_and_sigma_attain_the_brute_force_maximum() {
    let values = residuals(1, 600, &[(0.6, 0.0), (0.4, 2.0)], 0.3);
    let params = |point: &[f64]| ResidualParams { lambda: point[0], sigma: point[1] };
    let axes = [Axis::log(0.3, 6.0, 12), Axis::log(0.05, 1.5, 12), Axis::linear(0.02, 0.999, 12)];
    let point_exponential =
        |weight: f64| RemainderPrior::new([(1.0 - weight, 0.0), (weight, 1.0)]).expect("a valid prior");
    let mixture = |middle: f64| {
        // The weights at 0.2 and 5 keep the mean at 1.
        let rest = 1.0 - middle;
        let far = rest * (1.0 - 0.2) / (5.0 - 0.2);
        RemainderPrior::new([(rest - far, 0.2), (middle, 1.0), (far, 5.0)]).expect("a valid prior")
    };
    let means = ComponentMeans::new(&[0.2, 1.0, 5.0]).expect("means");
    let cases: [(RemainderPriorFamily, &dyn Fn(f64) -> RemainderPrior); 2] = [
        (RemainderPriorFamily::PointExponential, &point_exponential),
        (RemainderPriorFamily::Mixture(means), &mixture),
    ];
    for (family, law) in cases {
        let (best, value) = maximize(&axes, |point| log_likelihood(&values, &law(point[2]), params(point)));
        let fit = estimate_noise(&values, 30, &fit_options(family.clone(), &[], 1e-10));
        assert_eq!(fit.status, Status::Converged);
        let value_at_fit = log_likelihood(&values, &fit.remainder_prior, fit.params);
        assert!(
            (value_at_fit - fit.log_likelihood).abs() <= 1e-10 * value_at_fit.abs(),
            "{value_at_fit}, {}",
            fit.log_likelihood
        );
        // The search along the axes stops slightly below the maximum.
        let gain = fit.log_likelihood - value;
        assert!(
            (-1e-6..1e-3).contains(&gain),
            "{family:?}: {gain} over {best:?}, {:?} {:?}",
            fit.params,
            fit.remainder_prior.components()
        );
    }
}

#[test]
fn simulated_priors_are_recovered() {
    for seed in 0..5 {
        let values = residuals(seed, 40_000, &[(0.7, 0.0), (0.3, 2.0)], 0.3);
        let fit = estimate_noise(&values, 200, &fit_options(RemainderPriorFamily::PointExponential, &[], 1e-8));
        assert!((fit.remainder_prior.atom() - 0.7).abs() < 0.02, "{:?}", fit.remainder_prior.components());
        assert!((fit.params.lambda * 0.6).ln().abs() < 0.03, "{:?}", fit.params);
        assert!((fit.params.sigma / 0.3).ln().abs() < 0.03, "{:?}", fit.params);
    }
    // A mixture whose means are on the grid.
    let truth = [(0.8, 0.5), (0.2, 3.0)];
    let values = residuals(9, 90_000, &truth, 0.1);
    let means = ComponentMeans::new(&[0.0, 0.5, 1.0, 3.0]).expect("means");
    let fit = estimate_noise(&values, 300, &fit_options(RemainderPriorFamily::Mixture(means), &[], 1e-9));
    let weight = |mean: f64| {
        fit.remainder_prior
            .components()
            .iter()
            .filter(|part| (part.1 - mean).abs() < 1e-9)
            .map(|part| part.0)
            .sum::<f64>()
    };
    assert!(
        (weight(0.5) - 0.8).abs() < 0.05 && (weight(3.0) - 0.2).abs() < 0.05,
        "{:?}",
        fit.remainder_prior.components()
    );
    assert!(fit.params.lambda.ln().abs() < 0.02, "{:?}", fit.params);
}

#[test]
fn point_exponential_does_not_improve_on_exponential_data() {
    let values = residuals(3, 10_000, &[(1.0, 1.0)], 0.2);
    let [one, free] = [RemainderPriorFamily::default(), RemainderPriorFamily::PointExponential]
        .map(|family| estimate_noise(&values, 100, &fit_options(family, &[], 1e-8)));
    // One additional parameter, at its bound.
    assert!((free.log_likelihood - one.log_likelihood).abs() < 4.0, "{} {}", free.log_likelihood, one.log_likelihood);
    assert!(free.remainder_prior.atom() < 0.03, "{:?}", free.remainder_prior.components());
}

fn fit(index: usize, remainder: RemainderPriorFamily, ratio_floors: &[f64]) -> ModelFit {
    let data = problem(index);
    let storage = Dense::new(MatRef::from_column_major_slice(&data.values, data.nrow, data.ncol));
    let view = ResidualView::new(&storage, &[], data.symmetric);
    let fitter = ModelFitter { options: fit_options(remainder, ratio_floors, 1e-8) };
    fitter.fit(&view, None, Threads::new(1), &mut no_report).model
}

#[test]
fn likelihood_never_decreases_under_priors_that_are_not_log_concave() {
    let means = ComponentMeans::new(&[0.0, 0.1, 0.5, 1.0, 4.0, 16.0]).expect("means");
    for family in [RemainderPriorFamily::PointExponential, RemainderPriorFamily::Mixture(means)] {
        let (mut below, mut not_converged) = (0, 0);
        for index in 0..4 * KINDS {
            let actual = fit(index, family.clone(), &[0.5, 1.0, 2.0]);
            let at = format!("problem {index}, {family:?}");
            let rounding = 1e-12 * (actual.log_likelihood.abs() + actual.count);
            for pair in actual.trace.windows(2).filter(|pair| pair[0].stage == pair[1].stage) {
                assert!(pair[1].log_likelihood >= pair[0].log_likelihood - rounding, "{at}: {pair:?}");
            }
            assert!(actual.log_likelihood.is_finite(), "{at}");
            let Factor { d, u, .. } = &actual.factors[0];
            assert!(d.is_finite() && u.iter().all(|loading| loading.is_finite() && *loading >= 0.0), "{at}");
            let bounds = actual.bounds.expect("free noise has bounds");
            assert!(actual.params.sigma >= bounds.min_sigma * (1.0 - 1e-12), "{at}: σ");
            assert!(actual.params.lambda * actual.params.sigma <= bounds.max_ratio * (1.0 + 1e-12), "{at}: λ");
            not_converged += u32::from(!matches!(actual.status, Status::Converged | Status::Null));
            // The continuation trades likelihood for shape, so likelihoods are compared without it.
            let [free, one] = [family.clone(), RemainderPriorFamily::default()]
                .map(|remainder| fit(index, remainder, &[]).log_likelihood);
            below += u32::from(free < one - 1e-3 * actual.count);
        }
        println!("{family:?}: {below} below the exponential, {not_converged} not converged");
        assert!(below <= 4, "{family:?}: {below} below the exponential");
        assert!(not_converged <= 2, "{family:?}: {not_converged} not converged");
    }
}

#[test]
fn noise_of_rows_is_recovered_and_likelihood_never_decreases() {
    const ROWS: usize = 30;
    const COLUMNS: usize = 400;
    let truth: Vec<f64> = (0..ROWS).map(|row| 0.1 * 10_f64.powf(row as f64 / (ROWS - 1) as f64)).collect();
    let random = &mut generator(11);
    let mut values = vec![0.0; ROWS * COLUMNS];
    for (index, value) in values.iter_mut().enumerate() {
        let e: f64 = random.sample(StandardNormal);
        *value = random.sample::<f64, _>(Exp1) + truth[index % ROWS] * e;
    }
    let transposed: Vec<f64> = (0..ROWS * COLUMNS).map(|i| values[(i % COLUMNS) * ROWS + i / COLUMNS]).collect();
    let by =
        |noise_structure| FitOptions { noise_structure, ..fit_options(RemainderPriorFamily::default(), &[], 1e-8) };
    let (even, rows) = (
        estimate_noise(&values, ROWS, &by(NoiseStructure::Homoscedastic)),
        estimate_noise(&values, ROWS, &by(NoiseStructure::ByRow)),
    );
    let columns = estimate_noise(&transposed, COLUMNS, &by(NoiseStructure::ByColumn));
    assert!(rows.log_likelihood > even.log_likelihood + 100.0);
    assert!((columns.log_likelihood - rows.log_likelihood).abs() <= 1e-6 * rows.log_likelihood.abs());
    for fit in [rows, columns] {
        assert_eq!(fit.status, Status::Converged);
        let actual = fit.noise_sd.expect("they were estimated");
        let mean = actual.iter().map(|s| s * s).sum::<f64>() / ROWS as f64;
        assert!((mean - 1.0).abs() < 1e-9, "{mean}");
        for (actual, truth) in actual.iter().zip(&truth) {
            let error = (actual * fit.params.sigma / truth).ln();
            assert!(error.abs() < 0.35, "{} for {truth}", actual * fit.params.sigma);
        }
        for pair in fit.trace.windows(2).filter(|pair| pair[0].stage == pair[1].stage) {
            assert!(
                pair[1].log_likelihood >= pair[0].log_likelihood - 1e-10 * pair[0].log_likelihood.abs(),
                "{pair:?}"
            );
        }
    }
}
