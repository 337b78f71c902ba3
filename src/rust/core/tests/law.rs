//! The pass under other laws of `b` than one exponential: against the scalar posterior of each entry, which
//! `prior.rs` holds against quadrature, and against the exponential loop.
#![allow(clippy::expect_used)]

mod common;

use common::{close, generator, matrix, uniform};
use nmu_core::noise::likelihood::Slopes;
use nmu_core::noise::{Law, Noise, Scales};
use nmu_core::parallel::Threads;
use nmu_core::pass::{sweep, Depth, Model, Question, Sweep};
use nmu_core::prior::{Family, Mixture, Observations, Prior, Shape};
use nmu_core::storage::{Dense, Masked, Storage};
use nmu_core::view::{Factor, View};

const NOISES: [Noise; 3] =
    [Noise { lambda: 30.0, sigma: 1.0 }, Noise { lambda: 1.0, sigma: 0.7 }, Noise { lambda: 0.3, sigma: 0.01 }];

fn laws() -> Vec<Law> {
    let parts: [&[(f64, f64)]; 4] = [
        &[(0.7, 0.0), (0.3, 1.0)],
        &[(0.5, 0.1), (0.3, 1.0), (0.2, 5.0)],
        &[(0.9, 0.0), (0.04, 0.01), (0.05, 1.0), (0.01, 100.0)],
        &[
            (0.1, 0.0),
            (0.1, 0.1),
            (0.1, 0.2),
            (0.1, 0.4),
            (0.1, 0.8),
            (0.1, 1.6),
            (0.1, 3.2),
            (0.1, 6.4),
            (0.1, 12.0),
            (0.04, 25.0),
            (0.03, 50.0),
            (0.02, 100.0),
            (0.01, 200.0),
        ],
    ];
    parts.iter().map(|parts| Law::new(parts.iter().copied()).expect("a law")).collect()
}

/// The law as a prior of `b`.
fn prior(law: &Law, noise: Noise) -> Box<dyn Prior> {
    let (weights, means): (Vec<f64>, Vec<f64>) = law.parts().into_iter().unzip();
    let scales = means.iter().map(|mean| mean / noise.lambda).collect();
    let family = Mixture::new(Shape::Exponential, Some(scales), Some(weights)).expect("scales and weights");
    family.estimate(&Observations::new(&[1.0], &[1.0]).expect("one observation"))
}

fn view<'a>(storage: &'a dyn Storage, symmetric: bool, law: &Law) -> View<'a> {
    View::new(storage, &[], symmetric).under(*law)
}

fn ask(view: &View, factor: &Factor, noise: Noise, depth: Depth, threads: usize) -> Sweep {
    let question = Question { row_weights: &factor.u, column_weights: factor.v(), shift: 0.3, depth };
    sweep(view, Model { factor, noise }, &question, Threads::new(threads))
}

fn factor(nrow: usize, ncol: usize, symmetric: bool) -> Factor {
    let random = &mut generator(2);
    let u = uniform(random, nrow, 0.0, 1.0);
    Factor { d: 0.6, u, v: (!symmetric).then(|| uniform(random, ncol, 0.0, 1.0)) }
}

