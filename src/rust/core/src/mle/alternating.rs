//! Block coordinate ascent: factors, λ and σ in turn with the free weights of the remainder's prior and with noise scales; and,
//! for estimators with an update of their own, in turn with λ and σ.
//!
//! The weights take EM steps, extrapolated if the result is valid and gains more (SQUAREM; R. Varadhan and C. Roland 2008,
//! Simple and globally convergent methods for accelerating the convergence of any EM algorithm, *Scandinavian Journal of
//! Statistics* 35, 335-353). Both constraints on the weights are linear, so an extrapolation keeps them. No step that lowers the
//! log-likelihood is taken, so it increases from block to block.

use crate::factor::{Factor, FreeFactor};
use crate::mle::context::{MleFit, Nuisance};
use crate::mle::maximize::{maximize, Optimum};
use crate::mle::noise_scales::ScaledNoise;
use crate::mle::objective::Objective;
use crate::noise::{Bounds, ResidualParams};
use crate::pass::{sweep, Model, PassLevel, PassStats};
use crate::residual::ResidualView;
use crate::runtime::cancel::catch_cancellation;
use crate::runtime::progress::ProgressCallback;
use crate::trace::{Status, Trace};

/// Maximum number of rounds over the blocks.
const MAX_ROUNDS: usize = 50;
/// Maximum number of SQUAREM cycles per round.
const MAX_CYCLES: usize = 10;
/// Share of the initial weights in the weights that an optimization starts with: a weight of zero would stay zero.
const INITIAL_SHARE: f64 = 0.1;
/// Maximum number of halvings of an extrapolation.
const MAX_HALVINGS: usize = 6;
/// Relative change of λ and σ below which an estimator's update has converged.
const SAME_PARAMS: f64 = 1e-8;

