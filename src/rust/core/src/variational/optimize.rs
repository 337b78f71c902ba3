//! The climb of the bound: in each round the hyperparameters, then the beliefs, then λ and σ.

use crate::factor::{Factor, FreeFactor};
use crate::mle::maximize::{maximize, no_callback, Objective, Settings};
use crate::noise::ResidualParams;
use crate::posterior::{FactorPosterior, LoadingPosterior, NormalMeans};
use crate::prior::{Family, Prior};
use crate::residual::ResidualView;
use crate::runtime::cancel::catch_cancellation;
use crate::runtime::parallel::Threads;
use crate::runtime::progress::{Progress, ProgressCallback};
use crate::trace::{Status, Trace};
use crate::variational::elbo::{ElboState, Target};
use crate::variational::way::{NoiseUpdate, PriorStage, VariationalFit, VariationalInit, VariationalOptions};
use std::rc::Rc;

/// The most rounds of a stage.
const MAX_ROUNDS: usize = 30;
/// The most steps of the beliefs in a round.
const MAX_STEPS: usize = 30;
/// The first share of the way to their best problems that beliefs take: W is a product of two of them, and both move.
const FIRST_SHARE: f64 = 0.5;
/// How far they may overshoot: where `b` takes part of every residual, the way is longer than it looks.
const MAX_SHARE: f64 = 4.0;
/// The share below which no step is worth a sweep.
const MIN_SHARE: f64 = 1e-3;
/// What a step that was taken makes of the share, and one that was not.
const LONGER: f64 = 1.5;
const SHORTER: f64 = 0.5;

/// Climbs the bound from what is known of `view`, through the stages of a schedule in turn.
pub fn maximize_elbo(
    view: &ResidualView,
    known: VariationalInit,
    way: VariationalOptions,
    threads: Threads,
    on_progress: &mut ProgressCallback,
) -> VariationalFit {
    let start = known.factors.iter().map(FactorPosterior::certain).collect();
    let fixed = known.fixed.to_vec();
    let mut climber = Climber { view, fixed, way, threads, on_progress, trace: Vec::new(), stage: 0 };
    let mut standing = climber.standing(start, known.params);
    let mut status = Status::Converged;
    for stage in way.schedule {
        (standing, status) = climber.run(standing, stage);
        if status == Status::Interrupted {
            break;
        }
    }
    let ElboState { beliefs, params, sums, spread, elbo, .. } = standing;
    let factors = beliefs.iter().map(|beliefs| beliefs.mean().normalised()).collect();
    VariationalFit { beliefs, factors, fixed: climber.fixed, params, sums, spread, elbo, trace: climber.trace, status }
}

struct Climber<'a, 'b, 'c> {
    view: &'a ResidualView<'a>,
    fixed: Vec<Factor>,
    way: VariationalOptions<'a>,
    threads: Threads,
    on_progress: &'b mut ProgressCallback<'c>,
    trace: Vec<Trace>,
    stage: usize,
}

