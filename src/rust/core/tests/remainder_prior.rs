//! The pass under mixture priors of `b` and heteroscedastic noise: comparison with the scalar posterior of each entry, which
//! `prior.rs` compares with quadrature, and with the exponential loop.

use crate::common::remainder_priors::{expected_pass, remainder_priors, ExpectedPass};
use crate::common::{close, generator, matrix, uniform};
use faer::{ColRef, MatRef};
use nmu_core::factor::Factor;
use nmu_core::noise::{NoiseScales, ResidualParams};
use nmu_core::noise_derivatives::NoiseDerivatives;
use nmu_core::pass::{sweep, Model, PassLevel, PassOutput, PassSpec};
use nmu_core::remainder_prior::{ComponentMeans, RemainderPrior};
use nmu_core::residual::ResidualView;
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::{Dense, Masked, Storage};

const NOISES: [ResidualParams; 3] = [
    ResidualParams { lambda: 30.0, sigma: 1.0 },
    ResidualParams { lambda: 1.0, sigma: 0.7 },
    ResidualParams { lambda: 0.3, sigma: 0.01 },
];

fn view<'a>(storage: &'a dyn Storage, symmetric: bool, prior: &RemainderPrior) -> ResidualView<'a> {
    ResidualView::new(storage, &[], symmetric).with_remainder_prior(*prior)
}

fn sweep_at(
    view: &ResidualView,
    factor: &Factor,
    params: ResidualParams,
    level: PassLevel,
    threads: usize,
) -> PassOutput {
    let spec = PassSpec {
        row_weights: ColRef::from_slice(factor.u()),
        column_weights: ColRef::from_slice(factor.v()),
        shift: 0.3,
        level,
    };
    sweep(view, Model { factor, params }, &spec, Threads::new(threads))
}

fn factor(nrow: usize, ncol: usize, symmetric: bool) -> Factor {
    let random = &mut generator(2);
    let u = uniform(random, nrow, 0.0, 1.0);
    Factor::new(0.6, &u, (!symmetric).then(|| uniform(random, ncol, 0.0, 1.0)).as_deref())
}

/// Checks a sweep against `expected`: sums within `tolerance`, products within ten times that.
fn agrees(
    actual: &PassOutput,
    expected: &ExpectedPass,
    params: ResidualParams,
    symmetric: bool,
    tolerance: f64,
    at: &str,
) {
    let products = 10.0 * tolerance;
    assert!(close(actual.products.rows(), &expected.rows, products), "products at {at}");
    assert!(close(actual.curvatures.rows(), &expected.row_curvatures, 10.0 * products), "curvatures at {at}");
    if !symmetric {
        assert!(close(actual.products.columns(), &expected.columns, products), "column products at {at}");
        assert!(
            close(actual.curvatures.columns(), &expected.column_curvatures, 10.0 * products),
            "column curvatures at {at}"
        );
    }
    let sums = &actual.sums;
    assert!(close(&[sums.mean_b], &[expected.mean], tolerance), "mean of b at {at}");
    let (value, likelihood) = (sums.log_likelihood(params), expected.log_likelihood);
    assert!(close(&[value], &[likelihood], products), "likelihood at {at}: {value}, {likelihood}");
}

/// Matrices of one tile and of many; the one of 33 rows has extreme, missing and zero entries.
fn problems(seed: u64) -> Vec<(Vec<f64>, Factor, bool)> {
    let sizes = [(1, 1, true), (67, 67, true), (33, 5, false), (70, 300, false)];
    let problem = |(nrow, ncol, symmetric)| {
        let mut values = matrix(&mut generator(seed), nrow, ncol, symmetric);
        if nrow == 33 {
            values[..5].copy_from_slice(&[-300.0, 400.0, f64::NAN, 0.0, -1e-3]);
        }
        (values, factor(nrow, ncol, symmetric), symmetric)
    };
    sizes.map(problem).to_vec()
}

