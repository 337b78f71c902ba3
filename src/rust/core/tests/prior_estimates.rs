//! Hyperparameter estimates, compared with a brute-force search and with simulated values.

use crate::common::brute::{maximize, Axis};
use crate::common::means::{data_sets, simulate};
use nmu_core::prior::{Exponential, Family, GeneralizedBinary, Mixture, Observations, PointExponential, Prior, Shape};

fn estimate(family: impl Family, data: &Observations) -> Box<dyn Prior> {
    family.estimate(data)
}

fn value(prior: &dyn Prior, name: &str) -> f64 {
    let known = prior.hyperparameters().into_iter().find(|known| known.name == name).expect("a hyperparameter");
    known.values[0]
}

/// Checks that no point of a brute-force search is better than the estimate by more than rounding. Returns the
/// difference of the log-likelihoods per observation.
fn check(data: &Observations, axes: &[Axis], family: impl Fn(Option<&[f64]>) -> Box<dyn Family>) -> f64 {
    let found = family(None).estimate(data).log_likelihood(data);
    let best = maximize(axes, |point| family(Some(point)).estimate(data).log_likelihood(data));
    let shortfall = (best.1 - found) / data.iter().count() as f64;
    let prior = family(None).estimate(data);
    assert!(
        shortfall < 1e-8,
        "{shortfall:e} per observation below the maximum: {:?}, not {:?}",
        prior.hyperparameters(),
        best.0
    );
    shortfall
}

#[test]
fn exponential_estimates_maximize_the_likelihood() {
    let (weight, rate) = (Axis::linear(0.0, 1.0, 6), Axis::log(1e-3, 1e6, 50));
    let mut worst = f64::NEG_INFINITY;
    for (x, s) in data_sets() {
        let data = Observations::new(&x, &s).expect("lengths agree");
        let sparse =
            |weight, rate| -> Box<dyn Family> { Box::new(PointExponential::new(weight, rate).expect("in range")) };
        let shortfalls = [
            check(&data, &[rate], |at| Box::new(Exponential::new(at.map(|at| at[0])).expect("in range"))),
            check(&data, &[weight, rate], |at| sparse(at.map(|at| at[0]), at.map(|at| at[1]))),
            check(&data, &[rate], |at| sparse(Some(0.4), at.map(|at| at[0]))),
            check(&data, &[weight], |at| sparse(at.map(|at| at[0]), Some(0.7))),
        ];
        worst = shortfalls.into_iter().fold(worst, f64::max);
    }
    println!("at most {worst:e} per observation below the brute-force search");
}

#[test]
fn generalized_binary_estimates_maximize_the_likelihood() {
    let (weight, location) = (Axis::linear(0.0, 1.0, 6), Axis::log(1e-3, 10.0, 120));
    let ratio = Axis::log(1e-3, 1e3, 30);
    let mut worst = f64::NEG_INFINITY;
    for (x, s) in data_sets() {
        let data = Observations::new(&x, &s).expect("lengths agree");
        let binary = |weight, location, ratio| -> Box<dyn Family> {
            Box::new(GeneralizedBinary::new(weight, location, ratio).expect("in range"))
        };
        let shortfalls = [
            check(&data, &[weight, location], |at| binary(at.map(|at| at[0]), at.map(|at| at[1]), Some(0.02))),
            check(&data, &[location], |at| binary(None, at.map(|at| at[0]), Some(0.3))),
            check(&data, &[location], |at| binary(Some(0.5), at.map(|at| at[0]), Some(0.02))),
            check(&data, &[weight, ratio], |at| binary(at.map(|at| at[0]), Some(2.0), at.map(|at| at[1]))),
        ];
        worst = shortfalls.into_iter().fold(worst, f64::max);
    }
    println!("at most {worst:e} per observation below the brute-force search");
}

