//! The stages that a factor's way up is made of.

use crate::em;
use crate::factor::{Factor, FreeFactor};
use crate::fit::FactorFit;
use crate::fitter::ModelFitter;
use crate::init::InitialLoadings;
use crate::mle::maximize::{no_callback, Fit, Objective, Settings, StepCallback};
use crate::mle::remainder_update::RemainderPriorFamily;
use crate::noise::{BoundSpec, Bounds, ResidualParams};
use crate::noise::{NoiseScales, NoiseStructure};
use crate::noise_derivatives::NoiseDerivatives;
use crate::noise_estimators::NoiseEstimator;
use crate::pass::{product, sweep, Model, PassLevel, PassSpec, PassStats};
use crate::residual::ResidualView;
use crate::runtime::cancel::catch_cancellation;
use crate::runtime::parallel::Threads;
use crate::runtime::progress::ProgressCallback;
use crate::trace::{Status, Trace};
use crate::vector::dot;
use faer::ColRef;
use std::borrow::Cow;

/// The least σ, in units in which the matrix has a root mean square near 1.
const MIN_SIGMA: f64 = 1e-8;
/// σ at the start, as a share of the standard deviation of the initial residual.
const FIRST_SIGMA: f64 = 0.1;
/// The most that a factor of a symmetric matrix may say of any entry, in units of the largest entry that counts. Without
/// its diagonal, one row alone fits such a matrix the better the larger its loading: a Heywood case without end.
const MAX_SHARE: f64 = 4.0;
/// The most turns of a rule that alternates.
const MAX_TURNS: usize = 50;
/// A relative change of λ and σ that ends the turns.
const SAME_NOISE: f64 = 1e-8;

/// One factor on its way up.
pub(crate) struct FitContext<'a, 'b, 'c> {
    pub(crate) view: &'a ResidualView<'a>,
    /// What is known of the law of the remainder.
    pub(crate) family: &'a RemainderPriorFamily,
    /// The weights that the last climb found of it.
    pub(crate) weights: Vec<f64>,
    /// What is known of the noise of entries.
    pub(crate) scatter: &'a NoiseStructure,
    /// What the last climb found of it.
    pub(crate) scales: Option<Cow<'a, NoiseScales>>,
    /// What all climbs have in common; each brings its own bounds.
    settings: Settings,
    /// The sums over the view before the factor is taken out: its mean and variance are those of its entries.
    initial: PassStats,
    pub(crate) threads: Threads,
    pub(crate) on_progress: &'b mut ProgressCallback<'c>,
    pub(crate) trace: Vec<Trace>,
    stage: usize,
}

impl<'a, 'b, 'c> FitContext<'a, 'b, 'c> {
    pub(crate) fn new(
        view: &'a ResidualView<'a>,
        climb: &'a ModelFitter,
        threads: Threads,
        on_progress: &'b mut ProgressCallback<'c>,
    ) -> Self {
        let ModelFitter { family, scatter, .. } = climb;
        let initial = residual_sums(view, &view.zero_factor(), threads);
        let largest = if view.is_symmetric() { (MAX_SHARE * initial.maximum.max(0.0)).sqrt() } else { f64::INFINITY };
        Self {
            view,
            family,
            weights: family.first(),
            scatter,
            scales: scatter.first(view),
            settings: Settings { largest, ..climb.settings() },
            initial,
            threads,
            on_progress,
            trace: Vec::new(),
            stage: 0,
        }
    }

    /// Ends every climb after at most so many iterations.
    pub(crate) fn limit(&mut self, iterations: usize) {
        self.settings.iterations = self.settings.iterations.min(iterations);
    }

    /// The standard deviations of the noise of rows, or columns, in units of σ, where they were estimated.
    pub(crate) fn deviations(&self) -> Option<Vec<f64>> {
        self.scatter.deviations(self.view, self.scales.as_deref())
    }

    /// What λ and σ of this factor are held within.
    pub(crate) fn bounds(&self, shares: &BoundSpec) -> Bounds {
        shares.bounds(self.initial.residual_variance().sqrt(), MIN_SIGMA)
    }

    /// λ = 1/mean and a small σ.
    pub(crate) fn initial_params(&self, bounds: &Bounds) -> ResidualParams {
        bounds.clamp(moment_params(&self.initial, FIRST_SIGMA))
    }

    /// The sums over what a factor leaves.
    pub(crate) fn sums(&self, factor: &Factor) -> PassStats {
        residual_sums(self.view, factor, self.threads)
    }

    /// The start as a factor, its weight by least squares.
    pub(crate) fn least_squares_factor(&self, start: &InitialLoadings) -> Factor {
        let d = dot(start.u(), product(self.view, start.u.as_ref(), start.v.as_ref(), self.threads).rows()).max(0.0);
        Factor { d, u: start.u.clone(), v: (!self.view.is_symmetric()).then(|| start.v.clone()) }
    }