#[test]
fn sweep_under_a_mixture_equals_sum_over_entries() {
    for (values, factor, symmetric) in problems(1) {
        let dense = Dense::new(MatRef::from_column_major_slice(&values, factor.u.nrows(), factor.v().len()));
        let masked = Masked::new(dense);
        for (prior, params) in remainder_priors().iter().flat_map(|prior| NOISES.map(|params| (prior, params))) {
            let view = view(&masked, symmetric, prior);
            let actual = sweep_at(&view, &factor, params, PassLevel::Curvature, 1);
            let at = format!("{} entries, {symmetric}, {params:?}, {prior:?}", values.len());
            agrees(&actual, &expected_pass(&values, &factor, prior, params, None), params, symmetric, 1e-13, &at);
            let likelihood = sweep_at(&view, &factor, params, PassLevel::Likelihood, 1).sums;
            assert_eq!(likelihood.log_likelihood(params), actual.sums.log_likelihood(params), "levels differ at {at}");
            assert_eq!(likelihood.mean_b, actual.sums.mean_b, "levels differ at {at}");
        }
    }
}

#[test]
fn derivatives_in_lambda_and_sigma_equal_finite_differences() {
    let values = matrix(&mut generator(3), 30, 20, false);
    let dense = Dense::new(MatRef::from_column_major_slice(&values, 30, 20));
    let factor = factor(30, 20, false);
    for prior in remainder_priors() {
        let view = view(&dense, false, &prior);
        for params in
            [NOISES[1], ResidualParams { lambda: 3.0, sigma: 0.2 }, ResidualParams { lambda: 2.0, sigma: 1.5 }]
        {
            let at = |l: f64, s: f64| {
                let params = ResidualParams { lambda: params.lambda * l.exp(), sigma: params.sigma * s.exp() };
                let sums = sweep_at(&view, &factor, params, PassLevel::Curvature, 1).sums;
                (sums.log_likelihood(params), NoiseDerivatives::new(&sums, params))
            };
            const STEP: f64 = 1e-4;
            let center = at(0.0, 0.0).1;
            let [(l, ll), (s, ss)] = [(STEP, 0.0), (0.0, STEP)].map(|(l, s)| {
                let (up, down) = (at(l, s), at(-l, -s));
                let derivative = (up.0 - down.0) / (2.0 * STEP);
                let change = [0, 1].map(|i| (up.1.gradient[i] - down.1.gradient[i]) / (2.0 * STEP));
                (derivative, change)
            });
            let pairs = [
                (center.gradient[0], l),
                (center.gradient[1], s),
                (center.hessian[0], ll[0]),
                (center.hessian[1], ll[1]),
                (center.hessian[1], ss[0]),
                (center.hessian[2], ss[1]),
            ];
            let scale = center.hessian[2].abs() + 600.0;
            for (actual, difference) in pairs {
                assert!((actual - difference).abs() <= 1e-6 * scale, "{actual}, {difference} at {params:?}, {prior:?}");
            }
        }
    }
}

/// Two equal exponentials, which are one.
fn two_equal_exponentials() -> RemainderPrior {
    RemainderPrior::new([(0.4, 1.0), (0.6, 1.0)]).expect("a valid prior")
}

#[test]
fn one_exponential_in_two_parts_equals_the_exponential() {
    for (nrow, ncol, symmetric) in [(67, 67, true), (70, 30, false)] {
        let values = matrix(&mut generator(4), nrow, ncol, symmetric);
        let dense = Dense::new(MatRef::from_column_major_slice(&values, nrow, ncol));
        let factor = factor(nrow, ncol, symmetric);
        assert!(!two_equal_exponentials().is_exponential());
        for params in NOISES {
            let one = sweep_at(
                &view(&dense, symmetric, &RemainderPrior::EXPONENTIAL),
                &factor,
                params,
                PassLevel::Curvature,
                1,
            );
            let two =
                sweep_at(&view(&dense, symmetric, &two_equal_exponentials()), &factor, params, PassLevel::Curvature, 1);
            assert!(close(two.products.rows(), one.products.rows(), 1e-13), "{params:?}");
            assert!(close(two.curvatures.rows(), one.curvatures.rows(), 1e-13), "{params:?}");
            assert!(close(&[two.sums.mean_b], &[one.sums.mean_b], 1e-14), "{params:?}");
            let [expected, actual] = [one.sums, two.sums].map(|sums| sums.log_likelihood(params));
            assert!(close(&[actual], &[expected], 1e-13), "{actual}, {expected}, {params:?}");
            let [expected, actual] = [one.sums, two.sums].map(|sums| NoiseDerivatives::new(&sums, params));
            assert!(close(&actual.gradient, &expected.gradient, 1e-11), "{actual:?}, {expected:?}");
            assert!(close(&actual.hessian, &expected.hessian, 1e-11), "{actual:?}, {expected:?}");
        }
    }
}

