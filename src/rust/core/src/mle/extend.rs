//! Joint fits of 1, 2, … factors, each built on the one before: a factor is added, or exchanged for another.
//!
//! Fits are optimized up to a coarse tolerance only. A few steps from each start rank the starts by the log-likelihood, and the
//! best is continued. Nothing but the log-likelihood decides what is kept.

use crate::factor::{Factor, Free, FreeFactor};
use crate::fit::{Growth, JointFit, JointStart, ModelFit, StartOutcome, StopRule};
use crate::init::{Candidates, InitialLoadings, Origin};
use crate::mle::context::{MleFit, RELAXED_RATIO};
use crate::mle::maximize::{maximize, Optimum};
use crate::mle::rank_one::with_ratio_floor;
use crate::mle::refit::JointOptimum;
use crate::noise::{Bounds, ResidualParams};
use crate::pass::PassStats;
use crate::residual::ResidualView;
use crate::runtime::cancel::{catch_cancellation, is_stop_requested};
use crate::trace::Status;
use crate::vector::{dot, norm, Contiguous};
use std::iter::repeat;

/// Steps after which starts are compared.
const SHORT_STEPS: usize = 20;
/// Tolerance of these joint fits, in units of that of a full one.
const SHORT_TOLERANCE: f64 = 3000.0;
/// How many times as many candidates are tried if none of the first is better than no factor.
const MORE_STARTS: usize = 4;
/// Steps of the optimization of a candidate for a further factor.
const TRIAL_STEPS: usize = 5;
/// Steps after which candidates with a larger ratio `λσ` are compared.
const SCREENING_STEPS: usize = 2;
/// Steps of the other factors after the removal of one.
const REMOVAL_STEPS: usize = 3;

/// A candidate for a further factor, and where it comes from.
type Candidate = (Origin, Factor);

impl<'a> MleFit<'a, '_, '_> {
    /// The joint fit with one factor more than `base`, from `extension` if that is known and from initial loadings `init` of the
    /// new factor if they are given.
    ///
    /// The fit is then extended by one more factor, and the weakest factor is removed. If that is not the new one, the rest is
    /// another start: a factor that is missing takes the place of one that is not needed.
    pub(crate) fn grow(
        &mut self,
        base: &JointStart,
        extension: Option<JointFit>,
        init: Option<InitialLoadings>,
    ) -> Growth {
        let like = &base.factors;
        let mut joint = extension.unwrap_or_else(|| self.extend(base));
        if let Some(init) = init {
            self.improve(&mut joint, &self.given_start(base, &init));
        }
        self.settle(&mut joint, like);
        loop {
            if joint.model.status == Status::Interrupted {
                return Growth { joint, extension: None };
            }
            let before = joint.model.log_likelihood;
            let start = start_at(&joint.model, like);
            let extension = catch_cancellation(|| self.extend(&start));
            let Some(extension) = extension.filter(|extension| extension.model.status != Status::Interrupted) else {
                joint.model.status = Status::Interrupted;
                return Growth { joint, extension: None };
            };
            let exchanged = catch_cancellation(|| self.exchanged(&start, &extension.model)).flatten();
            if !exchanged.is_some_and(|exchanged| self.improve(&mut joint, &exchanged)) {
                return Growth { joint, extension: Some(extension) };
            }
            self.settle(&mut joint, like);
            // Where the extension gains more than the exchange did, it still is a good start.
            let (gain, lead) =
                (joint.model.log_likelihood - before, extension.model.log_likelihood - joint.model.log_likelihood);
            if lead > gain {
                return Growth { joint, extension: Some(extension) };
            }
        }
    }

    /// A joint fit with one factor more than `base`, and never worse: a few steps from the best start. Before it settles for a
    /// null factor, the other starts have all the steps that they need.
    fn extend(&mut self, base: &JointStart) -> JointFit {
        let mut starts = self.extensions(base).into_iter();
        let Some(first) = starts.next() else { unreachable!("there is at least a null factor") };
        let initial = self.nuisance.clone();
        let stop = if first.origin == Origin::Null { self.coarse_stop() } else { self.short_stop() };
        let mut best = self.short_fit(&first, self.short_stop());
        let mut outcomes = vec![best.outcome(first.origin)];
        let mut kept = 0;
        for start in starts {
            self.nuisance = initial.clone();
            let target = best.optimum.log_likelihood() + self.min_gain(best.optimum.stats.count);
            let Some(found) = catch_cancellation(|| self.short_fit(&start, stop)) else {
                best.optimum.status = Status::Interrupted;
                break;
            };
            outcomes.push(found.outcome(start.origin));
            if found.optimum.log_likelihood() > target {
                (best, kept) = (found, outcomes.len() - 1);
            }
        }
        outcomes[kept] = StartOutcome { kept: true, ..best.outcome(outcomes[kept].start) };
        self.take_joint_fit(best, outcomes, self.joint_bounds())
    }