    /// The factor after a few EM steps.
    pub(crate) fn em_steps(&mut self, start: &InitialLoadings, params: ResidualParams, iterations: usize) -> Factor {
        let settings = em::Settings { params, estimator: None, rounds: 1, iterations, tolerance: 0.0, trace: false };
        let factor = em::iterate(self.view, Some(start.clone()), &settings, self.threads, self.on_progress).factor;
        Factor { d: factor.d.max(0.0), ..factor }
    }

    /// Climbs in the loadings and, where there are bounds, in λ and σ.
    pub(crate) fn climb(&mut self, factor: &Factor, params: ResidualParams, bounds: Option<Bounds>) -> Fit {
        self.optimize(&[FreeFactor::loadings(factor.clone())], params, bounds, &mut no_callback)
    }

    /// Climbs with all the factors given, which are shown to `watch` after every step.
    pub(crate) fn optimize(
        &mut self,
        parts: &[FreeFactor],
        params: ResidualParams,
        bounds: Option<Bounds>,
        watch: &mut StepCallback,
    ) -> Fit {
        self.maximize(self.hill(self.view, parts, params, bounds), watch)
    }

    /// Climbs in λ and σ alone, where there are bounds.
    pub(crate) fn estimate_noise(&mut self, factors: &[Factor], params: ResidualParams, bounds: Option<Bounds>) -> Fit {
        let rest = self.view.minus(factors);
        self.maximize(self.hill(&rest, &[], params, bounds), &mut no_callback)
    }

    fn hill<'h>(
        &self,
        view: &'h ResidualView<'h>,
        parts: &'h [FreeFactor],
        params: ResidualParams,
        bounds: Option<Bounds>,
    ) -> Objective<'h> {
        Objective { view, parts, params, settings: Settings { bounds, ..self.settings }, threads: self.threads }
    }

    fn maximize(&mut self, hill: Objective, watch: &mut StepCallback) -> Fit {
        let mut fit = self.maximize_alternating(hill, watch);
        self.stage += 1;
        self.trace.extend(fit.trace.drain(..).map(|row| Trace { stage: self.stage, ..row }));
        fit
    }

    /// Climbs with λ and σ held, and then estimates them, until they no longer change.
    pub(crate) fn alternate(
        &mut self,
        parts: &[FreeFactor],
        params: ResidualParams,
        estimator: &dyn NoiseEstimator,
        bounds: &Bounds,
    ) -> Fit {
        let mut fit = self.optimize(parts, params, None, &mut no_callback);
        for _ in 0..MAX_TURNS {
            let Some(params) = estimator.estimate(&fit.sums, bounds) else {
                return Fit { status: Status::NoEstimate, ..fit };
            };
            if same_params(params, fit.params) || fit.status == Status::Interrupted {
                return fit;
            }
            let parts = fit.parts(parts);
            match catch_cancellation(|| self.optimize(&parts, params, None, &mut no_callback)) {
                Some(next) => fit = next,
                None => fit.status = Status::Interrupted,
            }
        }
        Fit { status: Status::Maxiter, ..fit }
    }

    /// What was found.
    pub(crate) fn end(self, factor: Factor, fit: &Fit, bounds: Option<Bounds>) -> FactorFit {
        FactorFit {
            log_likelihood: fit.log_likelihood(),
            count: fit.sums.count,
            ends: Vec::new(),
            beliefs: None,
            spread: 0.0,
            slopes: Some(NoiseDerivatives::new(&fit.sums, fit.params)),
            params: fit.params,
            law: fit.law,
            deviations: self.deviations(),
            bounds,
            ratio_floor: None,
            status: if fit.status == Status::Converged && factor.d == 0.0 { Status::Null } else { fit.status },
            factor,
            trace: self.trace,
        }
    }
}

fn same_params(one: ResidualParams, other: ResidualParams) -> bool {
    let close = |x: f64, y: f64| (x - y).abs() <= SAME_NOISE * y.abs();
    close(one.lambda, other.lambda) && close(one.sigma, other.sigma)
}

/// λ = 1/mean and σ a share of the residual's spread: what is negative on average can only be noise.
pub(crate) fn moment_params(sums: &PassStats, share: f64) -> ResidualParams {
    let (mean, sd) = (sums.residual_mean(), sums.residual_variance().sqrt());
    ResidualParams { lambda: 1.0 / mean.max(0.0), sigma: share * sd.hypot(mean.min(0.0)) }
}

/// The sums over what a factor leaves of a view, for the moments of the residual.
pub(crate) fn residual_sums(view: &ResidualView, factor: &Factor, threads: Threads) -> PassStats {
    let ask = |shift: f64| {
        let question = PassSpec {
            row_weights: ColRef::from_slice(factor.u()),
            column_weights: ColRef::from_slice(factor.v()),
            shift,
            level: PassLevel::Expectation,
        };
        sweep(view, Model { factor, params: ResidualParams { lambda: 1.0, sigma: 1.0 } }, &question, threads).sums
    };
    // Once for the mean and once about it, so that a small variance about a large mean keeps its digits.
    ask(ask(0.0).residual_mean())
}
