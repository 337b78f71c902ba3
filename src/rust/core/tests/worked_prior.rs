//! Worked example of CONTRIBUTING.md: a prior family that the package does not have, the half-normal `g = N₊(0, sd²)`.
//!
//! The first half is what its file in `src/prior/` would contain; the second half tests it like the other families.

use crate::common::fitters::{fitter, maximum_likelihood};
use crate::common::problems::problem;
use crate::common::quadrature::{posterior, Component as Exact};
use faer::MatRef;
use nmu_core::deflation::{deflate, Plan};
use nmu_core::error::Error;
use nmu_core::fit::PriorStage;
use nmu_core::prior::component::Component;
use nmu_core::prior::{Family, Hyperparameter, Observations, Posterior, Prior};
use nmu_core::residual::Problem;
use nmu_core::runtime::parallel::Threads;
use nmu_core::runtime::progress::no_report;
use nmu_core::storage::Dense;

/// The family `g = N₊(0, sd²)`.
#[derive(Debug)]
struct HalfNormal {
    sd: Option<f64>,
}

impl HalfNormal {
    /// Returns the family with the given `sd`, which must be positive; `None` estimates it.
    fn new(sd: Option<f64>) -> Result<Self, Error> {
        match sd {
            Some(found) if !(found > 0.0 && found.is_finite()) => {
                Err(Error::Range { what: "the sd", expected: "positive and finite", found })
            }
            _ => Ok(Self { sd }),
        }
    }
}

impl Family for HalfNormal {
    fn estimate(&self, observations: &Observations) -> Box<dyn Prior> {
        Box::new(HalfNormalPrior { sd: self.sd.unwrap_or_else(|| estimate_sd(observations)) })
    }
}

/// A member of the family.
#[derive(Debug)]
struct HalfNormalPrior {
    sd: f64,
}

impl Prior for HalfNormalPrior {
    fn posterior(&self, x: f64, s: f64) -> Posterior {
        let posterior = Component::normal(0.0, self.sd).posterior(x, s);
        Posterior {
            mean: posterior.mean,
            second_moment: posterior.second_moment,
            variance: posterior.variance,
            lfsr: 0.0,
            // The log marginal of a component is in units of s.
            log_marginal: posterior.log_marginal - s.ln(),
        }
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        // The sd has the unit of w: the prior of c·w has the sd c·sd.
        vec![Hyperparameter { name: "sd".into(), values: vec![self.sd], power: 1 }]
    }
}

/// Returns the `sd` that maximises `Σ ℓ(x_i, s_i)`, by ternary search around the best point of a grid whose ends scale
/// with the data.
fn estimate_sd(observations: &Observations) -> f64 {
    const STEP: f64 = 0.25;
    let value = |log_sd: f64| HalfNormalPrior { sd: log_sd.exp() }.log_likelihood(observations);
    let min_sd = observations.iter().fold(f64::INFINITY, |min_sd, (_, s)| min_sd.min(s));
    let largest = observations.iter().fold(0.0, |largest: f64, (x, s)| largest.max(x.max(s)));
    let (from, to) = ((1e-3 * min_sd).ln(), (10.0 * largest).ln());
    let grid = (0..=((to - from) / STEP) as usize).map(|step| from + step as f64 * STEP);
    let best = grid.max_by(|one, other| value(*one).total_cmp(&value(*other))).unwrap_or(from);
    let (mut low, mut high) = (best - STEP, best + STEP);
    for _ in 0..80 {
        let (left, right) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if value(left) < value(right) {
            low = left;
        } else {
            high = right;
        }
    }
    low.midpoint(high).exp()
}

#[test]
fn posteriors_agree_with_numerical_integration() {
    for sd in [0.01, 1.0, 30.0] {
        let one = Observations::new(&[1.0], &[1.0]).expect("one observation");
        let prior = HalfNormal::new(Some(sd)).expect("a scale").estimate(&one);
        for x in [-12.0, -2.0, 0.0, 0.4, 5.0, 40.0] {
            let (found, exact) =
                (prior.posterior(x, 1.3), posterior(&[(1.0, Exact::Normal { mean: 0.0, sd })], x, 1.3));
            let pairs = [
                (found.mean, exact.mean),
                (found.second_moment, exact.second_moment),
                (found.variance, exact.variance),
                (found.log_marginal, exact.log_marginal),
            ];
            for (found, exact) in pairs {
                assert!((found - exact).abs() < 1e-10 * exact.abs(), "{found:e}, not {exact:e}, at {x}, sd {sd}");
            }
        }
    }
    assert!(HalfNormal::new(Some(-1.0)).is_err());
}

#[test]
fn the_estimate_maximizes_the_likelihood() {
    let (x, s) = ([0.1, 2.0, -0.5, 3.0, 1.2, 0.0], [0.5, 1.0, 0.5, 0.3, 0.5, 0.2]);
    for unit in [1.0, 1e-30] {
        let [x, s] = [x, s].map(|side| side.map(|value| unit * value));
        let observations = Observations::new(&x, &s).expect("observations");
        let best = HalfNormal::new(None).expect("nothing given").estimate(&observations);
        let sd = best.hyperparameters()[0].values[0];
        for factor in [0.1, 0.9, 0.999, 1.001, 1.1, 10.0] {
            let other = HalfNormalPrior { sd: factor * sd };
            assert!(other.log_likelihood(&observations) < best.log_likelihood(&observations), "{factor} times {sd}");
        }
    }
}

#[test]
fn fits_accept_the_family() {
    let data = problem(3);
    let storage = Dense::new(MatRef::from_column_major_slice(&data.values, data.nrow, data.ncol));
    let problem = Problem { storage: &storage, symmetric: data.symmetric, scale: 1.0 };
    let family = HalfNormal::new(None).expect("nothing given");
    let schedule = vec![PriorStage { rows: &family, columns: &family }];
    let fitter = fitter(maximum_likelihood(&[1.0]), schedule, 1e-8, 1000);
    let fit = deflate(&problem, Plan::new(1), &fitter, Threads::new(1), &mut no_report);
    let posteriors = fit.fits[0].model.posteriors.first().expect("a factor with a prior");
    let hyperparameters = posteriors.rows.prior().hyperparameters();
    assert!(hyperparameters[0].name == "sd" && hyperparameters[0].values[0] > 0.0);
    let elbos: Vec<f64> = fit.fits[0].model.trace.iter().map(|row| row.elbo).filter(|elbo| !elbo.is_nan()).collect();
    assert!(elbos.len() > 1 && elbos.windows(2).all(|pair| pair[1] >= pair[0] - 1e-9 * pair[0].abs()));
}
