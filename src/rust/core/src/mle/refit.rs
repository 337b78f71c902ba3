//! Joint fit of all factors with one λ and σ, from several starting points.
//!
//! A short optimization from each start ranks them by the log-likelihood; the best is continued until it converges. Nothing but
//! the log-likelihood decides.

use crate::factor::{Factor, FreeFactor};
use crate::fit::{Effort, FitOptions, JointFit, JointStart, ModelFit, StartOutcome, StopRule};
use crate::init::{candidates, Origin};
use crate::mle::context::{MleFit, Nuisance, MAX_ENTRY};
use crate::mle::maximize::{maximize, Optimum};
use crate::mle::objective::Objective;
use crate::noise::{Bounds, ResidualParams};
use crate::noise_estimators::MIN_SIGMA;
use crate::residual::ResidualView;
use crate::runtime::cancel::{catch_cancellation, is_stop_requested};
use crate::runtime::parallel::Threads;
use crate::runtime::progress::{Progress, ProgressCallback, Stage};
use crate::trace::{Status, Trace};

/// Steps after which starts are compared.
const SHORT_STEPS: usize = 10;
/// Tolerance of a short joint optimization, which the best start is continued to, in units of that of a full one.
const SHORT_TOLERANCE: f64 = 1000.0;
/// Steps of the optimization of a candidate for a further factor.
const TRIAL_STEPS: usize = 5;
/// Candidates for a further factor that the joint fit starts with.
const JOINT_TRIALS: usize = 2;
/// Factor by which the smallest σ is reduced while the data look exact.
const FLOOR_REDUCTION: f64 = 1e-2;
/// Largest fitted value at a missing entry, in units of the largest observed entry.
const MAX_MISSING: f64 = 2.0;
/// Factor by which the largest entry of a factor is reduced while a fitted value at a missing entry is larger.
const ENTRY_REDUCTION: f64 = 0.8;
/// Maximum number of these reductions.
const MAX_REDUCTIONS: usize = 8;

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
    let optimum = fit.optimize_with_estimator(&factors, params);
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

/// An optimum of the joint objective, with all that belongs to it.
struct JointOptimum<'a> {
    optimum: Optimum,
    nuisance: Nuisance<'a>,
    trace: Vec<Trace>,
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

    /// Fits factors jointly from the best of some starting points; of factors with a free weight alone, the loadings are held.
    pub(crate) fn fit_jointly(&mut self, starts: &[JointStart], effort: Effort) -> JointFit {
        let mut bounds = self.joint_bounds();
        let full = self.stop;
        let (mut outcomes, index, mut best) = self.rank_starts(starts, bounds, effort);
        let start = &starts[index].factors;
        if effort == Effort::Short && best.optimum.status != Status::Converged {
            self.stop = StopRule { tolerance: SHORT_TOLERANCE * full.tolerance, ..full };
            self.continue_fit(&mut best, start, bounds);
        }
        if effort == Effort::Full {
            self.stop = full;
            let size = self.context.view.nrow().min(self.context.view.ncol());
            while let Some(lower) = bounds.and_then(|bounds| lower_floor(bounds, &best.optimum, size)) {
                bounds = Some(lower);
                if !self.continue_fit(&mut best, start, bounds) {
                    break;
                }
            }
            self.bound_missing(&mut best, start, bounds);
        }
        let JointOptimum { optimum, nuisance, trace } = best;
        outcomes[index] =
            StartOutcome { objective: optimum.log_likelihood(), status: optimum.status, kept: true, ..outcomes[index] };
        (self.stop, self.nuisance, self.context.trace) = (full, nuisance, trace);
        let model = self.take_fit(optimum.factors.clone(), &optimum, bounds);
        JointFit { model, starts: outcomes }
    }

    /// Optimizes from each start, with [`Effort::Short`] for a few steps; returns all outcomes and the best.
    fn rank_starts(
        &mut self,
        starts: &[JointStart],
        bounds: Option<Bounds>,
        effort: Effort,
    ) -> (Vec<StartOutcome>, usize, JointOptimum<'a>) {
        if effort == Effort::Short {
            self.stop.max_iterations = self.stop.max_iterations.min(SHORT_STEPS);
        }
        let initial = self.nuisance.clone();
        let mut outcomes: Vec<StartOutcome> = Vec::with_capacity(starts.len());
        let mut best: Option<(usize, JointOptimum)> = None;
        for (index, start) in starts.iter().enumerate() {
            self.nuisance = initial.clone();
            let mut run = || self.joint_optimum(&start.factors, self.start_params(start, bounds), bounds);
            // The first start always has a result, or the whole fit is cancelled.
            let found = if best.is_none() { Some(run()) } else { catch_cancellation(run) };
            let Some(found) = found else {
                best.iter_mut().for_each(|(_, best)| best.optimum.status = Status::Interrupted);
                break;
            };
            let (objective, status) = (found.optimum.log_likelihood(), found.optimum.status);
            outcomes.push(StartOutcome { start: start.origin, objective, status, kept: false });
            if best.as_ref().is_none_or(|(_, best)| objective > best.optimum.log_likelihood()) {
                best = Some((index, found));
            }
            if status == Status::Interrupted {
                break;
            }
        }
        let Some((index, best)) = best else { unreachable!("a joint fit has a start") };
        (outcomes, index, best)
    }

    /// λ and σ at a start.
    fn start_params(&self, start: &JointStart, bounds: Option<Bounds>) -> ResidualParams {
        let factors = || start.factors.iter().map(|free| free.factor.clone()).collect::<Vec<Factor>>();
        start.params.unwrap_or_else(|| match bounds {
            Some(bounds) => self.moderate_params(&factors(), &bounds),
            None => self.refit_params(&factors()),
        })
    }

    /// The optimum from some factors, and the trace on the way.
    fn joint_optimum(
        &mut self,
        factors: &[FreeFactor],
        params: ResidualParams,
        bounds: Option<Bounds>,
    ) -> JointOptimum<'a> {
        self.context.trace.clear();
        let objective = self.objective(self.context.view, factors, params, bounds);
        let optimum = self.optimize(objective);
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

    /// Reduces the largest entry of a factor until all fitted values at missing entries are in range: the likelihood alone does
    /// not bound them.
    fn bound_missing(&mut self, best: &mut JointOptimum<'a>, start: &[FreeFactor], bounds: Option<Bounds>) {
        let view = self.context.view;
        if view.is_symmetric() || !view.has_missing() || best.optimum.status == Status::Interrupted {
            return;
        }
        let largest = MAX_MISSING * self.max_entry / MAX_ENTRY;
        for _ in 0..MAX_REDUCTIONS {
            if view.max_fitted_at_missing(&best.optimum.factors) <= largest {
                return;
            }
            self.max_entry *= ENTRY_REDUCTION;
            self.nuisance = best.nuisance.clone();
            let (factors, params) = (best.optimum.free_factors(start), best.optimum.params);
            match catch_cancellation(|| self.joint_optimum(&factors, params, bounds)) {
                Some(next) => *best = next,
                None => best.optimum.status = Status::Interrupted,
            }
            if best.optimum.status == Status::Interrupted {
                return;
            }
        }
    }
}