#[test]
fn result_under_a_mixture_is_bitwise_independent_of_threads() {
    let values = matrix(&mut generator(5), 301, 301, true);
    let dense = Dense::new(MatRef::from_column_major_slice(&values, 301, 301));
    let factor = factor(301, 301, true);
    for prior in remainder_priors() {
        let view = view(&dense, true, &prior);
        let single = sweep_at(&view, &factor, NOISES[1], PassLevel::Curvature, 1);
        for threads in [2, 5] {
            assert_eq!(single, sweep_at(&view, &factor, NOISES[1], PassLevel::Curvature, threads));
        }
    }
}

#[test]
fn results_are_finite_for_extreme_residuals() {
    let sizes = [0.0, 1e-300, 1e-8, 1.0, 40.0, 1e3, 1e6, 1e10];
    let values: Vec<f64> = sizes.iter().flat_map(|x| [*x, -x]).collect();
    let dense = Dense::new(MatRef::from_column_major_slice(&values, 16, 1));
    let null = Factor::new(0.0, &[1.0; 16], Some(&[1.0]));
    for prior in remainder_priors() {
        for params in
            [(1e-3, 1e-3), (1.0, 1.0), (1e3, 1e-3), (1e-3, 1e3)].map(|(lambda, sigma)| ResidualParams { lambda, sigma })
        {
            let actual = sweep_at(&view(&dense, false, &prior), &null, params, PassLevel::Curvature, 1);
            let at = format!("{params:?}, {prior:?}");
            let all = actual.products.rows().iter().chain(actual.curvatures.rows());
            assert!(all.copied().all(f64::is_finite), "{at}: {actual:?}");
            assert!(actual.sums.log_likelihood(params).is_finite(), "{at}");
            let derivatives = NoiseDerivatives::new(&actual.sums, params);
            assert!(
                derivatives.gradient.iter().chain(&derivatives.hessian).copied().all(f64::is_finite),
                "{at}: {derivatives:?}"
            );
        }
    }
}

#[test]
fn priors_have_mean_one() {
    for prior in remainder_priors() {
        let parts = prior.components();
        let sum = |of: &dyn Fn(f64, f64) -> f64| parts.iter().map(|&(weight, mean)| of(weight, mean)).sum::<f64>();
        assert!((sum(&|weight, _| weight) - 1.0).abs() < 1e-15);
        assert!((sum(&|weight, mean| weight * mean) - 1.0).abs() < 1e-15);
        assert!(
            (sum(&|weight, mean| 2.0 * weight * mean * mean) - 1.0 - prior.variance()).abs() < 1e-12 * prior.variance()
        );
    }
    assert!(RemainderPrior::new([(1.0, 2.0)]).expect("a valid prior").is_exponential());
    let none = RemainderPrior::new([(0.3, 0.0), (0.7, 0.0)]).expect("no remainder");
    assert!(none == RemainderPrior::NONE && none.is_none() && none.variance() == 0.0);
    for bad in [vec![], vec![(0.0, 0.0)], vec![(-1.0, 1.0), (3.0, 1.0)], vec![(1.0, f64::NAN)], vec![(1.0, 1.0); 13]] {
        assert!(RemainderPrior::new(bad).is_err());
    }
}

