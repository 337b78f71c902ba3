//! The worked example of CONTRIBUTING.md: a prior that the package does not have, half-normals `g = N₊(0, sd²)`. The first
//! half is what its file in `src/prior/` would hold; the second holds it to what every prior is held to.

use crate::common::problems::problem;
use crate::common::quadrature::{posterior, FreeFactor};
use faer::MatRef;
use nmu_core::deflation::{deflate, Plan};
use nmu_core::error::Error;
use nmu_core::fitter::{ModelFitter, NoiseRule};
use nmu_core::mle::remainder_update::RemainderPriorFamily;
use nmu_core::noise::BoundSpec;
use nmu_core::noise::NoiseStructure;
use nmu_core::prior::component::Component;
use nmu_core::prior::{Family, Hyperparameter, Observations, Posterior, Prior};
use nmu_core::residual::Problem;
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::Dense;
use nmu_core::variational::PriorStage;
use std::ops::ControlFlow;

/// `g = N₊(0, sd²)`.
#[derive(Debug)]
struct HalfNormal {
    sd: Option<f64>,
}

impl HalfNormal {
    /// The family with its `sd` given, positive, or to be estimated.
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
        Box::new(Known { sd: self.sd.unwrap_or_else(|| fit_mle(observations)) })
    }
}

/// One of them.
#[derive(Debug)]
struct Known {
    sd: f64,
}

impl Prior for Known {
    fn posterior(&self, x: f64, s: f64) -> Posterior {
        let known = Component::normal(0.0, self.sd).explain(x, s);
        Posterior {
            mean: known.mean,
            second: known.second,
            variance: known.variance,
            zero: 0.0,
            // a component has it in units of s
            log_marginal: known.log_marginal - s.ln(),
        }
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        // of the unit of w: an sd of c·w is c times larger
        vec![Hyperparameter { name: "sd".into(), values: vec![self.sd], power: 1 }]
    }
}

/// The `sd` at which `Σ ℓ(x_i, s_i)` is largest: the best of a grid, whose ends have the unit of the data, and then a search by
/// thirds between its neighbours.
fn fit_mle(observations: &Observations) -> f64 {
    const STEP: f64 = 0.25;
    let value = |log_sd: f64| Known { sd: log_sd.exp() }.log_likelihood(observations);
    let least = observations.iter().fold(f64::INFINITY, |least, (_, s)| least.min(s));
    let largest = observations.iter().fold(0.0, |largest: f64, (x, s)| largest.max(x.max(s)));
    let (from, to) = ((1e-3 * least).ln(), (10.0 * largest).ln());
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
fn posteriors_are_what_integration_finds() {
    for sd in [0.01, 1.0, 30.0] {
        let one = Observations::new(&[1.0], &[1.0]).expect("one observation");
        let prior = HalfNormal::new(Some(sd)).expect("a scale").estimate(&one);
        for x in [-12.0, -2.0, 0.0, 0.4, 5.0, 40.0] {
            let (found, exact) =
                (prior.posterior(x, 1.3), posterior(&[(1.0, FreeFactor::Normal { mean: 0.0, sd })], x, 1.3));
            let pairs = [
                (found.mean, exact.mean),
                (found.second, exact.second),
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
fn no_sd_is_likelier_than_the_one_estimated() {
    let (x, s) = ([0.1, 2.0, -0.5, 3.0, 1.2, 0.0], [0.5, 1.0, 0.5, 0.3, 0.5, 0.2]);
    for unit in [1.0, 1e-30] {
        let [x, s] = [x, s].map(|side| side.map(|value| unit * value));
        let observations = Observations::new(&x, &s).expect("observations");
        let best = HalfNormal::new(None).expect("nothing given").estimate(&observations);
        let sd = best.hyperparameters()[0].values[0];
        for factor in [0.1, 0.9, 0.999, 1.001, 1.1, 10.0] {
            let other = Known { sd: factor * sd };
            assert!(other.log_likelihood(&observations) < best.log_likelihood(&observations), "{factor} times {sd}");
        }
    }
}

#[test]
fn fits_take_it() {
    let data = problem(3);
    let storage = Dense::new(MatRef::from_column_major_slice(&data.values, data.nrow, data.ncol));
    let problem = Problem { storage: &storage, symmetric: data.symmetric, scale: 1.0 };
    let family = HalfNormal::new(None).expect("nothing given");
    let climb = ModelFitter {
        rule: NoiseRule::Likelihood(BoundSpec { floor: 0.01, cap: 3.0 }, vec![1.0]),
        schedule: vec![PriorStage { rows: &family, columns: &family }],
        family: RemainderPriorFamily::default(),
        scatter: NoiseStructure::Homoscedastic,
        tolerance: 1e-8,
        iterations: 1000,
    };
    let found = deflate(&problem, Plan::of(1), &climb, Threads::new(1), &mut |_| ControlFlow::Continue(()));
    let beliefs = found.fits[0].beliefs.as_ref().expect("a factor with a prior");
    let known = beliefs.rows.prior().hyperparameters();
    assert!(known[0].name == "sd" && known[0].values[0] > 0.0);
    let bound: Vec<f64> = found.fits[0].trace.iter().map(|row| row.elbo).filter(|elbo| !elbo.is_nan()).collect();
    assert!(bound.len() > 1 && bound.windows(2).all(|pair| pair[1] >= pair[0] - 1e-9 * pair[0].abs()));
}
