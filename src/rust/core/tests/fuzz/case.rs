//! A random problem with its settings, and its fit.

use super::check::{check, check_factor, ensure};
use super::likelihood::{log_likelihood, rounding_error, Residual};
use super::matrix::Matrix;
use super::settings::{prior, Settings, MOMENTS};
use crate::common::fitters::options;
use nmu_core::deflation::{deflate, Count, Deflation, Plan};
use nmu_core::error::Error;
use nmu_core::factor::Factor;
use nmu_core::fit::{FactorFit, FitOptions, ModelFit, PriorStage};
use nmu_core::fitter::ModelFitter;
use nmu_core::prior::Family;
use nmu_core::remainder_prior::RemainderPrior;
use nmu_core::residual::Problem;
use nmu_core::runtime::cancel::{install, Request};
use nmu_core::runtime::parallel::Threads;
use nmu_core::runtime::progress::no_report;
use nmu_core::underapprox;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::cell::Cell;
use std::fmt;

/// Polls of the check after which a fit counts as non-terminating.
const MAX_POLLS: usize = 100_000_000;

pub(crate) struct Case {
    matrix: Matrix,
    settings: Settings,
}

fn message(error: Error) -> String {
    error.to_string()
}

impl Case {
    pub(crate) fn new(seed: u64) -> Self {
        let random = &mut ChaCha8Rng::seed_from_u64(seed);
        let matrix = Matrix::draw(random);
        let settings = Settings::draw(&matrix, random).expect("settings within their bounds");
        Self { matrix, settings }
    }

    /// Fits the problem and checks the result.
    ///
    /// # Errors
    /// A description of the failure.
    pub(crate) fn run(&self) -> Result<(), String> {
        let Self { matrix, settings } = self;
        let storage = matrix.storage(settings.ignore_diagonal).map_err(message)?;
        let scale = matrix.scale().map_err(message)?;
        let problem = Problem { storage: storage.as_ref(), symmetric: matrix.symmetric, scale };
        if settings.underapproximate {
            return self.underapproximate(&problem);
        }
        let deflation = self.fit(&problem, settings.threads)?;
        // The method of moments, alternated with the loadings under priors, maximizes no common objective.
        let has_objective = settings.estimator != MOMENTS || settings.priors.is_empty();
        check(&deflation, has_objective, |params, noise_sd| {
            let (prior, structure) = (&RemainderPrior::EXPONENTIAL, &settings.noise_structure);
            rounding_error(matrix, scale, &Residual { params, prior, structure, noise_sd })
        })?;
        self.check_likelihood(&deflation, scale)?;
        if !settings.twice {
            return Ok(());
        }
        let again = self.fit(&problem, settings.threads % 3 + 1)?;
        let bits = |deflation: &Deflation| -> Vec<u64> { numbers(deflation).map(f64::to_bits).collect() };
        ensure(bits(&deflation) == bits(&again), || "results depend on the number of threads".to_string())
    }

    fn underapproximate(&self, problem: &Problem) -> Result<(), String> {
        let threads = Threads::new(self.settings.threads);
        let settings = underapprox::UnderapproxOptions::new(self.settings.factors);
        let certified = with_limit(|| underapprox::underapproximate(problem, &settings, threads, &mut no_report))
            .map_err(message)?;
        let factors: Vec<Factor> = certified.iter().map(|certified| certified.factor.clone()).collect();
        factors.iter().try_for_each(check_factor)?;
        let certificate = underapprox::certificate(problem, &factors, threads);
        ensure(certificate.violated == 0.0, || format!("exceeds {} entries", certificate.violated))?;
        ensure(certificate.error.is_finite(), || "the error is not finite".to_string())
    }

    fn fit(&self, problem: &Problem, threads: usize) -> Result<Deflation, String> {
        let settings = &self.settings;
        let families = |side: usize| -> Result<Vec<Box<dyn Family>>, String> {
            settings.priors.iter().map(|pair| prior(pair[side]).map_err(message)).collect()
        };
        let (rows, columns) = (families(0)?, families(1)?);
        let pairs = rows.iter().zip(&columns);
        let schedule = pairs.map(|(u, v)| PriorStage { rows: u.as_ref(), columns: v.as_ref() }).collect();
        let (remainder, noise_structure) = (settings.remainder_prior.clone(), settings.noise_structure.clone());
        let options = options(settings.estimator(), schedule, 1e-8, 1000);
        let fitter = ModelFitter { options: FitOptions { remainder, noise_structure, ..options } };
        let count = settings.factors;
        let plan = Plan {
            fixed: settings.fixed.clone(),
            kept: settings.kept.clone(),
            kept_params: None,
            init: settings.init.clone(),
            count: if settings.choose { Count::AtMost(count) } else { Count::Exactly(count) },
            refine: settings.refine,
        };
        Ok(with_limit(|| deflate(problem, plan, &fitter, Threads::new(threads), &mut no_report)))
    }

    /// Compares the reported log-likelihood of the final model with its computation entry by entry.
    fn check_likelihood(&self, deflation: &Deflation, scale: f64) -> Result<(), String> {
        let Self { matrix, settings } = self;
        let Some(last) = deflation.fits.last() else { return Ok(()) };
        let (factors, model): (Vec<&Factor>, _) = match &deflation.refit {
            Some(refit) => (refit.model.factors.iter().collect(), &refit.model),
            None => {
                let new = deflation.fits.iter().map(FactorFit::factor);
                (deflation.fixed.iter().chain(&settings.kept).chain(new).collect(), &last.model)
            }
        };
        let (prior, noise_sd, reported) = (&model.remainder_prior, model.noise_sd.as_deref(), model.log_likelihood);
        let residual = Residual { params: model.params, prior, structure: &settings.noise_structure, noise_sd };
        let expected = log_likelihood(matrix, scale, settings.ignore_diagonal, &factors, &residual);
        let agrees = (reported - expected.value).abs() <= expected.rounding;
        ensure(agrees, || {
            format!("log-likelihood {reported}, but {} ± {} entry by entry", expected.value, expected.rounding)
        })
    }
}

thread_local! {
    static POLLS: Cell<usize> = const { Cell::new(0) };
}

/// Runs a fit, and stops it if it does not terminate.
fn with_limit<T>(fit: impl FnOnce() -> T) -> T {
    POLLS.set(0);
    let _installed = install(|| {
        POLLS.set(POLLS.get() + 1);
        if POLLS.get() > MAX_POLLS {
            Request::Stop
        } else {
            Request::Continue
        }
    });
    fit()
}

/// All numbers of a result.
fn numbers(deflation: &Deflation) -> impl Iterator<Item = f64> + '_ {
    let refitted = deflation.refit.iter().flat_map(|refit| &refit.model.factors);
    let factors = deflation.fixed.iter().chain(deflation.fits.iter().map(FactorFit::factor)).chain(refitted);
    let loadings =
        factors.flat_map(|factor| [factor.d].into_iter().chain(factor.u().to_vec()).chain(factor.v().to_vec()));
    let params = |model: &ModelFit| [model.params.lambda, model.params.sigma, model.log_likelihood];
    loadings.chain(deflation.fits.iter().flat_map(move |fit| params(&fit.model)))
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let Self { matrix: Matrix { nrow, ncol, symmetric, kind, sparse, .. }, settings } = self;
        let sparse = sparse.is_some();
        write!(formatter, "{nrow} x {ncol}, {kind}, sparse: {sparse}, symmetric: {symmetric}, {settings:?}")
    }
}
