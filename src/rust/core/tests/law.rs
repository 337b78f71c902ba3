//! The pass under other laws of `b` than one exponential: against the scalar posterior of each entry, which
//! `prior.rs` holds against quadrature, and against the exponential loop.

use crate::common::laws::{laws, plain, Plain};
use crate::common::{close, generator, matrix, uniform};
use nmu_core::factor::Factor;
use nmu_core::mle::remainder_update::ComponentMeans;
use nmu_core::noise::NoiseScales;
use nmu_core::noise::ResidualParams;
use nmu_core::noise_derivatives::NoiseDerivatives;
use nmu_core::pass::{sweep, Model, PassLevel, PassOutput, PassSpec};
use nmu_core::remainder_prior::RemainderPrior;
use nmu_core::residual::ResidualView;
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::{Dense, Masked, Storage};

const NOISES: [ResidualParams; 3] = [
    ResidualParams { lambda: 30.0, sigma: 1.0 },
    ResidualParams { lambda: 1.0, sigma: 0.7 },
    ResidualParams { lambda: 0.3, sigma: 0.01 },
];

fn view<'a>(storage: &'a dyn Storage, symmetric: bool, law: &RemainderPrior) -> ResidualView<'a> {
    ResidualView::new(storage, &[], symmetric).with_remainder_prior(*law)
}

fn ask(view: &ResidualView, factor: &Factor, params: ResidualParams, depth: PassLevel, threads: usize) -> PassOutput {
    let question = PassSpec { row_weights: factor.u(), column_weights: factor.v(), shift: 0.3, depth };
    sweep(view, Model { factor, params }, &question, Threads::new(threads))
}

fn factor(nrow: usize, ncol: usize, symmetric: bool) -> Factor {
    let random = &mut generator(2);
    let u = uniform(random, nrow, 0.0, 1.0);
    Factor::new(0.6, &u, (!symmetric).then(|| uniform(random, ncol, 0.0, 1.0)).as_deref())
}

/// Holds a sweep to `expected`, sums to within `tolerance` and products to within ten times that.
fn agrees(found: &PassOutput, expected: &Plain, params: ResidualParams, symmetric: bool, tolerance: f64, at: &str) {
    let products = 10.0 * tolerance;
    assert!(close(&found.products.rows, &expected.rows, products), "products at {at}");
    assert!(close(&found.curvatures.rows, &expected.row_curvatures, 10.0 * products), "curvatures at {at}");
    if !symmetric {
        assert!(close(&found.products.columns, &expected.columns, products), "column products at {at}");
        assert!(
            close(&found.curvatures.columns, &expected.column_curvatures, 10.0 * products),
            "column curvatures at {at}"
        );
    }
    let sums = &found.sums;
    assert!(close(&[sums.mean_b], &[expected.mean], tolerance), "mean of b at {at}");
    let (value, likelihood) = (sums.log_likelihood(params), expected.log_likelihood);
    assert!(close(&[value], &[likelihood], products), "likelihood at {at}: {value}, {likelihood}");
}

/// Matrices of one tile and of many; that of 33 rows has entries far out to both sides, and nothing at all.
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
fn a_sweep_under_a_mixture_is_the_sum_over_its_entries() {
    for (values, factor, symmetric) in problems(1) {
        let dense = Dense::from_columns(&values, factor.u.nrows(), factor.v().len()).expect("lengths agree");
        let masked = Masked::new(dense);
        for (law, params) in laws().iter().flat_map(|law| NOISES.map(|params| (law, params))) {
            let view = view(&masked, symmetric, law);
            let found = ask(&view, &factor, params, PassLevel::Curvature, 1);
            let at = format!("{} entries, {symmetric}, {params:?}, {law:?}", values.len());
            agrees(&found, &plain(&values, &factor, law, params, None), params, symmetric, 1e-13, &at);
            let shallow = ask(&view, &factor, params, PassLevel::Likelihood, 1).sums;
            assert_eq!(shallow.log_likelihood(params), found.sums.log_likelihood(params), "depths differ at {at}");
            assert_eq!(shallow.mean_b, found.sums.mean_b, "depths differ at {at}");
        }
    }
}