    /// The start with given loadings of the new factor, its weight by least squares.
    fn given_start(&self, base: &JointStart, init: &InitialLoadings) -> JointStart {
        let held = factors_of(base);
        let new = init.least_squares_factor(&self.context.view.minus(&held), self.context.threads);
        let factors = base.factors.iter().cloned().chain([FreeFactor::loadings(new)]).collect();
        JointStart { origin: Origin::Given, factors, params: base.params }
    }

    /// Replaces `joint` by a few steps from another start if these are better, and returns whether they are.
    fn improve(&mut self, joint: &mut JointFit, start: &JointStart) -> bool {
        let target = joint.model.log_likelihood + self.min_gain(joint.model.count);
        let Some(found) = catch_cancellation(|| self.short_fit(start, StopRule { target, ..self.short_stop() })) else {
            joint.model.status = Status::Interrupted;
            return false;
        };
        if found.optimum.log_likelihood() <= target {
            joint.starts.push(found.outcome(start.origin));
            if found.optimum.status == Status::Interrupted {
                joint.model.status = Status::Interrupted;
            }
            return false;
        }
        let mut starts = std::mem::take(&mut joint.starts);
        starts.iter_mut().for_each(|start| start.kept = false);
        starts.push(StartOutcome { kept: true, ..found.outcome(start.origin) });
        *joint = self.take_joint_fit(found, starts, self.joint_bounds());
        true
    }

    /// The gain up to which two fits count as equally good: the coarse tolerance.
    fn min_gain(&self, count: f64) -> f64 {
        SHORT_TOLERANCE * self.stop.tolerance * count
    }

    /// The best of the starts with one factor of an extension removed, the last factor in its place; `None` if that is the last
    /// factor itself, the new one. What the removed factor stands for is divided between the others, by rows or by columns.
    fn exchanged(&mut self, base: &JointStart, extension: &ModelFit) -> Option<JointStart> {
        let last = extension.factors.len().checked_sub(1)?;
        let all = free_like(&extension.factors, &base.factors);
        let mut best: Option<(usize, Optimum)> = None;
        let view = self.context.view;
        let sides: &[Side] = if view.is_symmetric() { &[Side::Rows] } else { &[Side::Rows, Side::Columns] };
        for removed in (0..=last).filter(|index| all[*index].free == Free::Loadings).rev() {
            for side in sides {
                let mut others = all.clone();
                let gone = others.swap_remove(removed).factor;
                others.iter_mut().filter(|other| other.free == Free::Loadings).for_each(|other| {
                    other.factor = with_share(&other.factor, &gone, *side);
                });
                let objective = self.objective(view, &others, extension.params, self.joint_bounds());
                let stop = StopRule { max_iterations: REMOVAL_STEPS, ..self.stop };
                let found = maximize(objective, stop, self.context.progress);
                // Of equal ones, the first: without the new factor.
                if best.as_ref().is_none_or(|(_, best)| found.log_likelihood() > best.log_likelihood()) {
                    best = Some((removed, found));
                }
            }
        }
        let (removed, optimum) = best.filter(|(removed, _)| *removed != last)?;
        debug_assert!(removed < last);
        let factors = free_like(&optimum.factors, &base.factors);
        Some(JointStart { origin: Origin::Exchange, factors, params: Some(optimum.params) })
    }

    /// The stopping rule of a few steps.
    fn short_stop(&self) -> StopRule {
        StopRule { max_iterations: self.stop.max_iterations.min(SHORT_STEPS), ..self.stop }
    }

    /// The stopping rule of a fit up to the coarse tolerance.
    fn coarse_stop(&self) -> StopRule {
        StopRule { tolerance: SHORT_TOLERANCE * self.stop.tolerance, ..self.stop }
    }

