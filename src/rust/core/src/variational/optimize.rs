//! Maximization of the ELBO: in each round the hyperparameters, then the posteriors, then λ and σ.

use crate::factor::{Factor, FreeFactor};
use crate::fit::{FitContext, PriorStage, StopRule};
use crate::mle::maximize::maximize;
use crate::mle::objective::Objective;
use crate::noise::{Bounds, ResidualParams};
use crate::noise_estimators::NoiseEstimator;
use crate::pass::PassStats;
use crate::posterior::{FactorPosterior, LoadingPosterior, NormalMeans};
use crate::prior::{Family, Observations, Prior};
use crate::residual::ResidualView;
use crate::runtime::cancel::{catch_cancellation, is_stop_requested};
use crate::runtime::parallel::Threads;
use crate::runtime::progress::{Progress, ProgressCallback};
use crate::trace::{Status, Trace};
use crate::variational::elbo::ElboState;
use std::rc::Rc;

/// Maximum number of rounds per stage.
const MAX_ROUNDS: usize = 30;
/// Maximum number of steps of the posteriors per round.
const MAX_STEPS: usize = 30;
/// Initial step size, as a share of the way to the normal-means problems: W is a product of two loadings, and both move.
const INITIAL_STEP: f64 = 0.5;
/// Largest step size, an overshoot: `b` takes a part of every residual, which shortens the step.
const MAX_STEP: f64 = 4.0;
/// Step size below which no step is worth a pass.
const MIN_STEP: f64 = 1e-3;
/// Factor of the step size after a step that was taken.
const EXPANSION: f64 = 1.5;
/// Factor of the step size after a step that was not taken.
const CONTRACTION: f64 = 0.5;

/// Starting point of a maximization of the ELBO.
#[derive(Clone, Copy)]
pub struct VariationalInit<'a> {
    /// The factors, taken as certain.
    pub factors: &'a [Factor],
    /// Factors whose loadings are held; their weights are maximized together with λ and σ.
    pub fixed: &'a [Factor],
    /// λ and σ.
    pub params: ResidualParams,
}

/// Options of a maximization of the ELBO.
#[derive(Clone, Copy)]
pub struct VariationalOptions<'a> {
    /// The priors, stage by stage.
    pub schedule: &'a [PriorStage<'a>],
    /// Estimator of λ and σ.
    pub estimator: &'a dyn NoiseEstimator,
    /// Bounds on λ and σ; `None` holds them.
    pub bounds: Option<Bounds>,
    /// When it stops.
    pub stop: StopRule,
}

/// Result of a maximization of the ELBO.
pub struct VariationalFit {
    /// Posteriors of the loadings of each factor.
    pub posteriors: Vec<FactorPosterior>,
    /// Factors of the posterior means, of unit norm; zero if a prior removed a factor.
    pub factors: Vec<Factor>,
    /// The fixed factors, with their weights.
    pub fixed: Vec<Factor>,
    /// λ and σ.
    pub params: ResidualParams,
    /// Statistics of a pass at the posterior means.
    pub stats: PassStats,
    /// Posterior variance of the low-rank part, summed over the entries.
    pub low_rank_variance: f64,
    /// The ELBO.
    pub elbo: f64,
    /// One row per step.
    pub trace: Vec<Trace>,
    /// Why it ended.
    pub status: Status,
}

/// Maximizes the ELBO of `view` through the stages of a schedule in turn.
pub fn maximize_elbo(
    view: &ResidualView,
    init: VariationalInit,
    options: VariationalOptions,
    threads: Threads,
    progress: &mut ProgressCallback,
) -> VariationalFit {
    let posteriors = init.factors.iter().map(FactorPosterior::certain).collect();
    let context = FitContext::new(view, threads, progress);
    let mut optimizer = ElboOptimizer { context, fixed: init.fixed.to_vec(), options };
    let mut state = optimizer.evaluate(posteriors, init.params);
    let mut status = Status::Converged;
    for stage in options.schedule {
        (state, status) = optimizer.run_stage(state, stage);
        if status == Status::Interrupted {
            break;
        }
    }
    let ElboState { posteriors, params, stats, low_rank_variance, elbo, .. } = state;
    let factors = posteriors.iter().map(|posterior| posterior.mean().normalised()).collect();
    let ElboOptimizer { context: FitContext { trace, .. }, fixed, .. } = optimizer;
    VariationalFit { posteriors, factors, fixed, params, stats, low_rank_variance, elbo, trace, status }
}