/// Bounds with a smaller σ, if both are active: then the factors and a constant explain the data to within the smallest σ.
///
/// As many factors as the matrix has rows or columns explain any data, so these do not count.
fn lower_floor(bounds: Bounds, optimum: &Optimum, size: usize) -> Option<Bounds> {
    let params = optimum.params;
    let rank = optimum.factors.iter().filter(|factor| factor.d > 0.0).count();
    let is_exact =
        rank < size && bounds.sigma_active(params) && bounds.lambda_active(params) && bounds.min_sigma > MIN_SIGMA;
    is_exact.then(|| Bounds { min_sigma: (FLOOR_REDUCTION * bounds.min_sigma).max(MIN_SIGMA), ..bounds })
}

/// Starts with one factor more than a joint fit: each of some candidates is fitted to what that fit leaves, and the best are
/// added to its factors. None of them is worse than the fit itself: if no candidate is better, a null factor is added.
pub(crate) fn extended_starts(
    options: &FitOptions,
    view: &ResidualView,
    base: &JointStart,
    threads: Threads,
    progress: &mut ProgressCallback,
) -> Vec<JointStart> {
    let fit = MleFit::new(view, options, threads, &mut *progress);
    let (bounds, max_entry, initial_params) = (fit.joint_bounds(), fit.max_entry, fit.initial_params);
    let params = base.params.unwrap_or(initial_params);
    let held: Vec<Factor> = base.factors.iter().map(|free| free.factor.clone()).collect();
    let rest = view.minus(&held);
    let mut optimize = |factor: FreeFactor, bounds: Option<Bounds>, max_iterations: usize| {
        let (view, factors, low_rank_variance) = (&rest, &[factor], 0.0);
        let objective = Objective { view, factors, params, bounds, max_entry, low_rank_variance, threads };
        maximize(objective, StopRule { max_iterations, ..options.stop }, progress)
    };
    let null = optimize(FreeFactor::weight(rest.zero_factor()), bounds, 0);
    let mut trials = vec![(Origin::Null, null)];
    for (origin, init) in candidates(&rest, options.starts, threads, &mut |_| ()) {
        // The log-likelihood is concave in the weight, so a few steps find the best one.
        let start = init.least_squares_factor(&rest, threads);
        let weighted = optimize(FreeFactor::weight(start), None, TRIAL_STEPS);
        if weighted.only_factor().d > 0.0 {
            trials.push((origin, optimize(FreeFactor::loadings(weighted.only_factor()), bounds, TRIAL_STEPS)));
        }
        if is_stop_requested() {
            break;
        }
    }
    // The sort is stable: of equal ones, the null factor comes first.
    trials.sort_by(|one, other| other.1.log_likelihood().total_cmp(&one.1.log_likelihood()));
    let null = trials.iter().position(|(origin, _)| *origin == Origin::Null).unwrap_or(0);
    let start = |(origin, optimum): (Origin, Optimum)| {
        let new = FreeFactor::loadings(optimum.only_factor());
        let factors = base.factors.iter().cloned().chain([new]).collect();
        JointStart { origin, factors, params: Some(optimum.params) }
    };
    trials.into_iter().take(JOINT_TRIALS.min(null.max(1))).map(start).collect()
}