/// The grid is evaluated on a subsample of so many observations.
#[test]
fn estimates_from_many_observations_maximize_the_likelihood() {
    let (rate, location) = (Axis::log(1e-3, 1e4, 40), Axis::log(1e-3, 10.0, 90));
    for (seed, weight) in [(1, 0.01), (2, 0.4), (3, 0.0)] {
        let (x, s) = simulate(seed, 12_000, 0.3, weight, |_, normal| 2.0 + 0.04 * normal);
        let data = Observations::new(&x, &s).expect("lengths agree");
        check(&data, &[rate], |at| Box::new(PointExponential::new(None, at.map(|at| at[0])).expect("in range")));
        check(&data, &[location], |at| {
            Box::new(GeneralizedBinary::new(None, at.map(|at| at[0]), Some(0.02)).expect("in range"))
        });
    }
}

/// Loadings of several kinds, whose ratios are small, intermediate and large.
fn kinds() -> Vec<(Vec<f64>, Vec<f64>)> {
    let mut kinds: Vec<_> = data_sets().into_iter().take(4).collect();
    for seed in 0..2 {
        kinds.push(simulate(300 + seed, 100, 0.2, 0.4, |_, normal| 1.5 * normal.abs()));
        kinds.push(simulate(400 + seed, 100, 0.1, 0.5, |exponential, _| 0.3 + 1.7 * (-exponential).exp()));
        kinds.push(simulate(500 + seed, 100, 0.5, 1.0, |_, normal| (2.0 + normal).abs()));
    }
    kinds
}

fn free_ratio() -> GeneralizedBinary {
    GeneralizedBinary::new(None, None, None).expect("a family")
}

#[test]
fn joint_estimates_of_three_hyperparameters_maximize_the_likelihood() {
    let mut worst = f64::NEG_INFINITY;
    for (x, s) in kinds() {
        let data = Observations::new(&x, &s).expect("lengths agree");
        let axes = [Axis::log(1e-3, 10.0, 60), Axis::log(1e-3, 1e3, 30)];
        // The weight is maximized at each location and ratio.
        worst = worst.max(check(&data, &axes, |at| {
            let at = |index: usize| at.map(|at| at[index]);
            Box::new(GeneralizedBinary::new(None, at(0), at(1)).expect("in range"))
        }));
    }
    println!("at most {worst:e} per observation below the brute-force search");
}

#[test]
fn an_estimated_ratio_is_that_of_the_kind_of_loadings() {
    for seed in 0..3 {
        let ratio_of = |draw: fn(f64, f64) -> f64| {
            let (x, s) = simulate(600 + seed, 2000, 0.1, 0.5, draw);
            value(&*estimate(free_ratio(), &Observations::new(&x, &s).expect("lengths agree")), "ratio")
        };
        let (half_normal, binary) = (ratio_of(|_, normal| normal.abs()), ratio_of(|_, _| 1.0));
        assert!(half_normal > 2.0, "{half_normal}");
        assert!(binary < 0.05, "{binary}");
    }
}

/// Families that start at an earlier estimate, with and without given hyperparameters.
fn warm_families() -> Vec<Box<dyn Family>> {
    let binary = |weight, location, ratio| -> Box<dyn Family> {
        Box::new(GeneralizedBinary::new(weight, location, ratio).expect("in range"))
    };
    vec![
        Box::new(free_ratio()),
        binary(Some(0.5), None, None),
        binary(None, Some(1.7), None),
        binary(None, None, Some(0.1)),
        Box::new(Exponential::new(None).expect("a family")),
        Box::new(PointExponential::new(None, None).expect("a family")),
        Box::new(PointExponential::new(Some(0.4), None).expect("a family")),
    ]
}

/// The data with each observation moved by a fifth of its standard deviation, up or down.
fn moved(x: &[f64], s: &[f64]) -> Vec<f64> {
    x.iter().zip(s).enumerate().map(|(index, (x, s))| x + [0.2, -0.2][index % 2] * s).collect()
}

