//! Joint fit of all factors with one λ and σ, from a starting point.

use crate::factor::{Factor, FreeFactor};
use crate::fit::{FitOptions, JointFit, JointStart, ModelFit, StartOutcome};
use crate::init::{unit, Origin};
use crate::mle::context::{MleFit, Nuisance, ENTRY_REDUCTION, MAX_MISSING, RELAXED_RATIO};
use crate::mle::maximize::Optimum;
use crate::noise::{Bounds, ResidualParams};
use crate::noise_estimators::MIN_SIGMA;
use crate::pass::product;
use crate::residual::ResidualView;
use crate::runtime::cancel::{catch_cancellation, is_stop_requested};
use crate::runtime::parallel::Threads;
use crate::runtime::progress::{Progress, ProgressCallback, Stage};
use crate::trace::{Status, Trace};
use faer::{Col, Mat};

/// Factor by which the smallest σ is reduced while the data look exact.
const FLOOR_REDUCTION: f64 = 1e-2;
/// Largest σ of data that are exact, in units in which the matrix has a root mean square near 1.
const EXACT: f64 = 1e-7;

/// Estimates the weights of factors whose loadings are given, with λ and σ by their estimator; their present weights do not
/// matter.
pub(crate) fn estimate_weights(
    options: &FitOptions,
    view: &ResidualView,
    factors: Vec<Factor>,
    threads: Threads,
    progress: &mut ProgressCallback,
) -> ModelFit {
    let mut fit = MleFit::new(view, options, threads, progress);
    let without_weight = |factor: Factor| FreeFactor::weight(Factor { d: 0.0, ..factor });
    let factors: Vec<FreeFactor> = factors.into_iter().map(without_weight).collect();
    let params = fit.initial_params;
    let nuisance = fit.nuisance.clone();
    let mut best = fit.recorded(|fit| fit.optimize_with_estimator(&factors, params));
    // The log-likelihood is concave in the weights, but not in these, λ and σ together. With a large ratio λσ it nearly is.
    if let Some(bounds) = fit.joint_bounds().filter(|_| best.optimum.status != Status::Interrupted) {
        fit.nuisance = nuisance;
        let relaxed = catch_cancellation(|| {
            fit.recorded(|fit| {
                let objective = fit.objective(view, &factors, params, Some(bounds.with_min_ratio(RELAXED_RATIO)));
                let relaxed = fit.optimize(objective);
                fit.optimize_with_estimator(&relaxed.free_factors(&factors), relaxed.params)
            })
        });
        match relaxed {
            Some(relaxed) if relaxed.optimum.log_likelihood() > best.optimum.log_likelihood() => best = relaxed,
            Some(_) => {}
            None => best.optimum.status = Status::Interrupted,
        }
    }
    let JointOptimum { optimum, nuisance, trace } = best;
    (fit.nuisance, fit.context.trace) = (nuisance, trace);
    let bounds = fit.bounds;
    fit.take_fit(optimum.factors.clone(), &optimum, bounds)
}

/// Estimates λ and σ, by their estimator, with all factors held.
pub fn estimate_noise(
    options: &FitOptions,
    view: &ResidualView,
    factors: Vec<Factor>,
    threads: Threads,
    progress: &mut ProgressCallback,
) -> ModelFit {
    let rest = view.minus(&factors);
    let last = factors.len().saturating_sub(1);
    let mut report = |event: Progress| progress(event.in_stage(Stage::ResidualParams, last));
    let mut fit = MleFit::new(&rest, options, threads, &mut report);
    let params = fit.initial_params;
    let optimum = fit.optimize_with_estimator(&[], params);
    let bounds = fit.bounds;
    fit.take_fit(factors.clone(), &optimum, bounds)
}

/// Whether the smallest singular value is at most [`EXACT`], relative to the Frobenius norm.
fn is_rank_deficient(view: &ResidualView, threads: Threads) -> bool {
    let (nrow, ncol) = (view.nrow(), view.ncol());
    let (zero_rows, zero_columns) = (Col::<f64>::zeros(nrow), Col::<f64>::zeros(ncol));
    let mut lines = Mat::<f64>::zeros(nrow.max(ncol), nrow.min(ncol));
    for line in 0..nrow.min(ncol) {
        let products = if view.is_symmetric() {
            let line = unit(ncol, line);
            product(view, line.as_ref(), line.as_ref(), threads).rows
        } else if ncol <= nrow {
            product(view, zero_rows.as_ref(), unit(ncol, line).as_ref(), threads).rows
        } else {
            product(view, unit(nrow, line).as_ref(), zero_columns.as_ref(), threads).columns
        };
        lines.col_mut(line).copy_from(products);
    }
    let size = lines.norm_l2();
    lines.singular_values().is_ok_and(|values| {
        values.iter().all(|value| value.is_finite())
            && values.iter().copied().fold(f64::INFINITY, f64::min) <= EXACT * size
    })
}