struct ElboOptimizer<'a, 'b, 'c> {
    context: FitContext<'a, 'b, 'c>,
    fixed: Vec<Factor>,
    options: VariationalOptions<'a>,
}

impl ElboOptimizer<'_, '_, '_> {
    fn evaluate(&self, posteriors: Vec<FactorPosterior>, params: ResidualParams) -> ElboState {
        self.evaluate_with_fixed(&self.fixed, posteriors, params)
    }

    fn evaluate_with_fixed(
        &self,
        fixed: &[Factor],
        posteriors: Vec<FactorPosterior>,
        params: ResidualParams,
    ) -> ElboState {
        ElboState::new(&self.context.view.minus(fixed), posteriors, params, self.context.threads)
    }

    /// Runs one stage. Its first priors are taken even if the ELBO was higher: until then there was no prior to compare with.
    fn run_stage(&mut self, start: ElboState, stage: &PriorStage) -> (ElboState, Status) {
        self.context.stage += 1;
        let Some(mut state) = catch_cancellation(|| self.first_priors(&start, stage)) else {
            return (start, Status::Interrupted);
        };
        let mut step_size = INITIAL_STEP;
        for round in 0..MAX_ROUNDS {
            // A cancelled round leaves the last complete state.
            let status = catch_cancellation(|| self.run_round(round > 0, &mut state, stage, &mut step_size));
            if let Some(status) = status.unwrap_or(Some(Status::Interrupted)) {
                return (state, status);
            }
        }
        (state, Status::Maxiter)
    }

    /// The state under the first priors of a stage, with all loadings at once at their targets; or where they are, if that has the
    /// higher ELBO: the joint step may overshoot.
    fn first_priors(&self, start: &ElboState, stage: &PriorStage) -> ElboState {
        let estimate = |family: &dyn Family, _: &dyn Prior, observations: &Observations| family.estimate(observations);
        let [moved, held] = [1.0, 0.0].map(|step_size| self.update_priors(start, stage, step_size, estimate));
        if held.elbo > moved.elbo {
            held
        } else {
            moved
        }
    }

    /// Runs one round: priors, if they are to be updated, then posteriors, then λ and σ. Returns the status if it was the last.
    fn run_round(
        &mut self,
        updates_priors: bool,
        state: &mut ElboState,
        stage: &PriorStage,
        step_size: &mut f64,
    ) -> Option<Status> {
        let tolerance = self.options.stop.tolerance * state.stats.count;
        let before = state.elbo;
        if updates_priors {
            let estimate = |family: &dyn Family, previous: &dyn Prior, observations: &Observations| {
                family.estimate_from(previous, observations)
            };
            let trials =
                [*step_size, 0.0].into_iter().map(|step_size| self.update_priors(state, stage, step_size, estimate));
            if let Some(better) = trials.into_iter().find(|trial| trial.elbo > before) {
                *state = better;
            }
        }
        for _ in 0..MAX_STEPS {
            let Some(next) = self.step(state, step_size) else { break };
            let gain = next.elbo - state.elbo;
            *state = next;
            if self.report(state) {
                return Some(Status::Interrupted);
            }
            if gain <= tolerance {
                break;
            }
        }
        if let Some(next) = self.update_noise(state) {
            *state = next;
        }
        if self.report(state) {
            return Some(Status::Interrupted);
        }
        // An estimator with an update of its own may lower the ELBO; while it does, λ and σ still move.
        ((state.elbo - before).abs() <= tolerance && updates_priors).then_some(Status::Converged)
    }

    /// Records a step. Returns whether to end the fit there.
    fn report(&mut self, state: &ElboState) -> bool {
        let ElboState { params, elbo, stats, .. } = state;
        let log_likelihood = stats.log_likelihood(*params);
        let FitContext { trace, progress, stage, .. } = &mut self.context;
        trace.push(Trace { log_likelihood, elbo: *elbo, params: *params, stage: *stage });
        progress(Progress::new(trace.len()).with_log_likelihood(log_likelihood, stats.count));
        is_stop_requested()
    }

    /// The posteriors after a step towards their normal-means problems, under priors that are estimated there.
    fn update_priors(
        &self,
        state: &ElboState,
        stage: &PriorStage,
        step_size: f64,
        estimate: impl Fn(&dyn Family, &dyn Prior, &Observations) -> Box<dyn Prior>,
    ) -> ElboState {
        let update = |posterior: &LoadingPosterior, target: &NormalMeans, family: &dyn Family| {
            let problem = damped(&posterior.problem, target, step_size);
            let observations = problem.observations(self.context.threads);
            let prior = observations.map(|observations| Rc::from(estimate(family, posterior.prior(), &observations)));
            self.posterior(prior, problem)
        };
        let posteriors = state.posteriors.iter().zip(&state.problems).map(|(posterior, (rows, columns))| {
            let column_pair = posterior.columns.as_ref().zip(columns.as_ref());
            FactorPosterior {
                rows: update(&posterior.rows, rows, stage.rows),
                columns: column_pair.map(|(side, target)| update(side, target, stage.columns)),
            }
        });
        self.evaluate(posteriors.collect(), state.params)
    }

    /// The posterior under a prior; certain zeros if there is none.
    fn posterior(&self, prior: Option<Rc<dyn Prior>>, problem: NormalMeans) -> LoadingPosterior {
        let zeros = vec![0.0; problem.x.len()];
        let posterior = prior.and_then(|prior| LoadingPosterior::new(prior, problem, self.context.threads));
        posterior.unwrap_or_else(|| LoadingPosterior::certain(zeros))
    }

    /// The longest of the trial steps that raises the ELBO.
    fn step(&self, state: &ElboState, step_size: &mut f64) -> Option<ElboState> {
        while *step_size >= MIN_STEP {
            let move_side = |posterior: &LoadingPosterior, target: &NormalMeans| {
                self.posterior(Some(Rc::clone(&posterior.prior)), damped(&posterior.problem, target, *step_size))
            };
            let posteriors = state.posteriors.iter().zip(&state.problems).map(|(posterior, (rows, columns))| {
                let column_pair = posterior.columns.as_ref().zip(columns.as_ref());
                FactorPosterior {
                    rows: move_side(&posterior.rows, rows),
                    columns: column_pair.map(|(side, target)| move_side(side, target)),
                }
            });
            let next = self.evaluate(posteriors.collect(), state.params);
            if next.elbo > state.elbo {
                *step_size = (EXPANSION * *step_size).min(MAX_STEP);
                return Some(next);
            }
            *step_size *= CONTRACTION;
        }
        *step_size = INITIAL_STEP;
        None
    }

    /// Updates λ, σ and the weights of the fixed factors, the posteriors held; `None` if they do not change.
    fn update_noise(&mut self, state: &ElboState) -> Option<ElboState> {
        let VariationalOptions { estimator, bounds, stop, .. } = self.options;
        let means: Vec<Factor> = state.posteriors.iter().map(FactorPosterior::mean).collect();
        let rest = self.context.view.minus(&means);
        let update = bounds.and_then(|bounds| estimator.update(state.params, &state.stats, Some(&bounds)));
        let params = update.unwrap_or(state.params);
        let bounds = bounds.filter(|_| estimator.is_joint());
        if bounds.is_none() && self.fixed.is_empty() {
            return (params != state.params).then(|| self.evaluate(state.posteriors.clone(), params));
        }
        let factors: Vec<FreeFactor> = self.fixed.iter().cloned().map(FreeFactor::weight).collect();
        let objective = Objective {
            view: &rest,
            factors: &factors,
            params,
            bounds,
            max_entry: f64::INFINITY,
            low_rank_variance: state.low_rank_variance,
            threads: self.context.threads,
        };
        let optimum = maximize(objective, stop, self.context.progress);
        // The weights are kept only if the state with them is complete.
        let next = self.evaluate_with_fixed(&optimum.factors, state.posteriors.clone(), optimum.params);
        self.fixed = optimum.factors;
        Some(next)
    }
}

/// The problem at a share of the way from the present one to its target.
fn damped(problem: &NormalMeans, target: &NormalMeans, step_size: f64) -> NormalMeans {
    let x = problem.x.iter().zip(&target.x).map(|(x, target)| x + step_size * (target - x)).collect();
    NormalMeans { x, s: target.s.clone() }
}