impl Climber<'_, '_, '_> {
    fn standing(&self, beliefs: Vec<FactorPosterior>, params: ResidualParams) -> ElboState {
        self.evaluate_with_fixed(&self.fixed, beliefs, params)
    }

    fn evaluate_with_fixed(
        &self,
        fixed: &[Factor],
        beliefs: Vec<FactorPosterior>,
        params: ResidualParams,
    ) -> ElboState {
        Target { view: &self.view.minus(fixed), threads: self.threads }.standing(beliefs, params)
    }

    /// One stage. Its first priors are taken whatever they cost: until then nothing was believed that could be compared.
    fn run(&mut self, start: ElboState, stage: &PriorStage) -> (ElboState, Status) {
        self.stage += 1;
        let Some(mut standing) = catch_cancellation(|| self.update_priors(&start, stage, 1.0)) else {
            return (start, Status::Interrupted);
        };
        let mut share = FIRST_SHARE;
        for round in 0..MAX_ROUNDS {
            // What is given up leaves what stood before it.
            let ended = catch_cancellation(|| self.round(round > 0, &mut standing, stage, &mut share));
            if let Some(status) = ended.unwrap_or(Some(Status::Interrupted)) {
                return (standing, status);
            }
        }
        (standing, Status::Maxiter)
    }

    /// One round: priors, if they are to be renewed, then beliefs, then λ and σ. Why it was the last, if it was.
    fn round(&mut self, renews: bool, standing: &mut ElboState, stage: &PriorStage, share: &mut f64) -> Option<Status> {
        let tolerance = self.way.settings.tolerance * standing.sums.count;
        let before = standing.elbo;
        if renews {
            let trials = [*share, 0.0].into_iter().map(|share| self.update_priors(standing, stage, share));
            if let Some(better) = trials.into_iter().find(|trial| trial.elbo > before) {
                *standing = better;
            }
        }
        for _ in 0..MAX_STEPS {
            let Some(next) = self.step(standing, share) else { break };
            let gain = next.elbo - standing.elbo;
            *standing = next;
            if self.tell(standing) {
                return Some(Status::Interrupted);
            }
            if gain <= tolerance {
                break;
            }
        }
        if let Some(next) = self.update_noise(standing) {
            *standing = next;
        }
        if self.tell(standing) {
            return Some(Status::Interrupted);
        }
        // A rule for λ and σ may lower the bound: while it does, they still move.
        ((standing.elbo - before).abs() <= tolerance && renews).then_some(Status::Converged)
    }

    /// Notes a step; whether the observer ends the climb.
    fn tell(&mut self, standing: &ElboState) -> bool {
        let ElboState { params, elbo, sums, .. } = standing;
        let log_likelihood = sums.log_likelihood(*params);
        self.trace.push(Trace { log_likelihood, elbo: *elbo, params: *params, stage: self.stage });
        (self.on_progress)(Progress::new(self.trace.len()).with_log_likelihood(log_likelihood, sums.count)).is_break()
    }

    /// The beliefs after a share of the way to their best problems, under priors that are estimated there.
    fn update_priors(&self, standing: &ElboState, stage: &PriorStage, share: f64) -> ElboState {
        let renew = |belief: &LoadingPosterior, best: &NormalMeans, family: &dyn Family| {
            let problem = damped(&belief.problem, best, share);
            let prior = problem.observations(self.threads).map(|observations| Rc::from(family.estimate(&observations)));
            self.believed(prior, problem)
        };
        let beliefs = standing.beliefs.iter().zip(&standing.best).map(|(beliefs, (rows, columns))| FactorPosterior {
            rows: renew(&beliefs.rows, rows, stage.rows),
            columns: beliefs
                .columns
                .as_ref()
                .zip(columns.as_ref())
                .map(|(side, best)| renew(side, best, stage.columns)),
        });
        self.standing(beliefs.collect(), standing.params)
    }

    /// The posterior, or a certain zero where there is none.
    fn believed(&self, prior: Option<Rc<dyn Prior>>, problem: NormalMeans) -> LoadingPosterior {
        let nothing = vec![0.0; problem.x.len()];
        let posterior = prior.and_then(|prior| LoadingPosterior::new(prior, problem, self.threads));
        posterior.unwrap_or_else(|| LoadingPosterior::certain(nothing))
    }

    /// The longest step, of those tried, after which the bound is higher.
    fn step(&self, standing: &ElboState, share: &mut f64) -> Option<ElboState> {
        while *share >= MIN_SHARE {
            let go = |belief: &LoadingPosterior, best: &NormalMeans| {
                self.believed(Some(Rc::clone(&belief.prior)), damped(&belief.problem, best, *share))
            };
            let beliefs =
                standing.beliefs.iter().zip(&standing.best).map(|(beliefs, (rows, columns))| FactorPosterior {
                    rows: go(&beliefs.rows, rows),
                    columns: beliefs.columns.as_ref().zip(columns.as_ref()).map(|(side, best)| go(side, best)),
                });
            let next = self.standing(beliefs.collect(), standing.params);
            if next.elbo > standing.elbo {
                *share = (LONGER * *share).min(MAX_SHARE);
                return Some(next);
            }
            *share *= SHORTER;
        }
        *share = FIRST_SHARE;
        None
    }

    /// λ, σ and the weights of the fixed factors, with the beliefs held; `None` where they stay.
    fn update_noise(&mut self, standing: &ElboState) -> Option<ElboState> {
        let means: Vec<Factor> = standing.beliefs.iter().map(FactorPosterior::mean).collect();
        let rest = self.view.minus(&means);
        let (bounds, params) = match self.way.noises {
            NoiseUpdate::ModelFitter(bounds) => (Some(bounds), standing.params),
            NoiseUpdate::Held => (None, standing.params),
            NoiseUpdate::NoiseRule(estimator, bounds) => {
                (None, estimator.estimate(&standing.sums, &bounds).unwrap_or(standing.params))
            }
        };
        if bounds.is_none() && self.fixed.is_empty() {
            return (params != standing.params).then(|| self.standing(standing.beliefs.clone(), params));
        }
        let parts: Vec<FreeFactor> = self.fixed.iter().cloned().map(FreeFactor::weight).collect();
        let settings = Settings { bounds, spread: standing.spread, ..self.way.settings };
        let hill = Objective { view: &rest, parts: &parts, params, settings, threads: self.threads };
        let fit = maximize(hill, &mut no_callback, self.on_progress);
        // The weights and all else stand together, or not at all.
        let next = self.evaluate_with_fixed(&fit.factors, standing.beliefs.clone(), fit.params);
        self.fixed = fit.factors;
        Some(next)
    }
}

/// Between what a belief is the posterior of and the best problem for it.
fn damped(problem: &NormalMeans, best: &NormalMeans, share: f64) -> NormalMeans {
    let x = problem.x.iter().zip(&best.x).map(|(x, best)| x + share * (best - x)).collect();
    NormalMeans { x, s: best.s.clone() }
}
