//! Empirical Bayes fits: one factor from its maximum-likelihood solutions, and the joint refit of all factors.
//!
//! Every solution of the continuation path is a starting point, and the one with the highest ELBO is kept: with a common prior
//! and lower bound on `λσ`, candidates are compared by ELBO. The ratio `λσ` is held at or above 1 while loadings move. If it were
//! free, `b` could absorb everything that a flat factor leaves above itself, and factors would stay below the data at the cost of
//! any structure. λ and σ are estimated without that bound in the end.

use crate::factor::{Factor, Free};
use crate::fit::{FactorFit, FitContext, FitOptions, JointFit, JointStart, ModelFit, StartOutcome};
use crate::mle::context::MleFit;
use crate::mle::maximize::{maximize, Optimum};
use crate::mle::objective::Objective;
use crate::noise::{Bounds, ResidualParams};
use crate::noise_derivatives::NoiseDerivatives;
use crate::pass::PassStats;
use crate::residual::ResidualView;
use crate::runtime::cancel::catch_cancellation;
use crate::runtime::parallel::Threads;
use crate::runtime::progress::ProgressCallback;
use crate::trace::{Status, Trace};
use crate::variational::optimize::{maximize_elbo, VariationalFit, VariationalInit, VariationalOptions};

/// Lower bound on `λσ` while loadings move.
const RATIO_FLOOR: f64 = 1.0;

/// Fits one factor under the schedule of priors, from its maximum-likelihood fit. It is null unless the ELBO is higher with it.
pub(crate) fn fit_with_priors(
    options: &FitOptions,
    view: &ResidualView,
    fit: &FactorFit,
    threads: Threads,
    progress: &mut ProgressCallback,
) -> FactorFit {
    // The prior of the remainder and the noise scales are those of the maximum-likelihood fit.
    let model = &fit.model;
    let scales = options.noise_structure.scales_of(view, model.noise_sd.as_deref());
    let view = &view.with_remainder_prior(model.remainder_prior).with_noise_scales(scales.as_deref());
    let mut variational =
        EmpiricalBayes { context: FitContext::new(view, threads, progress), options, bounds: model.bounds };
    let starts = if fit.path.is_empty() { &model.factors } else { &fit.path };
    let Some(best) = variational.fit_best(starts, model.params) else { return fit.clone() };
    let mut trace = model.trace.clone();
    trace.extend(renumbered(model.trace.last(), &best.trace));
    if let Some(Optimum { params, stats, .. }) = variational.null_check(&best) {
        let model = ModelFit {
            factors: vec![view.zero_factor()],
            params,
            log_likelihood: stats.log_likelihood(params),
            derivatives: Some(NoiseDerivatives::new(&stats, params)),
            trace,
            status: Status::Null,
            ..model.clone()
        };
        return FactorFit { model, ..fit.clone() };
    }
    let (params, stats, status) = variational.estimate_noise_freely(&best.factors, &best);
    let converged = model.status == Status::Converged || status == Status::Interrupted;
    let VariationalFit { posteriors, factors, low_rank_variance, .. } = best;
    let model = ModelFit {
        factors,
        log_likelihood: stats.log_likelihood(params),
        derivatives: Some(NoiseDerivatives::new(&stats, params)),
        posteriors,
        params,
        low_rank_variance,
        trace,
        status: if converged { status } else { model.status },
        ..model.clone()
    };
    FactorFit { model, ..fit.clone() }
}

/// Fits all factors jointly under the last priors of the schedule, from one start.
pub(crate) fn refit_with_priors(
    options: &FitOptions,
    view: &ResidualView,
    start: &JointStart,
    threads: Threads,
    progress: &mut ProgressCallback,
) -> JointFit {
    let of = |part: Free| start.factors.iter().filter(move |free| free.free == part).map(|free| free.factor.clone());
    let (fixed, factors): (Vec<Factor>, Vec<Factor>) = (of(Free::Weight).collect(), of(Free::Loadings).collect());
    let mut mle = MleFit::new(view, options, threads, progress);
    let bounds = mle.joint_bounds();
    let present: Vec<Factor> = start.factors.iter().map(|free| free.factor.clone()).collect();
    let params = start.params.unwrap_or_else(|| mle.refit_params(&present));
    let noise = mle.estimate_noise(&present, params, bounds);
    let ModelFit { remainder_prior, noise_sd, .. } = mle.take_fit(Vec::new(), &noise, bounds);
    let scales = options.noise_structure.scales_of(view, noise_sd.as_deref());
    let view = &view.with_remainder_prior(remainder_prior).with_noise_scales(scales.as_deref());
    let mut variational = EmpiricalBayes { context: FitContext::new(view, threads, progress), options, bounds };
    let last_stage = options.schedule.len() - 1;
    let found = variational.maximize_elbo(&factors, &fixed, params, last_stage);
    let all: Vec<Factor> = found.fixed.iter().chain(&found.factors).cloned().collect();
    let (params, stats, status) = variational.estimate_noise_freely(&all, &found);
    let VariationalFit { posteriors, low_rank_variance, trace, .. } = found;
    let model = ModelFit {
        factors: all,
        params,
        remainder_prior,
        noise_sd,
        bounds,
        log_likelihood: stats.log_likelihood(params),
        count: stats.count,
        derivatives: Some(NoiseDerivatives::new(&stats, params)),
        posteriors,
        low_rank_variance,
        trace,
        status,
    };
    let outcome = StartOutcome { start: start.origin, objective: model.elbo(), status, kept: true };
    JointFit { model, starts: vec![outcome] }
}