#[test]
fn a_sweep_under_a_mixture_is_the_sum_over_its_entries() {
    for (nrow, ncol, symmetric) in [(1, 1, true), (67, 67, true), (33, 5, false), (70, 300, false)] {
        let mut values = matrix(&mut generator(1), nrow, ncol, symmetric);
        if nrow == 33 {
            // Far out to both sides, and nothing at all.
            values[..5].copy_from_slice(&[-300.0, 400.0, f64::NAN, 0.0, -1e-3]);
        }
        let dense = Dense::from_columns(&values, nrow, ncol).expect("lengths agree");
        let masked = Masked::new(dense);
        let factor = factor(nrow, ncol, symmetric);
        for (law, noise) in laws().iter().flat_map(|law| NOISES.map(|noise| (law, noise))) {
            let view = view(&masked, symmetric, law);
            let found = ask(&view, &factor, noise, Depth::Curvature, 1);
            let prior = prior(law, noise);
            let (mut rows, mut columns) = (vec![0.0; nrow], vec![0.0; ncol]);
            let (mut row_curvatures, mut column_curvatures) = (vec![0.0; nrow], vec![0.0; ncol]);
            let [mut mean, mut second, mut log_likelihood] = [0.0; 3];
            let variance_unit = noise.sigma * noise.sigma;
            for column in 0..ncol {
                for row in 0..nrow {
                    let (p, q) = (factor.u[row], factor.v()[column]);
                    let x = values[column * nrow + row] - factor.d * p * q;
                    if x.is_nan() {
                        continue;
                    }
                    let b = prior.posterior(x, noise.sigma);
                    rows[row] += (x - b.mean) * q;
                    columns[column] += (x - b.mean) * p;
                    let m = 1.0 - b.variance / variance_unit;
                    row_curvatures[row] += m * q * q;
                    column_curvatures[column] += m * p * p;
                    mean += b.mean;
                    second += b.second;
                    log_likelihood += b.log_marginal;
                }
            }
            let share = if symmetric { 0.5 } else { 1.0 };
            let at = format!("{nrow} x {ncol}, {symmetric}, {noise:?}, {law:?}");
            assert!(close(&found.products.rows, &rows, 1e-12), "products at {at}");
            assert!(
                close(&found.curvatures.rows, &row_curvatures, 1e-11),
                "curvatures at {at}: {row_curvatures:?}, {:?}",
                found.curvatures.rows
            );
            if !symmetric {
                assert!(close(&found.products.columns, &columns, 1e-12), "column products at {at}");
                assert!(close(&found.curvatures.columns, &column_curvatures, 1e-11), "column curvatures at {at}");
            }
            let sums = found.sums;
            assert!(close(&[sums.mean_b], &[share * mean], 1e-13), "mean of b at {at}");
            assert!(close(&[sums.second_b], &[share * second], 1e-13), "second of b at {at}");
            let value = sums.log_likelihood(noise);
            assert!(
                close(&[value], &[share * log_likelihood], 1e-12),
                "likelihood at {at}: {value}, {}",
                share * log_likelihood
            );
            let shallow = ask(&view, &factor, noise, Depth::Likelihood, 1).sums;
            assert_eq!(shallow.log_likelihood(noise), value, "depths differ at {at}");
            assert_eq!(shallow.mean_b, sums.mean_b, "depths differ at {at}");
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
        for noise in [NOISES[1], Noise { lambda: 3.0, sigma: 0.2 }, Noise { lambda: 2.0, sigma: 1.5 }] {
            let at = |l: f64, s: f64| {
                let noise = Noise { lambda: noise.lambda * l.exp(), sigma: noise.sigma * s.exp() };
                let sums = ask(&view, &factor, noise, Depth::Curvature, 1).sums;
                (sums.log_likelihood(noise), Slopes::new(&sums, noise))
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
                assert!((found - difference).abs() <= 1e-6 * scale, "{found}, {difference} at {noise:?}, {law:?}");
            }
        }
    }
}

/// Two exponentials that are the same are one.
fn twice() -> Law {
    Law::new([(0.4, 1.0), (0.6, 1.0)]).expect("a law")
}

#[test]
fn one_exponential_in_two_parts_is_the_exponential() {
    for (nrow, ncol, symmetric) in [(67, 67, true), (70, 30, false)] {
        let values = matrix(&mut generator(4), nrow, ncol, symmetric);
        let dense = Dense::from_columns(&values, nrow, ncol).expect("lengths agree");
        let factor = factor(nrow, ncol, symmetric);
        assert!(!twice().is_exponential());
        for noise in NOISES {
            let one = ask(&view(&dense, symmetric, &Law::EXPONENTIAL), &factor, noise, Depth::Curvature, 1);
            let two = ask(&view(&dense, symmetric, &twice()), &factor, noise, Depth::Curvature, 1);
            assert!(close(&two.products.rows, &one.products.rows, 1e-13), "{noise:?}");
            assert!(close(&two.curvatures.rows, &one.curvatures.rows, 1e-13), "{noise:?}");
            assert!(close(&[two.sums.mean_b], &[one.sums.mean_b], 1e-14), "{noise:?}");
            let [expected, found] = [one.sums, two.sums].map(|sums| sums.log_likelihood(noise));
            assert!(close(&[found], &[expected], 1e-13), "{found}, {expected}, {noise:?}");
            let [expected, found] = [one.sums, two.sums].map(|sums| Slopes::new(&sums, noise));
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
        let alone = ask(&view, &factor, NOISES[1], Depth::Curvature, 1);
        for threads in [2, 5] {
            assert_eq!(alone, ask(&view, &factor, NOISES[1], Depth::Curvature, threads));
        }
    }
}

#[test]
fn nothing_is_infinite_however_far_out() {
    let sizes = [0.0, 1e-300, 1e-8, 1.0, 40.0, 1e3, 1e6, 1e10];
    let values: Vec<f64> = sizes.iter().flat_map(|x| [*x, -x]).collect();
    let dense = Dense::from_columns(&values, 16, 1).expect("lengths agree");
    let nothing = Factor { d: 0.0, u: vec![1.0; 16], v: Some(vec![1.0]) };
    for law in laws() {
        for noise in [(1e-3, 1e-3), (1.0, 1.0), (1e3, 1e-3), (1e-3, 1e3)].map(|(lambda, sigma)| Noise { lambda, sigma })
        {
            let found = ask(&view(&dense, false, &law), &nothing, noise, Depth::Curvature, 1);
            let at = format!("{noise:?}, {law:?}");
            let all = found.products.rows.iter().chain(&found.curvatures.rows);
            assert!(all.copied().all(f64::is_finite), "{at}: {found:?}");
            assert!(found.sums.log_likelihood(noise).is_finite(), "{at}");
            let slopes = Slopes::new(&found.sums, noise);
            assert!(slopes.gradient.iter().chain(&slopes.hessian).copied().all(f64::is_finite), "{at}: {slopes:?}");
        }
    }
}

#[test]
fn laws_have_mean_one() {
    for law in laws() {
        let parts = law.parts();
        let sum = |of: &dyn Fn(f64, f64) -> f64| parts.iter().map(|&(weight, mean)| of(weight, mean)).sum::<f64>();
        assert!((sum(&|weight, _| weight) - 1.0).abs() < 1e-15);
        assert!((sum(&|weight, mean| weight * mean) - 1.0).abs() < 1e-15);
        assert!(
            (sum(&|weight, mean| 2.0 * weight * mean * mean) - 1.0 - law.variance()).abs() < 1e-12 * law.variance()
        );
    }
    assert!(Law::new([(1.0, 2.0)]).expect("a law").is_exponential());
    for bad in [vec![], vec![(1.0, 0.0)], vec![(-1.0, 1.0), (3.0, 1.0)], vec![(1.0, f64::NAN)], vec![(1.0, 1.0); 13]] {
        assert!(Law::new(bad).is_err());
    }
}

/// Scales of each kind for a matrix of this size, and what each is of an entry.
fn scales(nrow: usize, ncol: usize, symmetric: bool) -> Vec<Scales> {
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
    vec![Scales::outer(rows, columns).expect("positive"), Scales::entries(entries).expect("positive")]
}

#[test]
fn noise_that_differs_is_that_of_each_entry() {
    for (nrow, ncol, symmetric) in [(1, 1, true), (67, 67, true), (33, 5, false), (70, 300, false)] {
        let mut values = matrix(&mut generator(7), nrow, ncol, symmetric);
        if nrow == 33 {
            values[2] = f64::NAN;
        }
        let storage = Masked::new(Dense::from_columns(&values, nrow, ncol).expect("lengths agree"));
        let factor = factor(nrow, ncol, symmetric);
        for (scales, law) in
            scales(nrow, ncol, symmetric).iter().flat_map(|s| [(s, Law::EXPONENTIAL), (s, laws()[0]), (s, laws()[1])])
        {
            for noise in NOISES {
                let view = view(&storage, symmetric, &law);
                let view = view.scattered(Some(scales));
                let found = ask(&view, &factor, noise, Depth::Curvature, 2);
                let margin = ask(&view, &factor, noise, Depth::Deviation, 2);
                let prior = prior(&law, noise);
                let (mut rows, mut curvatures, mut deviations) = (vec![0.0; nrow], vec![0.0; nrow], vec![0.0; nrow]);
                let [mut mean, mut second, mut log_likelihood, mut slope] = [0.0; 4];
                for column in 0..ncol {
                    for row in 0..nrow {
                        let (p, q) = (factor.u[row], factor.v()[column]);
                        let x = values[column * nrow + row] - factor.d * p * q;
                        if x.is_nan() {
                            continue;
                        }
                        let s = match scales {
                            Scales::Outer { rows, columns } => rows[row] * columns[column],
                            Scales::Entries(values) => values[column * nrow + row],
                        };
                        let sigma = noise.sigma * s;
                        let b = prior.posterior(x, sigma);
                        rows[row] += (x - b.mean) * q / (s * s);
                        curvatures[row] += (1.0 - b.variance / (sigma * sigma)) * q * q / (s * s);
                        let square = ((x - b.mean).powi(2) + b.variance) / (sigma * sigma);
                        deviations[row] += square * q;
                        slope += square - 1.0;
                        mean += b.mean;
                        second += b.second;
                        log_likelihood += b.log_marginal;
                    }
                }
                let share = if symmetric { 0.5 } else { 1.0 };
                let at = format!("{nrow} x {ncol}, {symmetric}, {noise:?}, {law:?}");
                assert!(close(&found.products.rows, &rows, 1e-11), "products at {at}");
                assert!(close(&found.curvatures.rows, &curvatures, 1e-11), "curvatures at {at}");
                assert!(close(&margin.products.rows, &deviations, 1e-11), "deviations at {at}");
                let sums = found.sums;
                assert!(close(&[sums.mean_b], &[share * mean], 1e-12), "mean of b at {at}");
                assert!(close(&[sums.second_b], &[share * second], 1e-12), "second of b at {at}");
                assert!(close(&[sums.log_likelihood(noise)], &[share * log_likelihood], 1e-12), "likelihood at {at}");
                let found = Slopes::new(&sums, noise).gradient[1];
                assert!(
                    (found - share * slope).abs() <= 1e-9 * (sums.count + slope.abs()),
                    "slope at {at}: {found}, {slope}"
                );
            }
        }
    }
}

#[test]
fn scales_of_one_are_none() {
    let values = matrix(&mut generator(8), 70, 30, false);
    let dense = Dense::from_columns(&values, 70, 30).expect("lengths agree");
    let factor = factor(70, 30, false);
    let ones = Scales::outer(vec![1.0; 70], vec![1.0; 30]).expect("positive");
    for noise in NOISES {
        let plain = view(&dense, false, &Law::EXPONENTIAL);
        let one = ask(&plain, &factor, noise, Depth::Curvature, 1);
        let two = ask(&plain.scattered(Some(&ones)), &factor, noise, Depth::Curvature, 1);
        assert!(close(&two.products.rows, &one.products.rows, 1e-13), "{noise:?}");
        assert!(close(&two.curvatures.rows, &one.curvatures.rows, 1e-13), "{noise:?}");
        let [expected, found] = [one.sums, two.sums].map(|sums| sums.log_likelihood(noise));
        assert!(close(&[found], &[expected], 1e-13), "{found}, {expected}, {noise:?}");
    }
}