#[test]
fn estimates_from_an_earlier_one_do_not_lower_the_likelihood_and_reach_the_maximum() {
    for (x, s) in kinds() {
        let earlier = moved(&x, &s);
        let (data, earlier) =
            (Observations::new(&x, &s).expect("valid"), Observations::new(&earlier, &s).expect("valid"));
        for family in warm_families() {
            let previous = family.estimate(&earlier);
            let before = previous.log_likelihood(&data);
            let first = family.estimate_from(&*previous, &data);
            let after = first.log_likelihood(&data);
            assert!(after >= before - 1e-12 * before.abs(), "{after} after {before}: {family:?}");
            let last = (0..4).fold(first, |prior, _| family.estimate_from(&*prior, &data));
            let (last, best) = (last.log_likelihood(&data), family.estimate(&data).log_likelihood(&data));
            let shortfall = (best - last) / data.iter().count() as f64;
            assert!(shortfall < 1e-8, "{shortfall:e} per observation: {family:?}");
        }
    }
}

#[test]
fn estimates_start_at_priors_of_their_own_family_only() {
    let (x, s) = simulate(700, 100, 0.2, 0.5, |exponential, _| exponential);
    let data = Observations::new(&x, &s).expect("lengths agree");
    let foreign = estimate(Mixture::new(Shape::HalfNormal, Some(vec![0.0, 1.0]), None).expect("scales"), &data);
    let without_slab = estimate(PointExponential::new(Some(0.0), None).expect("a family"), &data);
    for family in warm_families() {
        for previous in [&foreign, &without_slab] {
            let found = family.estimate_from(&**previous, &data);
            assert_eq!(found.hyperparameters(), family.estimate(&data).hyperparameters(), "{family:?}");
        }
    }
}

/// Returns `max_k mean exp(ℓ_k − ℓ) − 1`, a bound on the distance of the mean log-likelihood from its maximum.
fn gap(data: &Observations, prior: &dyn Prior, shape: Shape) -> f64 {
    let parts = prior.hyperparameters();
    let gain = |scale: f64| {
        let alone = estimate(Mixture::new(shape, Some(vec![scale]), None).expect("a scale"), data);
        let ratio =
            |(x, s): (f64, f64)| (alone.posterior(x, s).log_marginal - prior.posterior(x, s).log_marginal).exp();
        data.iter().map(ratio).sum::<f64>() / data.iter().count() as f64
    };
    parts[0].values.iter().map(|&scale| gain(scale)).fold(0.0, f64::max) - 1.0
}

#[test]
fn mixture_weights_maximize_the_likelihood() {
    let mut worst = 0.0_f64;
    for (x, s) in data_sets() {
        let data = Observations::new(&x, &s).expect("lengths agree");
        for shape in [Shape::HalfNormal, Shape::Exponential] {
            for scales in [None, Some(vec![0.1, 1.0, 5.0]), Some((0..60).map(|k| 0.01 * 1.12_f64.powi(k)).collect())] {
                let prior = estimate(Mixture::new(shape, scales, None).expect("scales"), &data);
                let weights = &prior.hyperparameters()[1].values;
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
fn simulated_hyperparameters_are_recovered() {
    const COUNT: usize = 5000;
    let near = |estimate: f64, simulated: f64, error: f64| {
        assert!(
            (estimate - simulated).abs() < 4.0 * error,
            "{estimate}, simulated {simulated}, standard error {error}"
        );
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
        let prior = estimate(GeneralizedBinary::new(None, None, None).expect("a family"), &data);
        near(value(&*prior, "weight"), 0.3, 0.5 / root);
        near(value(&*prior, "location"), 1.0, 0.6 / root);
        near(value(&*prior, "ratio"), 0.1, 0.6 / root);

        let (x, s) = simulate(seed + 30, COUNT, 0.1, 0.4, |_, normal| 3.0 * normal.abs());
        let data = Observations::new(&x, &s).expect("lengths agree");
        let family = Mixture::new(Shape::HalfNormal, Some(vec![0.0, 3.0, 30.0]), None).expect("scales");
        let weights = estimate(family, &data).hyperparameters()[1].values.clone();
        near(weights[0], 0.6, 0.8 / root);
        near(weights[1], 0.4, 0.8 / root);
    }
}