/// For smaller means, `κ²` in the derivatives would take the digits of the other terms.
#[test]
fn means_far_below_that_of_the_remainder_are_rejected() {
    assert!(RemainderPrior::new([(0.5, 2.0), (0.5, 2e-4), (1.0, 0.0)]).is_ok());
    assert!(ComponentMeans::new(&[3.0, 1e-4, 0.0]).is_ok());
    // In units of their own: both priors have mean 0.5.
    for least in [2e-5, 1e-160, f64::MIN_POSITIVE] {
        assert!(RemainderPrior::new([(1.0, 1.0), (1.0, least)]).is_err());
        assert!(ComponentMeans::new(&[3.0, least, 0.0]).is_err());
    }
}

/// Noise scales of each kind for a matrix of this shape.
fn scales(nrow: usize, ncol: usize, symmetric: bool) -> Vec<NoiseScales> {
    let random = &mut generator(6);
    let rows = uniform(random, nrow, 0.2, 3.0);
    let columns = if symmetric { rows.clone() } else { uniform(random, ncol, 0.2, 3.0) };
    let mut entries = uniform(random, nrow * ncol, 0.2, 3.0);
    if symmetric {
        for column in 0..ncol {
            for row in 0..column {
                entries[row * nrow + column] = entries[column * nrow + row];
            }
        }
    }
    vec![NoiseScales::outer(rows, columns).expect("positive"), NoiseScales::entries(entries).expect("positive")]
}

#[test]
fn heteroscedastic_noise_is_that_of_each_entry() {
    for (values, factor, symmetric) in problems(7) {
        let (nrow, ncol) = (factor.u.nrows(), factor.v().len());
        let storage = Masked::new(Dense::new(MatRef::from_column_major_slice(&values, nrow, ncol)));
        for (scales, prior) in scales(nrow, ncol, symmetric)
            .iter()
            .flat_map(|s| [(s, RemainderPrior::EXPONENTIAL), (s, remainder_priors()[0]), (s, remainder_priors()[1])])
        {
            for params in NOISES {
                let view = view(&storage, symmetric, &prior);
                let view = view.with_noise_scales(Some(scales));
                let actual = sweep_at(&view, &factor, params, PassLevel::Curvature, 2);
                let noise = sweep_at(&view, &factor, params, PassLevel::NoiseScale, 2);
                let at = format!("{nrow} x {ncol}, {symmetric}, {params:?}, {prior:?}");
                let expected = expected_pass(&values, &factor, &prior, params, Some(scales));
                agrees(&actual, &expected, params, symmetric, 1e-12, &at);
                assert!(close(noise.products.rows(), &expected.noise_squares, 1e-11), "noise squares at {at}");
                let derivative = NoiseDerivatives::new(&actual.sums, params).gradient[1];
                let size = actual.sums.count + expected.sigma_derivative.abs();
                assert!(
                    (derivative - expected.sigma_derivative).abs() <= 1e-9 * size,
                    "derivative at {at}: {derivative}, {}",
                    expected.sigma_derivative
                );
            }
        }
    }
}

#[test]
fn scales_of_one_have_no_effect() {
    let values = matrix(&mut generator(8), 70, 30, false);
    let dense = Dense::new(MatRef::from_column_major_slice(&values, 70, 30));
    let factor = factor(70, 30, false);
    let ones = NoiseScales::outer(vec![1.0; 70], vec![1.0; 30]).expect("positive");
    for params in NOISES {
        let plain = view(&dense, false, &RemainderPrior::EXPONENTIAL);
        let one = sweep_at(&plain, &factor, params, PassLevel::Curvature, 1);
        let two = sweep_at(&plain.with_noise_scales(Some(&ones)), &factor, params, PassLevel::Curvature, 1);
        assert!(close(two.products.rows(), one.products.rows(), 1e-13), "{params:?}");
        assert!(close(two.curvatures.rows(), one.curvatures.rows(), 1e-13), "{params:?}");
        let [expected, actual] = [one.sums, two.sums].map(|sums| sums.log_likelihood(params));
        assert!(close(&[actual], &[expected], 1e-13), "{actual}, {expected}, {params:?}");
    }
}
