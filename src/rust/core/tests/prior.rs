//! Posteriors under every prior family, compared with numerical integration.

use crate::common::quadrature::{posterior, Component as Exact};
use nmu_core::distributions::mills::HALF_LOG_TAU;
use nmu_core::prior::component::Component;
use nmu_core::prior::{
    Exponential, Family, Flat, GeneralizedBinary, Mixture, Observations, PointExponential, Prior, Shape,
};

/// Returns the prior of a family whose hyperparameters are all given.
fn fixed(family: impl Family) -> Box<dyn Prior> {
    family.estimate(&Observations::new(&[1.0], &[1.0]).expect("one observation"))
}

/// A prior and the components of the same prior for numerical integration.
type Case = (Box<dyn Prior>, Vec<(f64, Exact)>);

/// Returns priors of every family at several hyperparameters.
fn priors() -> Vec<Case> {
    let mut priors: Vec<Case> = vec![(Box::new(Flat), vec![(1.0, Exact::Flat)])];
    for rate in [0.01, 0.3, 1.0, 8.0, 100.0] {
        let component = Exact::Exponential { rate };
        priors.push((fixed(Exponential::new(Some(rate)).expect("a rate")), vec![(1.0, component)]));
        for weight in [1e-6, 0.3, 0.999] {
            let family = PointExponential::new(Some(weight), Some(rate)).expect("in range");
            priors.push((fixed(family), vec![(1.0 - weight, Exact::Zero), (weight, component)]));
        }
    }
    for mean in [0.1, 1.0, 5.0, 35.0] {
        for ratio in [1e-3, 0.02, 0.5, 3.0, 30.0, 1e3] {
            for weight in [1e-3, 0.5, 1.0] {
                let family = GeneralizedBinary::new(Some(weight), Some(mean), Some(ratio)).expect("in range");
                let component = Exact::Normal { mean, sd: ratio * mean };
                priors.push((fixed(family), vec![(1.0 - weight, Exact::Zero), (weight, component)]));
            }
        }
    }
    let (scales, weights) = ([0.0, 0.03, 1.0, 2.0, 60.0], [0.4, 0.2, 0.1, 0.25, 0.05]);
    for shape in [Shape::HalfNormal, Shape::Exponential] {
        let component = |scale: f64| match shape {
            _ if scale == 0.0 => Exact::Zero,
            Shape::HalfNormal => Exact::Normal { mean: 0.0, sd: scale },
            Shape::Exponential => Exact::Exponential { rate: 1.0 / scale },
        };
        for from in [0, 1] {
            let (scales, weights) = (&scales[from..], &weights[from..]);
            let family = Mixture::new(shape, Some(scales.to_vec()), Some(weights.to_vec())).expect("in range");
            let total: f64 = weights.iter().sum();
            let components =
                weights.iter().map(|weight| weight / total).zip(scales.iter().map(|&scale| component(scale)));
            priors.push((fixed(family), components.collect()));
        }
    }
    priors
}

const POINTS: [f64; 15] = [-40.0, -12.0, -5.0, -2.0, -0.7, -1e-3, 0.0, 1e-3, 0.4, 1.0, 2.5, 5.0, 8.0, 15.0, 40.0];

#[test]
fn posteriors_agree_with_numerical_integration() {
    let mut worst = [0.0_f64; 5];
    for (prior, components) in priors() {
        for x in POINTS {
            let (found, exact) = (prior.posterior(x, 1.0), posterior(&components, x, 1.0));
            // The error of a log is absolute.
            let pairs = [
                (found.mean, exact.mean, 1e-300),
                (found.second_moment, exact.second_moment, 1e-300),
                (found.variance, exact.variance, 1e-300),
                (found.lfsr, exact.lfsr, 1e-300),
                (found.log_marginal, exact.log_marginal, 1.0),
            ];
            for (worst, (found, exact, floor)) in worst.iter_mut().zip(pairs) {
                let error = (found - exact).abs() / exact.abs().max(floor);
                assert!(error < 1e-10, "{found:e}, not {exact:e}, at {x} under {components:?}: {found:?} {exact:?}");
                *worst = worst.max(error);
            }
        }
    }
    println!("worst relative errors: {worst:?}");
}

#[test]
fn kl_agrees_with_numerical_integration() {
    for (prior, components) in priors() {
        for x in POINTS {
            let found = prior.posterior(x, 1.0).kl(x, 1.0);
            let exact = posterior(&components, x, 1.0);
            let expected = -0.5 * ((x - exact.mean).powi(2) + exact.variance) - HALF_LOG_TAU;
            assert!((found - (expected - exact.log_marginal)).abs() < 1e-11 * (1.0 + x * x), "{x}, {components:?}");
            // The divergence from a proper prior is nonnegative.
            assert!(
                matches!(components[0].1, Exact::Flat) || found > -1e-12 * (1.0 + x * x),
                "{found:e} at {x}, {components:?}"
            );
        }
    }
}