    /// The steps from a start that a rule permits. A fit with an added null factor stays where it is, as converged as before.
    fn short_fit(&mut self, start: &JointStart, stop: StopRule) -> JointOptimum<'a> {
        let is_null = start.origin == Origin::Null;
        let stop = if is_null { StopRule { max_iterations: 0, ..stop } } else { stop };
        let mut found = self.fit_until(start, stop);
        if is_null && found.optimum.status != Status::Interrupted {
            found.optimum.status = Status::Converged;
        }
        found
    }

    /// Continues a joint fit up to the coarse tolerance.
    fn settle(&mut self, joint: &mut JointFit, like: &[FreeFactor]) {
        if joint.model.status == Status::Converged || joint.model.status == Status::Interrupted {
            return;
        }
        let start = start_at(&joint.model, like);
        let stop = self.coarse_stop();
        let Some(found) = catch_cancellation(|| self.fit_until(&start, stop)) else {
            joint.model.status = Status::Interrupted;
            return;
        };
        joint.model.status = found.optimum.status;
        if found.optimum.log_likelihood() >= joint.model.log_likelihood {
            let mut starts = std::mem::take(&mut joint.starts);
            for start in starts.iter_mut().filter(|start| start.kept) {
                *start = StartOutcome { kept: true, ..found.outcome(start.start) };
            }
            *joint = self.take_joint_fit(found, starts, self.joint_bounds());
        }
    }

    /// The optimum from a start under a stopping rule.
    fn fit_until(&mut self, start: &JointStart, stop: StopRule) -> JointOptimum<'a> {
        let (bounds, full) = (self.joint_bounds(), self.stop);
        self.stop = stop;
        let found = self.joint_optimum(&start.factors, self.start_params(start, bounds), bounds);
        self.stop = full;
        found
    }

    /// Starts with one factor more than `base`: candidates are fitted to what it leaves, and the best is added to its factors. If
    /// none is better than no factor, a null factor is added: so the first start is never worse than `base`.
    ///
    /// Where σ is small beside the remainder, no factor can rise above the data, and what the factors so far overlap blocks a
    /// further one. Candidates are therefore also fitted with a larger ratio `λσ`, for which the loss is nearly quadratic; the
    /// best of these is the second start.
    fn extensions(&mut self, base: &JointStart) -> Vec<JointStart> {
        let held = factors_of(base);
        let rest = self.context.view.minus(&held);
        let (bounds, params) = (self.joint_bounds(), base.params.unwrap_or(self.initial_params));
        let null = self.trial(&rest, FreeFactor::weight(rest.zero_factor()), params, bounds, 0);
        let (starts, best_weighted) = self.estimate_candidate_weights(&rest, params, &null.stats);
        let tight = best_weighted.and_then(|(origin, factor)| {
            let trial = self.trial(&rest, FreeFactor::loadings(factor), params, bounds, TRIAL_STEPS);
            (trial.log_likelihood() > null.log_likelihood()).then_some((origin, trial))
        });
        let is_tight = params.lambda * params.sigma < RELAXED_RATIO;
        let relaxed = is_tight.then(|| with_ratio_floor(params, &null.stats, RELAXED_RATIO)).and_then(|params| {
            let bounds = bounds.map(|bounds| bounds.with_min_ratio(RELAXED_RATIO));
            self.relaxed_candidate(&rest, starts, params, bounds)
        });
        let start = |(origin, optimum): (Origin, Optimum)| {
            let new = FreeFactor::loadings(optimum.only_factor());
            let factors = base.factors.iter().cloned().chain([new]).collect();
            // λ and σ that are held are the same in the joint fit.
            JointStart { origin, factors, params: Some(if bounds.is_some() { optimum.params } else { params }) }
        };
        [tight.unwrap_or((Origin::Null, null))].into_iter().chain(relaxed).map(start).collect()
    }

    /// A few steps of a single factor.
    fn trial(
        &mut self,
        rest: &ResidualView,
        factor: FreeFactor,
        params: ResidualParams,
        bounds: Option<Bounds>,
        max_iterations: usize,
    ) -> Optimum {
        let factors = [factor];
        let objective = self.objective(rest, &factors, params, bounds);
        maximize(objective, StopRule { max_iterations, ..self.stop }, self.context.progress)
    }

    /// The candidates for a further factor, and the one with the highest log-likelihood at its best weight. If that is 0 for all of
    /// the first candidates, more are tried; `None` if it is 0 for these, too.
    fn estimate_candidate_weights(
        &mut self,
        rest: &ResidualView,
        params: ResidualParams,
        null: &PassStats,
    ) -> (Vec<Candidate>, Option<Candidate>) {
        let threads = self.context.threads;
        let threshold = null.residual_mean() + null.residual_variance().sqrt();
        let mut candidates = Candidates::new(rest, threshold, threads);
        let count = self.options.starts;
        let (mut starts, mut weighted) = (Vec::new(), Vec::new());
        for count in [count, (MORE_STARTS - 1) * count] {
            for (origin, init) in candidates.by_ref().take(count).filter(|(_, init)| !init.is_zero()) {
                // The log-likelihood is concave in the weight, so a few steps find the best one.
                let start = init.least_squares_factor(rest, threads);
                weighted.push((origin, self.trial(rest, FreeFactor::weight(start.clone()), params, None, TRIAL_STEPS)));
                starts.push((origin, start));
                if is_stop_requested() {
                    break;
                }
            }
            if is_stop_requested() || weighted.iter().any(|(_, trial)| trial.factors[0].d > 0.0) {
                break;
            }
        }
        let best = best(weighted).map(|(origin, trial)| (origin, trial.only_factor()));
        (starts, best.filter(|(_, factor)| factor.d > 0.0))
    }

    /// The best of the candidates after a few steps under bounds with a larger ratio `λσ`; `None` if it is zero.
    fn relaxed_candidate(
        &mut self,
        rest: &ResidualView,
        candidates: Vec<Candidate>,
        params: ResidualParams,
        bounds: Option<Bounds>,
    ) -> Option<(Origin, Optimum)> {
        let mut trial = |factor: Factor, params: ResidualParams, steps: usize| {
            self.trial(rest, FreeFactor::loadings(factor), params, bounds, steps)
        };
        let screened = candidates.into_iter().map(|(origin, start)| (origin, trial(start, params, SCREENING_STEPS)));
        let (origin, screened) = best(screened.collect())?;
        let found = trial(screened.only_factor(), screened.params, TRIAL_STEPS);
        (found.factors[0].d > 0.0).then_some((origin, found))
    }
}