impl<'a> MleFit<'a, '_, '_> {
    /// The objective over `factors`, and over λ and σ within `bounds`.
    pub(crate) fn objective<'o>(
        &self,
        view: &'o ResidualView<'o>,
        factors: &'o [FreeFactor],
        params: ResidualParams,
        bounds: Option<Bounds>,
    ) -> Objective<'o> {
        let (max_entry, threads) = (self.max_entry, self.context.threads);
        Objective { view, factors, params, bounds, max_entry, low_rank_variance: 0.0, threads }
    }

    /// Maximizes over λ and σ within `bounds`, with the factors held; in turn with the nuisance parameters.
    pub(crate) fn estimate_noise(
        &mut self,
        factors: &[Factor],
        params: ResidualParams,
        bounds: Option<Bounds>,
    ) -> Optimum {
        let rest = self.context.view.minus(factors);
        let objective = self.objective(&rest, &[], params, bounds);
        self.optimize(objective)
    }

    /// Maximizes over `factors` with λ and σ by their estimator: jointly, or in turn until they no longer change.
    pub(crate) fn optimize_with_estimator(&mut self, factors: &[FreeFactor], params: ResidualParams) -> Optimum {
        let view = self.context.view;
        let objective = self.objective(view, factors, params, self.joint_bounds());
        let mut optimum = self.optimize(objective);
        if optimum.status == Status::Interrupted {
            return optimum;
        }
        for _ in 0..MAX_ROUNDS {
            let update = self.options.estimator.update(optimum.params, &optimum.stats, self.bounds.as_ref());
            let Some(update) = update else { return Optimum { status: Status::NoEstimate, ..optimum } };
            if same_params(update, optimum.params) {
                return optimum;
            }
            let factors = optimum.free_factors(factors);
            let objective = self.objective(view, &factors, update, None);
            match catch_cancellation(|| self.optimize(objective)) {
                Some(next) => optimum = next,
                None => optimum.status = Status::Interrupted,
            }
            if optimum.status == Status::Interrupted {
                return optimum;
            }
        }
        Optimum { status: Status::Maxiter, ..optimum }
    }

    /// Maximizes an objective, in turn with the nuisance parameters.
    pub(crate) fn optimize(&mut self, objective: Objective) -> Optimum {
        let family = &self.options.remainder;
        let initial = family.initial_weights();
        let weights = self.nuisance.weights.iter().zip(&initial);
        let weights = weights.map(|(last, initial)| (1.0 - INITIAL_SHARE) * last + INITIAL_SHARE * initial);
        let mut nuisance = Nuisance { weights: weights.collect(), scales: self.nuisance.scales.clone() };
        let stop = self.stop;
        let given = |progress: &mut ProgressCallback, nuisance: &Nuisance, objective: Objective| {
            let view = objective.view.with_remainder_prior(family.with_weights(&nuisance.weights));
            let view = view.with_noise_scales(nuisance.scales.as_deref());
            maximize(Objective { view: &view, ..objective }, stop, progress)
        };
        let mut optimum = given(self.context.progress, &nuisance, objective);
        let is_free = !nuisance.weights.is_empty() || self.options.noise_structure.is_free();
        for round in 0.. {
            if !is_free || optimum.status == Status::Interrupted {
                break;
            }
            // An objective without factors is over a view from which all of them are subtracted.
            let rest =
                if objective.factors.is_empty() { *objective.view } else { objective.view.minus(&optimum.factors) };
            let update = catch_cancellation(|| self.update_nuisance(&rest, &optimum, &nuisance, objective.bounds));
            let Some(update) = update else {
                optimum.status = Status::Interrupted;
                break;
            };
            let Some((update, params)) = update else { break };
            if round == MAX_ROUNDS {
                optimum.status = Status::Maxiter;
                break;
            }
            let factors = optimum.free_factors(objective.factors);
            let next = Objective { factors: &factors, params, ..objective };
            let Some(next) = catch_cancellation(|| given(self.context.progress, &update, next)) else {
                optimum.status = Status::Interrupted;
                break;
            };
            nuisance = update;
            optimum.trace.extend(next.trace.iter().copied());
            optimum = Optimum { trace: optimum.trace, ..next };
        }
        self.nuisance = nuisance;
        self.context.stage += 1;
        let stage = self.context.stage;
        self.context.trace.extend(optimum.trace.drain(..).map(|row| Trace { stage, ..row }));
        optimum
    }

    /// Better nuisance parameters, with their λ and σ, all else held; `None` if the gain is below the tolerance.
    fn update_nuisance(
        &self,
        rest: &ResidualView,
        optimum: &Optimum,
        nuisance: &Nuisance<'a>,
        bounds: Option<Bounds>,
    ) -> Option<(Nuisance<'a>, ResidualParams)> {
        let min_gain = self.stop.tolerance * optimum.stats.count;
        let Nuisance { weights, scales } = nuisance.clone();
        let (weights, gain) =
            self.update_weights(&rest.with_noise_scales(scales.as_deref()), optimum, weights, min_gain);
        if !self.options.noise_structure.is_free() {
            return (gain > min_gain).then_some((Nuisance { weights, scales }, optimum.params));
        }
        let before = optimum.log_likelihood() + gain;
        let start = ScaledNoise { scales, params: optimum.params, log_likelihood: before };
        let view = rest.with_remainder_prior(self.options.remainder.with_weights(&weights));
        let update = self.options.noise_structure.update(&view, start, bounds, min_gain, self.context.threads);
        let total_gain = gain + (update.log_likelihood - before);
        (total_gain > min_gain).then_some((Nuisance { weights, scales: update.scales }, update.params))
    }

    /// Better weights of the remainder's prior, all else held, and their gain.
    fn update_weights(
        &self,
        rest: &ResidualView,
        optimum: &Optimum,
        mut weights: Vec<f64>,
        min_gain: f64,
    ) -> (Vec<f64>, f64) {
        if weights.is_empty() {
            return (weights, 0.0);
        }
        let (family, params) = (&self.options.remainder, optimum.params);
        let null_factor = rest.zero_factor();
        let stats_at = |weights: &[f64]| {
            let model = Model { factor: &null_factor, params };
            let spec = model.spec(PassLevel::Likelihood);
            sweep(&rest.with_remainder_prior(family.with_weights(weights)), model, &spec, self.context.threads).sums
        };
        let value = |stats: &PassStats| stats.log_likelihood(params);
        let mut stats = optimum.stats;
        let start = value(&stats);
        for _ in 0..MAX_CYCLES {
            let before = value(&stats);
            let once = family.update(&weights, &stats, params);
            let once_stats = stats_at(&once);
            if value(&once_stats) <= before {
                break;
            }
            let twice = family.update(&once, &once_stats, params);
            // Long extrapolations amplify the rounding of short steps, so the constraints are restored.
            let extrapolation = extrapolate(&weights, &once, &twice).map(|weights| family.normalized(&weights));
            (weights, stats) = (once, once_stats);
            for trial in extrapolation.into_iter().filter(|weights| !weights.is_empty()).chain([twice]) {
                let trial_stats = stats_at(&trial);
                if value(&trial_stats) > value(&stats) {
                    (weights, stats) = (trial, trial_stats);
                    break;
                }
            }
            if value(&stats) - before <= min_gain {
                break;
            }
        }
        let gain = value(&stats) - start;
        (weights, gain)
    }
}

/// Whether λ and σ agree up to a relative difference.
fn same_params(one: ResidualParams, other: ResidualParams) -> bool {
    let close = |x: f64, y: f64| (x - y).abs() <= SAME_PARAMS * y.abs();
    close(one.lambda, other.lambda) && close(one.sigma, other.sigma)
}

/// `θ_0 + 2a r + a² v` with `r = θ_1 − θ_0`, `v = θ_2 − 2θ_1 + θ_0` and `a = ‖r‖/‖v‖`, or less so that positive weights stay
/// positive; `None` if that is no longer than an EM step, or an EM step dropped a component.
fn extrapolate(start: &[f64], once: &[f64], twice: &[f64]) -> Option<Vec<f64>> {
    if twice.iter().zip(start).any(|(two, start)| *two == 0.0 && *start > 0.0) {
        return None;
    }
    let first: Vec<f64> = once.iter().zip(start).map(|(one, start)| one - start).collect();
    let change: Vec<f64> = twice.iter().zip(once).zip(&first).map(|((two, one), first)| two - one - first).collect();
    let square = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
    let mut length = (square(&first) / square(&change)).sqrt();
    for _ in 0..MAX_HALVINGS {
        if !(length > 1.0 && length.is_finite()) {
            return None;
        }
        let point = |((start, first), change): ((&f64, &f64), &f64)| start + length * (2.0 * first + length * change);
        let weights: Vec<f64> = start.iter().zip(&first).zip(&change).map(point).collect();
        if weights.iter().zip(start).all(|(weight, start)| *weight > 0.0 || *start == 0.0) {
            return Some(weights);
        }
        length = 0.5 * (length + 1.0);
    }
    None
}
