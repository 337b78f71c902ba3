//! One factor by maximum likelihood.
//!
//! A few EM steps from the truncated leading pair with a small σ, as for an underapproximation, lead to the hill that EM
//! would climb. From there the loadings climb with λ and σ as given, or in turns with a rule for them, or together with
//! them up a ladder of ratios `λσ`.

use crate::error::Error;
use crate::factor::{Factor, FreeFactor};
use crate::fit::{FactorFit, FactorFitter, Refit};
use crate::init::{largest_init, InitialLoadings};
use crate::mle::maximize::Settings;
use crate::mle::rank_one::FitContext;
use crate::mle::remainder_update::RemainderPriorFamily;
use crate::noise::{BoundSpec, NoiseStructure, ResidualParams};
use crate::noise_estimators::NoiseEstimator;
use crate::residual::{Problem, ResidualView};
use crate::runtime::cancel::{cancel, catch_cancellation};
use crate::runtime::parallel::Threads;
use crate::runtime::progress::{Progress, ProgressCallback};
use crate::trace::Status;
use crate::underapprox;
use crate::underapprox::{CertifiedFactor, UnderapproxOptions};
use crate::variational::PriorStage;

/// How λ and σ are found.
pub enum NoiseRule<'a> {
    /// They are given.
    Fixed(ResidualParams),
    /// They climb the likelihood together with the loadings, within bounds, up a ladder of least ratios `λσ`.
    Likelihood(BoundSpec, Vec<f64>),
    /// Another rule takes turns with the loadings, within bounds.
    Alternate(&'a dyn NoiseEstimator, BoundSpec),
}

/// The settings of a climb.
pub struct ModelFitter<'a> {
    /// How λ and σ are found.
    pub rule: NoiseRule<'a>,
    /// The priors of the loadings, one stage after another; none where they are to be likeliest.
    pub schedule: Vec<PriorStage<'a>>,
    /// What is known of the law of the remainder; the rest of it climbs in turns with all else.
    pub family: RemainderPriorFamily,
    /// How the noise differs between entries.
    pub scatter: NoiseStructure,
    /// Stop where the gain an entry and the scaled projected gradient are at most this.
    pub tolerance: f64,
    /// The most iterations of a climb.
    pub iterations: usize,
}

/// The EM steps at the start.
const EM_STEPS: usize = 30;

impl FactorFitter for ModelFitter<'_> {
    fn fit(
        &self,
        view: &ResidualView,
        start: Option<InitialLoadings>,
        threads: Threads,
        on_progress: &mut ProgressCallback,
    ) -> FactorFit {
        let start = start.unwrap_or_else(|| largest_init(view, threads, on_progress));
        if on_progress(Progress::new(0)).is_break() {
            cancel();
        }
        let fit = self.fit_mle(view, &start, threads, on_progress);
        let ended = matches!(fit.status, Status::Interrupted | Status::NoEstimate | Status::Null);
        if self.schedule.is_empty() || ended {
            return fit;
        }
        let found = catch_cancellation(|| self.with_priors(view, &fit, threads, on_progress));
        found.unwrap_or(FactorFit { status: Status::Interrupted, ..fit })
    }

    fn weights(
        &self,
        view: &ResidualView,
        factors: Vec<Factor>,
        threads: Threads,
        on_progress: &mut ProgressCallback,
    ) -> Vec<Factor> {
        self.estimate_weights(view, factors, threads, on_progress)
    }

    fn refit(
        &self,
        view: &ResidualView,
        parts: &[FreeFactor],
        params: Option<ResidualParams>,
        threads: Threads,
        on_progress: &mut ProgressCallback,
    ) -> Option<Refit> {
        (!parts.is_empty()).then(|| {
            if self.schedule.is_empty() {
                self.refit_all(view, parts, params, threads, on_progress)
            } else {
                self.refit_with_priors(view, parts, params, threads, on_progress)
            }
        })
    }
}

impl ModelFitter<'_> {
    /// What climbs have in common whose loadings have no bound but zero.
    pub(crate) fn settings(&self) -> Settings {
        let Self { tolerance, iterations, .. } = *self;
        Settings { bounds: None, largest: f64::INFINITY, spread: 0.0, tolerance, iterations }
    }

    /// A factor without priors.
    fn fit_mle(
        &self,
        view: &ResidualView,
        start: &InitialLoadings,
        threads: Threads,
        on_progress: &mut ProgressCallback,
    ) -> FactorFit {
        let mut route = FitContext::new(view, self, threads, on_progress);
        match &self.rule {
            NoiseRule::Fixed(params) => {
                let factor = route.em_steps(start, *params, EM_STEPS);
                let fit = route.climb(&factor, *params, None);
                route.end(fit.only(), &fit, None)
            }
            NoiseRule::Likelihood(shares, ratio_floors) => {
                let bounds = route.bounds(shares);
                route.fit_continuation(start, ratio_floors, bounds)
            }
            NoiseRule::Alternate(estimator, shares) => {
                let bounds = route.bounds(shares);
                let params = route.initial_params(&bounds);
                let factor = route.em_steps(start, params, EM_STEPS);
                let fit = route.alternate(&[FreeFactor::loadings(factor)], params, *estimator, &bounds);
                route.end(fit.only(), &fit, Some(bounds))
            }
        }
    }
}

/// A certified underapproximation, and λ and σ of what it leaves.
pub struct Underapproximation {
    /// The factors.
    pub factors: Vec<CertifiedFactor>,
    /// λ and σ by the rule, with these factors; `None` where there was no time for them.
    pub model: Option<Refit>,
    /// The number of observed entries, as in the sums of a pass; NaN where there was no time to count them.
    pub count: f64,
}

impl ModelFitter<'_> {
    /// Finds factors whose sum is nowhere larger than the matrix, and then λ and σ.
    ///
    /// # Errors
    /// Those of [`underapprox::underapproximate`].
    pub fn underapproximate(
        &self,
        problem: &Problem,
        settings: &UnderapproxOptions,
        threads: Threads,
        on_progress: &mut ProgressCallback,
    ) -> Result<Underapproximation, Error> {
        let certified = underapprox::underapproximate(problem, settings, threads, on_progress)?;
        let factors: Vec<Factor> = certified.iter().map(|certified| certified.factor.clone()).collect();
        let view = problem.view(&[]);
        let model = catch_cancellation(|| self.estimate_noise(&view, factors, threads, on_progress));
        let unknown = if view.has_missing() { f64::NAN } else { view.count() };
        let count = model.as_ref().map_or(unknown, |model| model.count);
        Ok(Underapproximation { factors: certified, model, count })
    }
}
