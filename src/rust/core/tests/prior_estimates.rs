//! Hyperparameters by marginal likelihood, against the best that a search by brute force finds.
#![allow(clippy::expect_used)]

mod common;

use common::brute::{highest, Axis};
use common::generator;
use nmu_core::prior::{Binary, Exponential, Family, Flat, Mixture, Observations, PointExponential, Prior, Shape};
use rand::Rng;
use rand_distr::{Exp1, StandardNormal};

/// Simulated data: each `w` is 0 or drawn, and seen with a noise of its own deviation.
fn simulate(seed: u64, count: usize, noise: f64, weight: f64, draw: impl Fn(f64, f64) -> f64) -> (Vec<f64>, Vec<f64>) {
    let mut generator = generator(seed);
    let one = |_| {
        let s = noise * generator.random_range(0.5..2.0);
        let on = generator.random_range(0.0..1.0) < weight;
        let w = draw(generator.sample(Exp1), generator.sample(StandardNormal));
        let e: f64 = generator.sample(StandardNormal);
        (if on { w } else { 0.0 } + s * e, s)
    };
    (0..count).map(one).unzip()
}

/// Exponential and nearly binary loadings, sparse and dense, clear and hidden in noise.
fn data_sets() -> Vec<(Vec<f64>, Vec<f64>)> {
    let mut sets = Vec::new();
    for seed in 0..3 {
        for (count, noise, weight) in [(50, 0.3, 0.3), (120, 1.0, 0.5), (200, 0.02, 0.9), (80, 3.0, 1.0)] {
            sets.push(simulate(seed, count, noise, weight, |exponential, _| exponential));
            sets.push(simulate(seed + 100, count, noise, weight, |_, normal| 2.0 + 0.04 * normal));
        }
        sets.push(simulate(seed + 200, 60, 0.5, 0.0, |exponential, _| exponential));
    }
    sets
}

fn estimate(family: impl Family, data: &Observations) -> Box<dyn Prior> {
    family.estimate(data)
}

fn value(prior: &dyn Prior, name: &str) -> f64 {
    let (_, values) = prior.hyperparameters().into_iter().find(|(known, _)| *known == name).expect("a hyperparameter");
    values[0]
}

/// Checks one family: no point of the axes may be better than what it estimates by more than rounding.
fn check(data: &Observations, axes: &[Axis], family: impl Fn(Option<&[f64]>) -> Box<dyn Family>) -> f64 {
    let found = family(None).estimate(data).log_likelihood(data);
    let best = highest(axes, |point| family(Some(point)).estimate(data).log_likelihood(data));
    let short = (best.1 - found) / data.iter().count() as f64;
    let prior = family(None).estimate(data);
    assert!(short < 1e-8, "short by {short:e} an observation: {:?}, not {:?}", prior.hyperparameters(), best.0);
    short
}

#[test]
fn estimates_are_as_likely_as_can_be() {
    let mut worst = f64::NEG_INFINITY;
    for (x, s) in data_sets() {
        let data = Observations::new(&x, &s).expect("lengths agree");
        let weight = Axis::linear(0.0, 1.0, 21);
        let rate = Axis::log(1e-3, 1e6, 80);
        let location = Axis::log(1e-3, 10.0, 200);
        worst =
            worst.max(check(&data, &[rate], |at| Box::new(Exponential::new(at.map(|at| at[0])).expect("in range"))));
        worst = worst.max(check(&data, &[weight, rate], |at| {
            Box::new(PointExponential::new(at.map(|at| at[0]), at.map(|at| at[1])).expect("in range"))
        }));
        worst = worst.max(check(&data, &[rate], |at| {
            Box::new(PointExponential::new(Some(0.4), at.map(|at| at[0])).expect("in range"))
        }));
        worst = worst.max(check(&data, &[weight], |at| {
            Box::new(PointExponential::new(at.map(|at| at[0]), Some(0.7)).expect("in range"))
        }));
        for ratio in [0.02, 0.3] {
            worst = worst.max(check(&data, &[weight, location], |at| {
                Box::new(Binary::new(at.map(|at| at[0]), at.map(|at| at[1]), Some(ratio)).expect("in range"))
            }));
        }
        worst = worst.max(check(&data, &[location], |at| {
            Box::new(Binary::new(Some(0.5), at.map(|at| at[0]), Some(0.02)).expect("in range"))
        }));
        worst = worst.max(check(&data, &[weight, Axis::log(1e-3, 1.0, 30)], |at| {
            Box::new(Binary::new(at.map(|at| at[0]), Some(2.0), at.map(|at| at[1])).expect("in range"))
        }));
    }
    println!("short of brute force by at most {worst:e} an observation");
}

