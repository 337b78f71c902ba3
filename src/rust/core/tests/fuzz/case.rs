//! One random problem with its settings, and the fit.

use super::check::{check, factor_is_legal, hold};
use super::likelihood::{blur, log_likelihood, Residual};
use super::matrix::Matrix;
use super::settings::{prior, Settings, MOMENTS};
use nmu_core::deflation::{deflate, Count, Deflation, Plan};
use nmu_core::error::Error;
use nmu_core::factor::Factor;
use nmu_core::fitter::ModelFitter;
use nmu_core::prior::Family;
use nmu_core::remainder_prior::RemainderPrior;
use nmu_core::residual::Problem;
use nmu_core::runtime::parallel::Threads;
use nmu_core::runtime::progress::Progress;
use nmu_core::underapprox;
use nmu_core::variational::PriorStage;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::fmt;
use std::ops::ControlFlow;

/// An observer that is called more often than this sees a hang.
const PATIENCE: usize = 1_000_000;

pub(crate) struct Case {
    matrix: Matrix,
    settings: Settings,
}

fn told(error: Error) -> String {
    error.to_string()
}

impl Case {
    pub(crate) fn new(seed: u64) -> Self {
        let random = &mut ChaCha8Rng::seed_from_u64(seed);
        let matrix = Matrix::draw(random);
        let settings = Settings::draw(&matrix, random).expect("settings within their bounds");
        Self { matrix, settings }
    }

    /// Fits it; what is wrong with the answer comes back as text.
    pub(crate) fn run(&self) -> Result<(), String> {
        let Self { matrix, settings } = self;
        let storage = matrix.storage(settings.ignore_diagonal).map_err(told)?;
        let scale = matrix.scale().map_err(told)?;
        let problem = Problem { storage: storage.as_ref(), symmetric: matrix.symmetric, scale };
        if settings.underapproximate {
            return self.underapproximate(&problem);
        }
        let found = self.fit(&problem, settings.threads)?;
        // Moments take turns with a climb under priors, and maximise nothing.
        let climbs = settings.rule != MOMENTS || settings.priors.is_empty();
        check(&found, climbs, |params, deviations| {
            blur(
                matrix,
                scale,
                &Residual { params, law: &RemainderPrior::EXPONENTIAL, scatter: &settings.scatter, deviations },
            )
        })?;
        self.has_its_likelihood(&found, scale)?;
        if !settings.twice {
            return Ok(());
        }
        let again = self.fit(&problem, settings.threads % 3 + 1)?;
        let bits = |found: &Deflation| -> Vec<u64> { numbers(found).map(f64::to_bits).collect() };
        hold(bits(&found) == bits(&again), || "other bits with another number of threads".to_string())
    }

    fn underapproximate(&self, problem: &Problem) -> Result<(), String> {
        let threads = Threads::new(self.settings.threads);
        let settings = underapprox::UnderapproxOptions::new(self.settings.factors);
        let found = underapprox::underapproximate(problem, &settings, threads, &mut patient()).map_err(told)?;
        let factors: Vec<Factor> = found.iter().map(|certified| certified.factor.clone()).collect();
        factors.iter().try_for_each(factor_is_legal)?;
        let certificate = underapprox::certificate(problem, &factors, threads);
        hold(certificate.violated == 0.0, || format!("exceeds {} entries", certificate.violated))?;
        hold(certificate.error.is_finite(), || "error not finite".to_string())
    }

    fn fit(&self, problem: &Problem, threads: usize) -> Result<Deflation, String> {
        let settings = &self.settings;
        let families = |side: usize| -> Result<Vec<Box<dyn Family>>, String> {
            settings.priors.iter().map(|pair| prior(pair[side]).map_err(told)).collect()
        };
        let (rows, columns) = (families(0)?, families(1)?);
        let pairs = rows.iter().zip(&columns);
        let climb = ModelFitter {
            rule: settings.rule(),
            schedule: pairs.map(|(u, v)| PriorStage { rows: u.as_ref(), columns: v.as_ref() }).collect(),
            family: settings.law.clone(),
            scatter: settings.scatter.clone(),
            tolerance: 1e-8,
            iterations: 1000,
        };
        let count = settings.factors;
        let plan = Plan {
            fixed: settings.fixed.clone(),
            kept: settings.kept.clone(),
            kept_params: None,
            starts: settings.starts.clone(),
            count: if settings.choose { Count::AtMost(count) } else { Count::Exactly(count) },
            refine: settings.refine,
        };
        Ok(deflate(problem, plan, &climb, Threads::new(threads), &mut patient()))
    }

    /// The final model has the log-likelihood that it says.
    fn has_its_likelihood(&self, found: &Deflation, scale: f64) -> Result<(), String> {
        let Self { matrix, settings } = self;
        let Some(last) = found.fits.last() else { return Ok(()) };
        let (factors, params, law, deviations, said): (Vec<&Factor>, _, _, _, _) = match &found.refit {
            Some(refit) => {
                (refit.factors.iter().collect(), refit.params, &refit.law, &refit.deviations, refit.log_likelihood)
            }
            None => {
                let new = found.fits.iter().map(|fit| &fit.factor);
                let factors = found.fixed.iter().chain(&settings.kept).chain(new).collect();
                (factors, last.params, &last.law, &last.deviations, last.log_likelihood)
            }
        };
        let residual = Residual { params, law, scatter: &settings.scatter, deviations: deviations.as_deref() };
        let expected = log_likelihood(matrix, scale, settings.ignore_diagonal, &factors, &residual);
        let near = (said - expected.value).abs() <= expected.rounding;
        hold(near, || {
            format!("log-likelihood {said} where the entries have {} ± {}", expected.value, expected.rounding)
        })
    }
}

/// An observer that ends a hang.
fn patient() -> impl FnMut(Progress) -> ControlFlow<()> {
    let mut calls = 0;
    move |_| {
        calls += 1;
        if calls > PATIENCE {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// All that was found, in a row.
fn numbers(found: &Deflation) -> impl Iterator<Item = f64> + '_ {
    let refitted = found.refit.iter().flat_map(|refit| &refit.factors);
    let factors = found.fixed.iter().chain(found.fits.iter().map(|fit| &fit.factor)).chain(refitted);
    let loadings =
        factors.flat_map(|factor| [factor.d].into_iter().chain(factor.u().to_vec()).chain(factor.v().to_vec()));
    loadings.chain(found.fits.iter().flat_map(|fit| [fit.params.lambda, fit.params.sigma, fit.log_likelihood]))
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let Self { matrix: Matrix { nrow, ncol, symmetric, kind, sparse, .. }, settings } = self;
        let sparse = sparse.is_some();
        write!(formatter, "{nrow} x {ncol}, {kind}, sparse: {sparse}, symmetric: {symmetric}, {settings:?}")
    }
}