/// An empirical Bayes fit in progress.
struct EmpiricalBayes<'a, 'b, 'c> {
    context: FitContext<'a, 'b, 'c>,
    options: &'a FitOptions<'a>,
    bounds: Option<Bounds>,
}

impl EmpiricalBayes<'_, '_, '_> {
    /// The fit with the highest ELBO over some starting factors.
    fn fit_best(&mut self, starts: &[Factor], params: ResidualParams) -> Option<VariationalFit> {
        let mut best: Option<VariationalFit> = None;
        for start in starts {
            let fit = self.maximize_elbo(std::slice::from_ref(start), &[], params, 0);
            let interrupted = fit.status == Status::Interrupted;
            if best.as_ref().is_none_or(|best| fit.elbo > best.elbo) {
                best = Some(fit);
            }
            if interrupted {
                break;
            }
        }
        best
    }

    /// Maximizes the ELBO through the stages of the schedule from `first_stage` on.
    fn maximize_elbo(
        &mut self,
        factors: &[Factor],
        fixed: &[Factor],
        params: ResidualParams,
        first_stage: usize,
    ) -> VariationalFit {
        let bounds = self.floored_bounds();
        let params = bounds.map_or(params, |bounds| bounds.clamp(params));
        let FitOptions { estimator, schedule, stop, .. } = self.options;
        let options = VariationalOptions {
            schedule: &schedule[first_stage..],
            estimator: estimator.as_ref(),
            bounds,
            stop: *stop,
        };
        let FitContext { view, threads, progress, .. } = &mut self.context;
        maximize_elbo(view, VariationalInit { factors, fixed, params }, options, *threads, progress)
    }

    /// Maximizes over λ and σ within `bounds`, with the factors held; λ and σ are held if they are not estimated jointly.
    fn estimate_noise(
        &mut self,
        factors: &[Factor],
        params: ResidualParams,
        low_rank_variance: f64,
        bounds: Option<Bounds>,
    ) -> Optimum {
        let FitContext { view, threads, progress, .. } = &mut self.context;
        let objective = Objective {
            view: &view.minus(factors),
            factors: &[],
            params,
            bounds: bounds.filter(|_| self.options.estimator.is_joint()),
            max_entry: f64::INFINITY,
            low_rank_variance,
            threads: *threads,
        };
        maximize(objective, self.options.stop, progress)
    }

    /// The optimum without the factor, unless the ELBO is higher with it by more than the tolerance. Skipped after an interrupt.
    fn null_check(&mut self, fit: &VariationalFit) -> Option<Optimum> {
        if fit.status == Status::Interrupted {
            return None;
        }
        let without = self.estimate_noise(&[], fit.params, 0.0, self.floored_bounds());
        let tolerance = self.options.stop.tolerance * fit.stats.count;
        let is_null = fit.factors[0].d == 0.0 || fit.elbo <= without.log_likelihood() + tolerance;
        is_null.then(|| self.estimate_noise(&[], without.params, 0.0, self.bounds))
    }

    /// λ and σ without the lower bound on `λσ`, with the statistics there and the status of the fit; those of the fit after an
    /// interrupt.
    fn estimate_noise_freely(
        &mut self,
        factors: &[Factor],
        fit: &VariationalFit,
    ) -> (ResidualParams, PassStats, Status) {
        let VariationalFit { params, stats, low_rank_variance, status, .. } = *fit;
        let optimum = if status == Status::Interrupted {
            None
        } else {
            catch_cancellation(|| self.estimate_noise(factors, params, low_rank_variance, self.bounds))
        };
        optimum.map_or((params, stats, Status::Interrupted), |optimum| (optimum.params, optimum.stats, status))
    }

    /// The bounds while loadings move; with a lower bound on `λσ` if λ and σ are maximized jointly.
    fn floored_bounds(&self) -> Option<Bounds> {
        let is_joint = self.options.estimator.is_joint();
        self.bounds.map(|bounds| if is_joint { bounds.with_min_ratio(RATIO_FLOOR) } else { bounds })
    }
}

/// A trace whose stages are numbered after those of an earlier one.
fn renumbered<'a>(last: Option<&Trace>, trace: &'a [Trace]) -> impl Iterator<Item = Trace> + 'a {
    let before = last.map_or(0, |last| last.stage);
    trace.iter().map(move |row| Trace { stage: before + row.stage, ..*row })
}