#[test]
fn three_hyperparameters_at_once() {
    let mut worst = f64::NEG_INFINITY;
    for (x, s) in data_sets().into_iter().take(9) {
        let data = Observations::new(&x, &s).expect("lengths agree");
        let axes = [Axis::linear(0.0, 1.0, 11), Axis::log(1e-2, 10.0, 60), Axis::log(1e-3, 1.0, 11)];
        worst = worst.max(check(&data, &axes, |at| {
            let at = |index: usize| at.map(|at| at[index]);
            Box::new(Binary::new(at(0), at(1), at(2)).expect("in range"))
        }));
    }
    println!("short of brute force by at most {worst:e} an observation");
}

/// `max_k mean exp(ℓ_k − ℓ) − 1`, which bounds what the mean log-likelihood is short of.
fn gap(data: &Observations, prior: &dyn Prior, shape: Shape) -> f64 {
    let parts = prior.hyperparameters();
    let gain = |scale: f64| {
        let alone = estimate(Mixture::new(shape, Some(vec![scale]), None).expect("a scale"), data);
        let ratio =
            |(x, s): (f64, f64)| (alone.posterior(x, s).log_marginal - prior.posterior(x, s).log_marginal).exp();
        data.iter().map(ratio).sum::<f64>() / data.iter().count() as f64
    };
    parts[0].1.iter().map(|&scale| gain(scale)).fold(0.0, f64::max) - 1.0
}

#[test]
fn weights_of_a_grid_are_as_likely_as_can_be() {
    let mut worst = 0.0_f64;
    for (x, s) in data_sets() {
        let data = Observations::new(&x, &s).expect("lengths agree");
        for shape in [Shape::HalfNormal, Shape::Exponential] {
            for scales in [None, Some(vec![0.1, 1.0, 5.0]), Some((0..60).map(|k| 0.01 * 1.12_f64.powi(k)).collect())] {
                let prior = estimate(Mixture::new(shape, scales, None).expect("scales"), &data);
                let weights = &prior.hyperparameters()[1].1;
                assert!(
                    (weights.iter().sum::<f64>() - 1.0).abs() < 1e-12 && weights.iter().all(|weight| *weight >= 0.0)
                );
                worst = worst.max(gap(&data, &*prior, shape));
            }
        }
    }
    println!("the largest gap is {worst:e}");
    assert!(worst < 1e-9);
}

#[test]
fn planted_hyperparameters_are_found() {
    const COUNT: usize = 5000;
    let near = |found: f64, planted: f64, error: f64| {
        assert!((found - planted).abs() < 4.0 * error, "{found}, planted {planted}, standard error {error}");
    };
    for seed in 0..3 {
        let root = (COUNT as f64).sqrt();
        let (x, s) = simulate(seed, COUNT, 0.2, 1.0, |exponential, _| exponential / 2.0);
        let data = Observations::new(&x, &s).expect("lengths agree");
        near(value(&*estimate(Exponential::new(None).expect("a family"), &data), "rate"), 2.0, 2.5 / root);

        let (x, s) = simulate(seed + 10, COUNT, 0.1, 0.3, |exponential, _| exponential / 2.0);
        let data = Observations::new(&x, &s).expect("lengths agree");
        let prior = estimate(PointExponential::new(None, None).expect("a family"), &data);
        near(value(&*prior, "weight"), 0.3, 0.8 / root);
        near(value(&*prior, "rate"), 2.0, 5.0 / root);

        let (x, s) = simulate(seed + 20, COUNT, 0.2, 0.3, |_, normal| 1.0 + 0.1 * normal);
        let data = Observations::new(&x, &s).expect("lengths agree");
        let prior = estimate(Binary::new(None, None, None).expect("a family"), &data);
        near(value(&*prior, "weight"), 0.3, 0.5 / root);
        near(value(&*prior, "location"), 1.0, 0.6 / root);
        near(value(&*prior, "ratio"), 0.1, 0.6 / root);

        let (x, s) = simulate(seed + 30, COUNT, 0.1, 0.4, |_, normal| 3.0 * normal.abs());
        let data = Observations::new(&x, &s).expect("lengths agree");
        let family = Mixture::new(Shape::HalfNormal, Some(vec![0.0, 3.0, 30.0]), None).expect("scales");
        let weights = estimate(family, &data).hyperparameters()[1].1.clone();
        near(weights[0], 0.6, 0.8 / root);
        near(weights[1], 0.4, 0.8 / root);
    }
}