/// The trial with the highest log-likelihood; of equal ones, the first.
fn best(trials: Vec<(Origin, Optimum)>) -> Option<(Origin, Optimum)> {
    trials.into_iter().min_by(|(_, one), (_, other)| other.log_likelihood().total_cmp(&one.log_likelihood()))
}

/// A side of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Rows,
    Columns,
}

/// The factor after a least-squares step of one side to itself plus another factor: `d u + d' u' (v'ᵀ v)` by rows.
fn with_share(factor: &Factor, other: &Factor, side: Side) -> Factor {
    let (held, other_held) = if side == Side::Rows { (factor.v(), other.v()) } else { (factor.u(), other.u()) };
    let share = other.d * dot(held, other_held);
    let sum = |own: &[f64], added: &[f64]| -> Vec<f64> {
        own.iter().zip(added).map(|(own, added)| factor.d * own + share * added).collect()
    };
    let moved = if side == Side::Rows { sum(factor.u(), other.u()) } else { sum(factor.v(), other.v()) };
    let v = factor.v.as_ref().map(|v| v.as_slice());
    match (side, v) {
        (Side::Rows, Some(v)) => Factor::new(1.0, &moved, Some(v)),
        (Side::Columns, _) => Factor::new(1.0, factor.u(), Some(&moved)),
        // Of a symmetric matrix both sides move, so the weight is that of the sum along them.
        (Side::Rows, None) => {
            let weight = norm(&moved);
            Factor::new(if weight > 0.0 { 1.0 / weight } else { 0.0 }, &moved, None)
        }
    }
    .normalised()
}

/// A start at a fit whose factors may move as those given.
fn start_at(model: &ModelFit, like: &[FreeFactor]) -> JointStart {
    JointStart { origin: Origin::Path, factors: free_like(&model.factors, like), params: Some(model.params) }
}

/// The factors of a start.
fn factors_of(start: &JointStart) -> Vec<Factor> {
    start.factors.iter().map(|free| free.factor.clone()).collect()
}

/// Factors of which the first may move as those given, and the others without constraint.
fn free_like(factors: &[Factor], like: &[FreeFactor]) -> Vec<FreeFactor> {
    let free = like.iter().map(|like| like.free).chain(repeat(Free::Loadings));
    factors.iter().cloned().zip(free).map(|(factor, free)| FreeFactor { factor, free }).collect()
}