#[test]
fn slopes_in_lambda_and_sigma_are_differences_of_the_value() {
    let values = matrix(&mut generator(3), 30, 20, false);
    let dense = Dense::from_columns(&values, 30, 20).expect("lengths agree");
    let factor = factor(30, 20, false);
    for law in laws() {
        let view = view(&dense, false, &law);
        for params in
            [NOISES[1], ResidualParams { lambda: 3.0, sigma: 0.2 }, ResidualParams { lambda: 2.0, sigma: 1.5 }]
        {
            let at = |l: f64, s: f64| {
                let params = ResidualParams { lambda: params.lambda * l.exp(), sigma: params.sigma * s.exp() };
                let sums = ask(&view, &factor, params, PassLevel::Curvature, 1).sums;
                (sums.log_likelihood(params), NoiseDerivatives::new(&sums, params))
            };
            const STEP: f64 = 1e-4;
            let here = at(0.0, 0.0).1;
            let [(l, ll), (s, ss)] = [(STEP, 0.0), (0.0, STEP)].map(|(l, s)| {
                let (up, down) = (at(l, s), at(-l, -s));
                let slope = (up.0 - down.0) / (2.0 * STEP);
                let change = [0, 1].map(|i| (up.1.gradient[i] - down.1.gradient[i]) / (2.0 * STEP));
                (slope, change)
            });
            let pairs = [
                (here.gradient[0], l),
                (here.gradient[1], s),
                (here.hessian[0], ll[0]),
                (here.hessian[1], ll[1]),
                (here.hessian[1], ss[0]),
                (here.hessian[2], ss[1]),
            ];
            let scale = here.hessian[2].abs() + 600.0;
            for (found, difference) in pairs {
                assert!((found - difference).abs() <= 1e-6 * scale, "{found}, {difference} at {params:?}, {law:?}");
            }
        }
    }
}

/// Two exponentials that are the same are one.
fn twice() -> RemainderPrior {
    RemainderPrior::new([(0.4, 1.0), (0.6, 1.0)]).expect("a law")
}

#[test]
fn one_exponential_in_two_parts_is_the_exponential() {
    for (nrow, ncol, symmetric) in [(67, 67, true), (70, 30, false)] {
        let values = matrix(&mut generator(4), nrow, ncol, symmetric);
        let dense = Dense::from_columns(&values, nrow, ncol).expect("lengths agree");
        let factor = factor(nrow, ncol, symmetric);
        assert!(!twice().is_exponential());
        for params in NOISES {
            let one =
                ask(&view(&dense, symmetric, &RemainderPrior::EXPONENTIAL), &factor, params, PassLevel::Curvature, 1);
            let two = ask(&view(&dense, symmetric, &twice()), &factor, params, PassLevel::Curvature, 1);
            assert!(close(&two.products.rows, &one.products.rows, 1e-13), "{params:?}");
            assert!(close(&two.curvatures.rows, &one.curvatures.rows, 1e-13), "{params:?}");
            assert!(close(&[two.sums.mean_b], &[one.sums.mean_b], 1e-14), "{params:?}");
            let [expected, found] = [one.sums, two.sums].map(|sums| sums.log_likelihood(params));
            assert!(close(&[found], &[expected], 1e-13), "{found}, {expected}, {params:?}");
            let [expected, found] = [one.sums, two.sums].map(|sums| NoiseDerivatives::new(&sums, params));
            assert!(close(&found.gradient, &expected.gradient, 1e-11), "{found:?}, {expected:?}");
            assert!(close(&found.hessian, &expected.hessian, 1e-11), "{found:?}, {expected:?}");
        }
    }
}

#[test]
fn the_bits_under_a_mixture_do_not_depend_on_the_number_of_threads() {
    let values = matrix(&mut generator(5), 301, 301, true);
    let dense = Dense::from_columns(&values, 301, 301).expect("lengths agree");
    let factor = factor(301, 301, true);
    for law in laws() {
        let view = view(&dense, true, &law);
        let alone = ask(&view, &factor, NOISES[1], PassLevel::Curvature, 1);
        for threads in [2, 5] {
            assert_eq!(alone, ask(&view, &factor, NOISES[1], PassLevel::Curvature, threads));
        }
    }
}

#[test]
fn nothing_is_infinite_however_far_out() {
    let sizes = [0.0, 1e-300, 1e-8, 1.0, 40.0, 1e3, 1e6, 1e10];
    let values: Vec<f64> = sizes.iter().flat_map(|x| [*x, -x]).collect();
    let dense = Dense::from_columns(&values, 16, 1).expect("lengths agree");
    let nothing = Factor::new(0.0, &[1.0; 16], Some(&[1.0]));
    for law in laws() {
        for params in
            [(1e-3, 1e-3), (1.0, 1.0), (1e3, 1e-3), (1e-3, 1e3)].map(|(lambda, sigma)| ResidualParams { lambda, sigma })
        {
            let found = ask(&view(&dense, false, &law), &nothing, params, PassLevel::Curvature, 1);
            let at = format!("{params:?}, {law:?}");
            let all = found.products.rows.iter().chain(&found.curvatures.rows);
            assert!(all.copied().all(f64::is_finite), "{at}: {found:?}");
            assert!(found.sums.log_likelihood(params).is_finite(), "{at}");
            let slopes = NoiseDerivatives::new(&found.sums, params);
            assert!(slopes.gradient.iter().chain(&slopes.hessian).copied().all(f64::is_finite), "{at}: {slopes:?}");
        }
    }
}