/// Every family with nothing given.
fn families() -> Vec<Box<dyn Family>> {
    vec![
        Box::new(Flat),
        Box::new(Exponential::new(None).expect("a family")),
        Box::new(PointExponential::new(None, None).expect("a family")),
        Box::new(Binary::new(None, None, Some(0.02)).expect("a family")),
        Box::new(Binary::new(None, None, None).expect("a family")),
        Box::new(Mixture::new(Shape::HalfNormal, None, None).expect("a family")),
        Box::new(Mixture::new(Shape::Exponential, None, None).expect("a family")),
    ]
}

#[test]
fn estimates_have_the_units_of_the_data() {
    for (x, s) in data_sets().into_iter().take(9) {
        let data = Observations::new(&x, &s).expect("lengths agree");
        for family in families() {
            let plain = family.estimate(&data);
            for unit in [1e-100, 1e-7, 1e100] {
                let scaled = |values: &[f64]| -> Vec<f64> { values.iter().map(|value| unit * value).collect() };
                let (x, s) = (scaled(&x), scaled(&s));
                let moved = family.estimate(&Observations::new(&x, &s).expect("lengths agree"));
                let values = plain.hyperparameters().into_iter().zip(moved.hyperparameters());
                for ((name, expected), (_, found)) in values {
                    let power = match name {
                        "rate" => 1.0 / unit,
                        "location" | "scales" => unit,
                        _ => 1.0,
                    };
                    for (expected, found) in expected.iter().zip(found) {
                        let error = (found / power - expected).abs();
                        assert!(
                            error <= 1e-10 * expected.abs().max(1e-3),
                            "{name} of {family:?}: {expected}, off by {error:e}"
                        );
                    }
                }
                for ((x, s), (moved_x, moved_s)) in data.iter().zip(x.into_iter().zip(s)) {
                    let (expected, found) = (plain.posterior(x, s).mean, moved.posterior(moved_x, moved_s).mean / unit);
                    assert!(
                        (found - expected).abs() <= 1e-10 * expected.max(1e-3),
                        "{found}, {expected} of {family:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn degenerate_data_have_estimates() {
    let sets: [(&[f64], &[f64]); 12] = [
        (&[-1.0, -2.0, -0.5], &[1.0, 1.0, 2.0]),
        (&[0.0, 0.0, 0.0], &[1.0, 1.0, 1.0]),
        (&[-1e5, -1e6], &[1.0, 1e-3]),
        (&[2.0, 2.0, 2.0], &[0.1, 0.1, 0.1]),
        (&[2.0, 2.0, 2.0], &[1e-9, 1e-9, 1e-9]),
        (&[3.0], &[1.0]),
        (&[0.1], &[1.0]),
        (&[-1.0], &[1.0]),
        (&[0.0, 1.0, 2.0, 3.0], &[1e-8, 1e-8, 1e-8, 1e-8]),
        (&[0.0, 1.0, -1.0, 3.0], &[1e-150, 1.0, 1e-3, 1e10]),
        (&[1e10, -1e10, 3.0, 1e-10], &[1.0, 1.0, 1.0, 1e-10]),
        (&[1e150, 2e150, -1e150, 0.0], &[1e149, 1e149, 1e149, 1e149]),
    ];
    for (x, s) in sets {
        let data = Observations::new(x, s).expect("lengths agree");
        for family in families() {
            let prior = family.estimate(&data);
            let known = prior.hyperparameters();
            assert!(known.iter().all(|(_, values)| values.iter().all(|value| value.is_finite())), "{known:?} {x:?}");
            assert!(prior.log_likelihood(&data).is_finite(), "{known:?} {x:?}");
            for (x, s) in data.iter() {
                let found = prior.posterior(x, s);
                assert!(found.mean.is_finite() && found.mean >= 0.0 && found.variance >= 0.0, "{found:?} {known:?}");
            }
        }
    }
}

#[test]
fn without_signal_all_is_zero() {
    let data = Observations::new(&[-1.0, -2.0, -0.5, 0.0], &[1.0, 1.0, 2.0, 0.5]).expect("lengths agree");
    for family in families().into_iter().skip(2) {
        let prior = family.estimate(&data);
        let zero = prior.posterior(-1.0, 1.0).zero;
        assert!((zero - 1.0).abs() < 1e-9, "{zero} of {:?}", prior.hyperparameters());
    }
    let prior = estimate(Exponential::new(None).expect("a family"), &data);
    assert!(prior.posterior(1.0, 1.0).mean < 1e-9);
}
