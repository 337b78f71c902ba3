//! State of a maximum-likelihood fit, shared by its stages.

use crate::em::{self, NotebookEm};
use crate::factor::Factor;
use crate::fit::{FitContext, FitOptions, ModelFit, StopRule};
use crate::init::InitialLoadings;
use crate::mle::maximize::Optimum;
use crate::noise::{Bounds, NoiseScales, ResidualParams};
use crate::noise_derivatives::NoiseDerivatives;
use crate::noise_estimators::moment_params;
use crate::pass::{sweep, Model, PassLevel, PassSpec, PassStats};
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::runtime::progress::ProgressCallback;
use std::borrow::Cow;

/// Largest entry of a factor of a symmetric matrix, in units of the largest observed entry. Without the diagonal, the fit of a
/// single row would improve without end as its loading grows (a Heywood case).
pub(crate) const MAX_SYMMETRIC_ENTRY: f64 = 4.0;
/// Largest entry of a factor of a general matrix with missing entries, in the same units. Where all observed entries of a column
/// are in rows without a loading, the likelihood does not bound the loading of the column.
pub(crate) const MAX_ENTRY: f64 = 1.5;
/// Largest fitted value at a missing entry, in units of the largest observed entry; the diagonal of a symmetric matrix apart.
pub(crate) const MAX_MISSING: f64 = 2.0;
/// Factor by which the largest entry of a factor is reduced while a fitted value at a missing entry is larger.
pub(crate) const ENTRY_REDUCTION: f64 = 0.8;

/// Ratio `λσ` from which on the loss is nearly quadratic: optimizations start with it where a smaller one may lead astray.
pub(crate) const RELAXED_RATIO: f64 = 1.0;

/// A maximum-likelihood fit in progress.
pub(crate) struct MleFit<'a, 'b, 'c> {
    pub(crate) context: FitContext<'a, 'b, 'c>,
    pub(crate) options: &'a FitOptions<'a>,
    /// Bounds on λ and σ; `None` if they are not estimated.
    pub(crate) bounds: Option<Bounds>,
    /// Starting values of λ and σ.
    pub(crate) initial_params: ResidualParams,
    /// Largest observed entry of the matrix; 0 if none is positive.
    pub(crate) largest: f64,
    /// Largest entry `d u_i v_j` of a factor.
    pub(crate) max_entry: f64,
    /// When each optimization stops.
    pub(crate) stop: StopRule,
    /// Prior of the remainder and noise scales at the last optimum.
    pub(crate) nuisance: Nuisance<'a>,
}

/// Free weights of the remainder's prior, and noise scales.
#[derive(Clone)]
pub(crate) struct Nuisance<'a> {
    pub(crate) weights: Vec<f64>,
    pub(crate) scales: Option<Cow<'a, NoiseScales>>,
}

impl<'a, 'b, 'c> MleFit<'a, 'b, 'c> {
    /// Takes one pass for the moments of the matrix, from which bounds and starting values follow.
    pub(crate) fn new(
        view: &'a ResidualView<'a>,
        options: &'a FitOptions<'a>,
        threads: Threads,
        progress: &'b mut ProgressCallback<'c>,
    ) -> Self {
        let initial = residual_stats(view, &view.zero_factor(), threads);
        let bounds = options.estimator.bounds(&initial);
        let bounds = if view.has_no_remainder() { bounds.map(|bounds| bounds.without_remainder()) } else { bounds };
        let initial_params = match bounds {
            Some(bounds) if view.has_no_remainder() => gaussian_params(&initial, &bounds),
            _ => options.estimator.initial(&initial),
        };
        let largest = initial.maximum.max(0.0);
        let max_entry = if view.is_symmetric() {
            MAX_SYMMETRIC_ENTRY * largest
        } else if view.has_missing() {
            MAX_ENTRY * largest
        } else {
            f64::INFINITY
        };
        let nuisance = Nuisance {
            weights: options.remainder.initial_weights(),
            scales: options.noise_structure.initial_scales(view),
        };
        Self {
            context: FitContext::new(view, threads, progress),
            options,
            bounds,
            initial_params,
            largest,
            max_entry,
            stop: options.stop,
            nuisance,
        }
    }

    /// The bounds, if λ and σ are maximized together with the loadings.
    pub(crate) fn joint_bounds(&self) -> Option<Bounds> {
        self.bounds.filter(|_| self.options.estimator.is_joint())
    }

    /// Statistics of what factors leave of the matrix.
    pub(crate) fn stats_after(&self, factors: &[Factor]) -> PassStats {
        let rest = self.context.view.minus(factors);
        residual_stats(&rest, &rest.zero_factor(), self.context.threads)
    }

    /// Moment estimates of λ and σ with these factors, for which no residual is extreme.
    pub(crate) fn moderate_params(&self, factors: &[Factor], bounds: &Bounds) -> ResidualParams {
        let stats = self.stats_after(factors);
        if bounds.has_no_remainder() {
            return gaussian_params(&stats, bounds);
        }
        bounds.clamp(moment_params(&stats, 1.0))
    }

    /// The factor after a few EM steps with λ and σ held.
    pub(crate) fn em_steps(&mut self, init: &InitialLoadings, params: ResidualParams, iterations: usize) -> Factor {
        let em = NotebookEm { params, estimator: None, rounds: 1, iterations, tolerance: 0.0, trace: false };
        let FitContext { view, threads, progress, .. } = &mut self.context;
        let factor = em::iterate(view, Some(init.clone()), &em, *threads, progress).factor;
        Factor { d: factor.d.max(0.0), ..factor }
    }

    /// Standard deviations of the noise of rows, or columns, in units of σ, if they were estimated.
    fn noise_sd(&self) -> Option<Vec<f64>> {
        self.options.noise_structure.estimated_sd(self.context.view, self.nuisance.scales.as_deref())
    }

    /// The result: `factors` with λ and σ of an optimum, and the trace so far, which is taken.
    pub(crate) fn take_fit(&mut self, factors: Vec<Factor>, optimum: &Optimum, bounds: Option<Bounds>) -> ModelFit {
        ModelFit {
            factors,
            params: optimum.params,
            remainder_prior: optimum.remainder_prior,
            noise_sd: self.noise_sd(),
            bounds,
            log_likelihood: optimum.log_likelihood(),
            count: optimum.stats.count,
            derivatives: Some(NoiseDerivatives::new(&optimum.stats, optimum.params)),
            posteriors: Vec::new(),
            low_rank_variance: 0.0,
            trace: std::mem::take(&mut self.context.trace),
            status: optimum.status,
        }
    }
}

/// σ without a remainder: the root mean square of the residual, within bounds.
fn gaussian_params(stats: &PassStats, bounds: &Bounds) -> ResidualParams {
    let sigma = stats.residual_variance().sqrt().hypot(stats.residual_mean());
    bounds.clamp(ResidualParams { lambda: f64::INFINITY, sigma })
}

/// Statistics of what a factor leaves of a matrix, for the moments of the residual.
pub(crate) fn residual_stats(view: &ResidualView, factor: &Factor, threads: Threads) -> PassStats {
    let stats_about = |shift: f64| {
        let (row_weights, column_weights) = (factor.u.as_ref(), factor.v_column());
        let spec = PassSpec { row_weights, column_weights, shift, level: PassLevel::Expectation };
        let model = Model { factor, params: ResidualParams { lambda: 1.0, sigma: 1.0 } };
        sweep(view, model, &spec, threads).sums
    };
    // Once for the mean, and once about it, so that a small variance about a large mean keeps its digits.
    stats_about(stats_about(0.0).residual_mean())
}