/// An optimum of the joint objective, with all that belongs to it.
#[derive(Clone)]
pub(crate) struct JointOptimum<'a> {
    pub(crate) optimum: Optimum,
    nuisance: Nuisance<'a>,
    trace: Vec<Trace>,
}

impl JointOptimum<'_> {
    /// The outcome of a start that led here.
    pub(crate) fn outcome(&self, start: Origin) -> StartOutcome {
        let Optimum { status, .. } = self.optimum;
        StartOutcome { start, objective: self.optimum.log_likelihood(), status, kept: false }
    }
}

impl<'a> MleFit<'a, '_, '_> {
    /// λ and σ for a refit of `factors` under priors, or where they are held: the starting values, updated by the estimator.
    pub(crate) fn refit_params(&self, factors: &[Factor]) -> ResidualParams {
        let estimator = &self.options.estimator;
        if estimator.is_joint() {
            return self.initial_params;
        }
        let stats = self.stats_after(factors);
        estimator.update(self.initial_params, &stats, self.bounds.as_ref()).unwrap_or(self.initial_params)
    }

    /// Fits factors jointly from a starting point; of factors with a free weight alone, the loadings are held.
    pub(crate) fn fit_jointly(&mut self, start: &JointStart) -> JointFit {
        let mut bounds = self.joint_bounds();
        let mut best = self.joint_optimum(&start.factors, self.start_params(start, bounds), bounds);
        self.restart(&mut best, &start.factors, bounds);
        if let Some((exact, lower)) = bounds.and_then(|bounds| self.exact_optimum(&best, &start.factors, bounds)) {
            (best, bounds) = (exact, Some(lower));
        }
        self.bound_missing(&mut best, &start.factors, bounds);
        let outcome = best.outcome(start.origin);
        self.take_joint_fit(best, vec![StartOutcome { kept: true, ..outcome }], bounds)
    }

    /// The result of a joint fit.
    pub(crate) fn take_joint_fit(
        &mut self,
        best: JointOptimum<'a>,
        starts: Vec<StartOutcome>,
        bounds: Option<Bounds>,
    ) -> JointFit {
        let JointOptimum { optimum, nuisance, trace } = best;
        (self.nuisance, self.context.trace) = (nuisance, trace);
        let model = self.take_fit(optimum.factors.clone(), &optimum, bounds);
        JointFit { model, starts }
    }

    /// λ and σ at a start.
    pub(crate) fn start_params(&self, start: &JointStart, bounds: Option<Bounds>) -> ResidualParams {
        let factors = || start.factors.iter().map(|free| free.factor.clone()).collect::<Vec<Factor>>();
        start.params.unwrap_or_else(|| match bounds {
            Some(bounds) => self.moderate_params(&factors(), &bounds),
            None => self.refit_params(&factors()),
        })
    }

