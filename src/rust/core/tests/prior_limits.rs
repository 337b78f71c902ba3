//! Hyperparameter estimates: scale equivariance, degenerate data, data without signal, invalid arguments.

use crate::common::means::data_sets;
use nmu_core::prior::{Exponential, Family, Flat, GeneralizedBinary, Mixture, Observations, PointExponential, Shape};

/// Returns every family with all hyperparameters to be estimated.
fn families() -> Vec<Box<dyn Family>> {
    vec![
        Box::new(Flat),
        Box::new(Exponential::new(None).expect("a family")),
        Box::new(PointExponential::new(None, None).expect("a family")),
        Box::new(GeneralizedBinary::new(None, None, Some(0.02)).expect("a family")),
        Box::new(GeneralizedBinary::new(None, None, None).expect("a family")),
        Box::new(Mixture::new(Shape::HalfNormal, None, None).expect("a family")),
        Box::new(Mixture::new(Shape::Exponential, None, None).expect("a family")),
    ]
}

#[test]
fn estimates_are_scale_equivariant() {
    for (x, s) in data_sets().into_iter().take(9) {
        let data = Observations::new(&x, &s).expect("lengths agree");
        // Estimates from none, and from that of other observations.
        for (family, is_warm) in families().into_iter().zip([false; 7]).chain(families().into_iter().zip([true; 7])) {
            let estimate = |x: &[f64], s: &[f64]| {
                let data = Observations::new(x, s).expect("lengths agree");
                if !is_warm {
                    return family.estimate(&data);
                }
                let others: Vec<f64> = x.iter().zip(s).map(|(x, s)| x + 0.2 * s).collect();
                let previous = family.estimate(&Observations::new(&others, s).expect("lengths agree"));
                family.estimate_from(&*previous, &data)
            };
            let plain = estimate(&x, &s);
            for unit in [1e-100, 1e-7, 1e100] {
                let scaled = |values: &[f64]| -> Vec<f64> { values.iter().map(|value| unit * value).collect() };
                let (x, s) = (scaled(&x), scaled(&s));
                let moved = estimate(&x, &s);
                let values = plain.hyperparameters().into_iter().zip(moved.hyperparameters());
                for (expected, found) in values {
                    let (name, in_unit) = (&expected.name, unit.powi(expected.power));
                    let power = match name.as_ref() {
                        "rate" => -1,
                        "location" | "scales" => 1,
                        _ => 0,
                    };
                    assert_eq!(expected.power, power, "{name} of {family:?}");
                    for (expected, found) in expected.values.iter().zip(found.values) {
                        let error = (found / in_unit - expected).abs();
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
            assert!(known.iter().all(|known| known.values.iter().all(|value| value.is_finite())), "{known:?} {x:?}");
            assert!(prior.log_likelihood(&data).is_finite(), "{known:?} {x:?}");
            for (x, s) in data.iter() {
                let found = prior.posterior(x, s);
                assert!(found.mean.is_finite() && found.mean >= 0.0 && found.variance >= 0.0, "{found:?} {known:?}");
            }
        }
    }
}

#[test]
fn posteriors_without_signal_are_zero() {
    let data = Observations::new(&[-1.0, -2.0, -0.5, 0.0], &[1.0, 1.0, 2.0, 0.5]).expect("lengths agree");
    for family in families().into_iter().skip(2) {
        let prior = family.estimate(&data);
        let lfsr = prior.posterior(-1.0, 1.0).lfsr;
        assert!((lfsr - 1.0).abs() < 1e-9, "{lfsr} of {:?}", prior.hyperparameters());
    }
    let prior = Exponential::new(None).expect("a family").estimate(&data);
    assert!(prior.posterior(1.0, 1.0).mean < 1e-9);
}

#[test]
fn invalid_arguments_are_errors() {
    assert!(Exponential::new(Some(0.0)).is_err() && Exponential::new(Some(f64::NAN)).is_err());
    assert!(PointExponential::new(Some(1.1), None).is_err() && PointExponential::new(None, Some(-1.0)).is_err());
    assert!(
        GeneralizedBinary::new(Some(-0.1), None, None).is_err()
            && GeneralizedBinary::new(None, Some(0.0), None).is_err()
    );
    assert!(GeneralizedBinary::new(None, None, Some(f64::INFINITY)).is_err());
    let mixture = |scales: Option<&[f64]>, weights: Option<&[f64]>| {
        Mixture::new(Shape::HalfNormal, scales.map(<[f64]>::to_vec), weights.map(<[f64]>::to_vec))
    };
    assert!(mixture(None, None).is_ok() && mixture(Some(&[0.0, 1.0]), Some(&[2.0, 0.0])).is_ok());
    assert!(mixture(Some(&[]), None).is_err() && mixture(Some(&[-1.0]), None).is_err());
    assert!(mixture(Some(&[1.0]), Some(&[0.0])).is_err() && mixture(Some(&[1.0]), Some(&[1.0, 1.0])).is_err());
    assert!(mixture(Some(&[1.0]), Some(&[-1.0])).is_err() && mixture(None, Some(&[1.0])).is_err());
    assert!(Observations::new(&[], &[]).is_err() && Observations::new(&[1.0], &[]).is_err());
    assert!(Observations::new(&[f64::NAN], &[1.0]).is_err() && Observations::new(&[1.0], &[0.0]).is_err());
}
