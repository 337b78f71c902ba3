//! Fitters of single factors and of all factors jointly: the interface of deflation, and its two implementations.

use crate::em::{self, NotebookEm, NotebookFit};
use crate::error::Error;
use crate::factor::Factor;
use crate::fit::{FactorFit, FitOptions, Growth, JointFit, JointStart, ModelFit};
use crate::init::{largest_init, InitialLoadings};
use crate::mle::context::MleFit;
use crate::mle::refit::{estimate_noise, estimate_weights};
use crate::pass::{sweep, Model, PassLevel};
use crate::remainder_prior::RemainderPrior;
use crate::residual::{Problem, ResidualView};
use crate::runtime::cancel::{cancel, catch_cancellation, is_stop_requested};
use crate::runtime::parallel::Threads;
use crate::runtime::progress::{Progress, ProgressCallback};
use crate::trace::Status;
use crate::underapprox::{self, CertifiedFactor, UnderapproxOptions};
use crate::variational::fit::{fit_with_priors, refit_with_priors};

/// A method that fits factors. If it is interrupted before there is anything to return, it is cancelled (see
/// [`cancel`](crate::runtime::cancel)).
pub trait FactorFitter {
    /// Fits one factor to a view, from the initial loadings given or from its own.
    fn fit(
        &self,
        view: &ResidualView,
        init: Option<InitialLoadings>,
        threads: Threads,
        progress: &mut ProgressCallback,
    ) -> FactorFit;

    /// The model of factors whose loadings are given: their weights, λ and σ are estimated; `None` if the method cannot.
    fn estimate_weights(
        &self,
        _: &ResidualView,
        _: Vec<Factor>,
        _: Threads,
        _: &mut ProgressCallback,
    ) -> Option<ModelFit> {
        None
    }

    /// Fits factors jointly from a start, until the fit has converged; `None` if the method cannot.
    fn fit_jointly(&self, _: &ResidualView, _: &JointStart, _: Threads, _: &mut ProgressCallback) -> Option<JointFit> {
        None
    }

    /// Whether joint fits of 1, 2, … factors build on each other; otherwise there is one joint fit, of the greedy path.
    fn extends_joint_fits(&self) -> bool {
        false
    }

    /// The joint fit, up to a coarse tolerance, with one factor more than `base`: from `extension`, if an earlier call has returned it,
    /// and from initial loadings of the new factor, if they are given. It is never worse than `base`. `None` if the method cannot.
    fn grow(
        &self,
        _: &ResidualView,
        _base: &JointStart,
        _extension: Option<JointFit>,
        _init: Option<InitialLoadings>,
        _: Threads,
        _: &mut ProgressCallback,
    ) -> Option<Growth> {
        None
    }
}

/// Maximum likelihood, followed by empirical Bayes if there are priors.
pub struct ModelFitter<'a> {
    /// Options of the fit.
    pub options: FitOptions<'a>,
}

impl FactorFitter for ModelFitter<'_> {
    fn fit(
        &self,
        view: &ResidualView,
        init: Option<InitialLoadings>,
        threads: Threads,
        progress: &mut ProgressCallback,
    ) -> FactorFit {
        let view = &view.under(&self.options.remainder);
        let init = init.unwrap_or_else(|| largest_init(view, threads, progress));
        progress(Progress::new(0));
        if is_stop_requested() {
            cancel();
        }
        let fit = MleFit::new(view, &self.options, threads, progress).fit_rank_one(&init);
        let ended = matches!(fit.model.status, Status::Interrupted | Status::NoEstimate | Status::Null);
        if self.options.schedule.is_empty() || ended {
            return fit;
        }
        let found = catch_cancellation(|| fit_with_priors(&self.options, view, &fit, threads, progress));
        found.unwrap_or_else(|| {
            let FactorFit { model, ratio_floor, path } = fit;
            FactorFit { model: ModelFit { status: Status::Interrupted, ..model }, ratio_floor, path }
        })
    }

    fn estimate_weights(
        &self,
        view: &ResidualView,
        factors: Vec<Factor>,
        threads: Threads,
        progress: &mut ProgressCallback,
    ) -> Option<ModelFit> {
        Some(estimate_weights(&self.options, &view.under(&self.options.remainder), factors, threads, progress))
    }

    fn fit_jointly(
        &self,
        view: &ResidualView,
        start: &JointStart,
        threads: Threads,
        progress: &mut ProgressCallback,
    ) -> Option<JointFit> {
        let view = &view.under(&self.options.remainder);
        let fit = || {
            if self.options.schedule.is_empty() {
                MleFit::new(view, &self.options, threads, progress).fit_jointly(start)
            } else {
                refit_with_priors(&self.options, view, start, threads, progress)
            }
        };
        (!start.factors.is_empty()).then(fit)
    }

    fn extends_joint_fits(&self) -> bool {
        self.options.schedule.is_empty() && self.options.estimator.has_objective()
    }

    fn grow(
        &self,
        view: &ResidualView,
        base: &JointStart,
        extension: Option<JointFit>,
        init: Option<InitialLoadings>,
        threads: Threads,
        progress: &mut ProgressCallback,
    ) -> Option<Growth> {
        let view = &view.under(&self.options.remainder);
        Some(MleFit::new(view, &self.options, threads, progress).grow(base, extension, init))
    }
}

/// A certified underapproximation as a model.
pub struct Underapproximation {
    /// The factors.
    pub factors: Vec<CertifiedFactor>,
    /// λ and σ with these factors; `None` if the fit was interrupted before.
    pub model: Option<ModelFit>,
    /// Number of observed entries, as a pass counts them; NaN if the fit was interrupted before they were counted.
    pub count: f64,
}

impl ModelFitter<'_> {
    /// Finds factors whose sum exceeds no entry of the matrix, then estimates λ and σ.
    ///
    /// # Errors
    /// Those of [`underapprox::underapproximate`].
    pub fn underapproximate(
        &self,
        problem: &Problem,
        options: &UnderapproxOptions,
        threads: Threads,
        progress: &mut ProgressCallback,
    ) -> Result<Underapproximation, Error> {
        let certified = underapprox::underapproximate(problem, options, threads, progress)?;
        let factors: Vec<Factor> = certified.iter().map(|certified| certified.factor.clone()).collect();
        let view = problem.view(&[]);
        let model = catch_cancellation(|| estimate_noise(&self.options, &view, factors, threads, progress));
        let unknown = if view.has_missing() { f64::NAN } else { view.count() };
        let count = model.as_ref().map_or(unknown, |model| model.count);
        Ok(Underapproximation { factors: certified, model, count })
    }
}

impl FactorFitter for NotebookEm<'_> {
    fn fit(
        &self,
        view: &ResidualView,
        init: Option<InitialLoadings>,
        threads: Threads,
        progress: &mut ProgressCallback,
    ) -> FactorFit {
        let NotebookFit { factor, params, trace, status, .. } = em::iterate(view, init, self, threads, progress);
        let model = Model { factor: &factor, params };
        let stats = sweep(view, model, &model.spec(PassLevel::Likelihood), threads).sums;
        let model = ModelFit {
            params,
            remainder_prior: RemainderPrior::EXPONENTIAL,
            noise_sd: None,
            bounds: None,
            log_likelihood: stats.log_likelihood(params),
            count: stats.count,
            derivatives: None,
            posteriors: Vec::new(),
            low_rank_variance: 0.0,
            trace,
            status,
            factors: vec![factor],
        };
        FactorFit { model, ratio_floor: None, path: Vec::new() }
    }
}