    /// The optimum from some factors, and the trace on the way.
    pub(crate) fn joint_optimum(
        &mut self,
        factors: &[FreeFactor],
        params: ResidualParams,
        bounds: Option<Bounds>,
    ) -> JointOptimum<'a> {
        self.recorded(|fit| {
            let objective = fit.objective(fit.context.view, factors, params, bounds);
            fit.optimize(objective)
        })
    }

    /// An optimum with the nuisance parameters and the trace that belong to it.
    fn recorded(&mut self, optimize: impl FnOnce(&mut Self) -> Optimum) -> JointOptimum<'a> {
        (self.context.trace, self.context.stage) = (Vec::new(), 0);
        let optimum = optimize(self);
        JointOptimum { optimum, nuisance: self.nuisance.clone(), trace: std::mem::take(&mut self.context.trace) }
    }

    /// Continues from an optimum and keeps the better state; returns whether it was not interrupted.
    fn continue_fit(&mut self, best: &mut JointOptimum<'a>, start: &[FreeFactor], bounds: Option<Bounds>) -> bool {
        if best.optimum.status == Status::Interrupted || is_stop_requested() {
            best.optimum.status = Status::Interrupted;
            return false;
        }
        self.nuisance = best.nuisance.clone();
        let factors = best.optimum.free_factors(start);
        let params = best.optimum.params;
        let Some(next) = catch_cancellation(|| self.joint_optimum(&factors, params, bounds)) else {
            best.optimum.status = Status::Interrupted;
            return false;
        };
        if next.optimum.log_likelihood() >= best.optimum.log_likelihood() {
            let last = best.trace.last().map_or(0, |row| row.stage);
            let first = next.trace.first().map_or(0, |row| row.stage);
            let renumbered = next.trace.iter().map(|row| Trace { stage: row.stage + last - first, ..*row });
            best.trace.extend(renumbered.collect::<Vec<_>>());
            *best = JointOptimum { trace: std::mem::take(&mut best.trace), ..next };
        } else {
            best.optimum.status = next.optimum.status;
        }
        best.optimum.status != Status::Interrupted
    }

    /// Starts the optimizer again as long as that gains something: on a flat ridge it ends early. Nuisance parameters restart it
    /// by themselves.
    fn restart(&mut self, best: &mut JointOptimum<'a>, start: &[FreeFactor], bounds: Option<Bounds>) {
        if !self.nuisance.weights.is_empty() || self.options.noise_structure.is_free() {
            return;
        }
        let min_gain = self.stop.tolerance * best.optimum.stats.count;
        while best.optimum.status == Status::Converged {
            let before = best.optimum.log_likelihood();
            let continued = self.continue_fit(best, start, bounds);
            if !continued || best.optimum.log_likelihood() <= before + min_gain {
                return;
            }
        }
    }

    /// The optimum under a reduced lower bound on σ if the factors explain the data to within [`EXACT`]; `None` if they do not.
    ///
    /// Data that are only nearly exact keep the bound, so that it is the same for every number of factors. As many factors as the
    /// matrix has rows or columns explain any data; these count only if the matrix has a smaller rank. With missing entries a
    /// smaller number may explain any data, so then exact data count whatever their number: more factors never fit worse.
    fn exact_optimum(
        &mut self,
        found: &JointOptimum<'a>,
        start: &[FreeFactor],
        mut bounds: Bounds,
    ) -> Option<(JointOptimum<'a>, Bounds)> {
        let is_active = |bounds: &Bounds, optimum: &Optimum| {
            let is_gaussian = bounds.has_no_remainder() || bounds.lambda_active(optimum.params);
            bounds.sigma_active(optimum.params) && is_gaussian
        };
        let view = self.context.view;
        let rank = found.optimum.factors.iter().filter(|factor| factor.d > 0.0).count();
        if !is_active(&bounds, &found.optimum)
            || (rank >= view.nrow().min(view.ncol())
                && !view.has_missing()
                && !is_rank_deficient(view, self.context.threads))
        {
            return None;
        }
        let mut best = found.clone();
        while is_active(&bounds, &best.optimum) && bounds.min_sigma > MIN_SIGMA {
            bounds.min_sigma = (FLOOR_REDUCTION * bounds.min_sigma).max(MIN_SIGMA);
            if !self.continue_fit(&mut best, start, Some(bounds)) {
                return None;
            }
        }
        // What is left is rounding error, so the gradient is, too.
        if best.optimum.status == Status::Stalled {
            best.optimum.status = Status::Converged;
        }
        (best.optimum.params.sigma <= EXACT).then_some((best, bounds))
    }

    /// Reduces the largest entry of a factor until all fitted values at missing entries are in range: the likelihood alone does
    /// not bound them.
    fn bound_missing(&mut self, best: &mut JointOptimum<'a>, start: &[FreeFactor], bounds: Option<Bounds>) {
        let view = self.context.view;
        if !view.has_missing() {
            return;
        }
        let limit = MAX_MISSING * self.largest;
        while best.optimum.status != Status::Interrupted && view.max_fitted_at_missing(&best.optimum.factors) > limit {
            self.max_entry *= ENTRY_REDUCTION;
            self.nuisance = best.nuisance.clone();
            let (factors, params) = (best.optimum.free_factors(start), best.optimum.params);
            match catch_cancellation(|| self.joint_optimum(&factors, params, bounds)) {
                Some(next) => *best = next,
                None => best.optimum.status = Status::Interrupted,
            }
        }
    }
}