#[test]
fn laws_have_mean_one() {
    for law in laws() {
        let parts = law.components();
        let sum = |of: &dyn Fn(f64, f64) -> f64| parts.iter().map(|&(weight, mean)| of(weight, mean)).sum::<f64>();
        assert!((sum(&|weight, _| weight) - 1.0).abs() < 1e-15);
        assert!((sum(&|weight, mean| weight * mean) - 1.0).abs() < 1e-15);
        assert!(
            (sum(&|weight, mean| 2.0 * weight * mean * mean) - 1.0 - law.variance()).abs() < 1e-12 * law.variance()
        );
    }
    assert!(RemainderPrior::new([(1.0, 2.0)]).expect("a law").is_exponential());
    for bad in [vec![], vec![(1.0, 0.0)], vec![(-1.0, 1.0), (3.0, 1.0)], vec![(1.0, f64::NAN)], vec![(1.0, 1.0); 13]] {
        assert!(RemainderPrior::new(bad).is_err());
    }
}

/// Beyond, `κ²` of the slopes would take the digits of the rest.
#[test]
fn means_far_below_that_of_the_remainder_are_refused() {
    assert!(RemainderPrior::new([(0.5, 2.0), (0.5, 2e-4), (1.0, 0.0)]).is_ok());
    assert!(ComponentMeans::new(&[3.0, 1e-4, 0.0]).is_ok());
    // In units of their own: the mean of both is 0.5.
    for least in [2e-5, 1e-160, f64::MIN_POSITIVE] {
        assert!(RemainderPrior::new([(1.0, 1.0), (1.0, least)]).is_err());
        assert!(ComponentMeans::new(&[3.0, least, 0.0]).is_err());
    }
}

/// NoiseScales of each kind for a matrix of this size, and what each is of an entry.
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
fn noise_that_differs_is_that_of_each_entry() {
    for (values, factor, symmetric) in problems(7) {
        let (nrow, ncol) = (factor.u.nrows(), factor.v().len());
        let storage = Masked::new(Dense::from_columns(&values, nrow, ncol).expect("lengths agree"));
        for (scales, law) in scales(nrow, ncol, symmetric)
            .iter()
            .flat_map(|s| [(s, RemainderPrior::EXPONENTIAL), (s, laws()[0]), (s, laws()[1])])
        {
            for params in NOISES {
                let view = view(&storage, symmetric, &law);
                let view = view.with_noise_scales(Some(scales));
                let found = ask(&view, &factor, params, PassLevel::Curvature, 2);
                let margin = ask(&view, &factor, params, PassLevel::NoiseScale, 2);
                let at = format!("{nrow} x {ncol}, {symmetric}, {params:?}, {law:?}");
                let expected = plain(&values, &factor, &law, params, Some(scales));
                agrees(&found, &expected, params, symmetric, 1e-12, &at);
                assert!(close(&margin.products.rows, &expected.deviations, 1e-11), "deviations at {at}");
                let slope = NoiseDerivatives::new(&found.sums, params).gradient[1];
                let size = found.sums.count + expected.slope.abs();
                assert!((slope - expected.slope).abs() <= 1e-9 * size, "slope at {at}: {slope}, {}", expected.slope);
            }
        }
    }
}

#[test]
fn scales_of_one_are_none() {
    let values = matrix(&mut generator(8), 70, 30, false);
    let dense = Dense::from_columns(&values, 70, 30).expect("lengths agree");
    let factor = factor(70, 30, false);
    let ones = NoiseScales::outer(vec![1.0; 70], vec![1.0; 30]).expect("positive");
    for params in NOISES {
        let plain = view(&dense, false, &RemainderPrior::EXPONENTIAL);
        let one = ask(&plain, &factor, params, PassLevel::Curvature, 1);
        let two = ask(&plain.with_noise_scales(Some(&ones)), &factor, params, PassLevel::Curvature, 1);
        assert!(close(&two.products.rows, &one.products.rows, 1e-13), "{params:?}");
        assert!(close(&two.curvatures.rows, &one.curvatures.rows, 1e-13), "{params:?}");
        let [expected, found] = [one.sums, two.sums].map(|sums| sums.log_likelihood(params));
        assert!(close(&[found], &[expected], 1e-13), "{found}, {expected}, {params:?}");
    }
}