/// Returns the summaries of a posterior in units of `unit`.
fn scaled_by(found: nmu_core::prior::Posterior, unit: f64) -> [f64; 5] {
    let marginal = found.log_marginal + unit.ln();
    [found.mean / unit, found.second_moment / unit / unit, found.variance / unit / unit, found.lfsr, marginal]
}

#[test]
fn posteriors_are_scale_equivariant() {
    for unit in [1e-100, 1e-7, 1e100] {
        let pairs: [(Box<dyn Family>, Box<dyn Family>); 3] = [
            (
                Box::new(PointExponential::new(Some(0.3), Some(2.0)).expect("in range")),
                Box::new(PointExponential::new(Some(0.3), Some(2.0 / unit)).expect("in range")),
            ),
            (
                Box::new(GeneralizedBinary::new(Some(0.3), Some(2.0), Some(0.1)).expect("in range")),
                Box::new(GeneralizedBinary::new(Some(0.3), Some(2.0 * unit), Some(0.1)).expect("in range")),
            ),
            (
                Box::new(Mixture::new(Shape::HalfNormal, Some(vec![0.5, 2.0]), Some(vec![0.5; 2])).expect("in range")),
                Box::new(
                    Mixture::new(Shape::HalfNormal, Some(vec![0.5 * unit, 2.0 * unit]), Some(vec![3.0; 2]))
                        .expect("in range"),
                ),
            ),
        ];
        let one = Observations::new(&[1.0], &[1.0]).expect("one observation");
        for (plain, scaled) in pairs {
            let (plain, scaled) = (plain.estimate(&one), scaled.estimate(&one));
            for x in POINTS {
                let expected = scaled_by(plain.posterior(x, 1.3), 1.0);
                let found = scaled_by(scaled.posterior(x * unit, 1.3 * unit), unit);
                for (found, expected) in found.iter().zip(expected) {
                    assert!((found - expected).abs() <= 1e-11 * expected.abs(), "{found:e}, {expected:e} at {x}");
                }
            }
        }
    }
}

#[test]
fn extreme_observations_have_finite_posteriors() {
    for (prior, components) in priors() {
        for s in [1e-150, 1e-5, 1.0, 1e5, 1e150] {
            for ratio in [-1e140, -1e20, -1e5, -1.0, 0.0, 1.0, 1e5, 1e20, 1e140] {
                let x: f64 = ratio * s;
                if x.abs() > 1e150 {
                    continue;
                }
                let found = prior.posterior(x, s);
                let all = [found.mean, found.second_moment, found.variance, found.lfsr, found.log_marginal];
                assert!(all.iter().all(|value| value.is_finite()), "{found:?} at {x:e}, {s:e}, {components:?}");
                assert!(found.mean >= 0.0 && found.variance >= 0.0 && (0.0..=1.0).contains(&found.lfsr));
            }
        }
    }
}

#[test]
fn odds_of_a_zero_are_accurate_for_very_negative_observations() {
    // There the marginal under the exponential is κ times the Mills ratio at a, and the odds against a zero are about
    // κ/a.
    let prior = fixed(PointExponential::new(Some(0.5), Some(1.0)).expect("in range"));
    for x in [-1e5_f64, -1e8, -1e12] {
        let odds = (1.0 - prior.posterior(x, 1.0).lfsr) / prior.posterior(x, 1.0).lfsr;
        let a = 1.0 - x;
        let expected = (1.0 - 1.0 / (a * a)) / a;
        assert!((odds / expected - 1.0).abs() < 1e-16 / expected + 1e-13, "{odds:e}, {expected:e}");
    }
}

#[test]
fn slopes_match_finite_differences_and_both_forms_of_the_marginal_agree() {
    const STEP: f64 = 1e-5;
    for x in POINTS {
        for (mean, sd) in [(0.0, 0.01), (0.0, 3.0), (1.0, 0.02), (1.0, 0.5), (20.0, 1.0), (2.0, 5.0), (0.003, 3.0)] {
            for component in [Component::normal(mean, sd), Component::Exponential { rate: 1.0 / (mean + sd) }] {
                let found = component.posterior(x, 0.7);
                let log_zero = -0.5 * (x / 0.7).powi(2) - HALF_LOG_TAU;
                let form = (found.log_marginal - log_zero - found.log_ratio).abs();
                assert!(form < 1e-14 * log_zero.abs().max(found.log_marginal.abs()), "{form:e} at {x}, {component:?}");
                let at = |step: f64| component.scaled(step.exp()).posterior(x, 0.7).log_marginal;
                let slope = (at(STEP) - at(-STEP)) / (2.0 * STEP);
                let error = (slope - found.scale_slope).abs();
                assert!(error < 1e-6 * (1.0 + x * x), "{slope}, {} at {x}, {component:?}", found.scale_slope);
                if let Component::Normal(_) = component {
                    let at = |step: f64| Component::normal(mean, sd * step.exp()).posterior(x, 0.7).log_marginal;
                    let slope = (at(STEP) - at(-STEP)) / (2.0 * STEP);
                    let error = (slope - found.width_slope).abs();
                    assert!(error < 1e-6 * (1.0 + x * x), "{slope}, {} at {x}, {component:?}", found.width_slope);
                }
            }
        }
    }
}
