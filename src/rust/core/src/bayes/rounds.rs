//! The climb of the bound: in each round the hyperparameters, then the beliefs, then λ and σ.

use super::belief::{Belief, Beliefs, Means};
use super::bound::{Standing, Target};
use super::way::{Believed, Known, Noises, Stage, Way};
use crate::cancel::attempt;
use crate::fit::{Status, Trace};
use crate::maximise::{maximise, unwatched, Hill, Settings};
use crate::noise::Noise;
use crate::observe::{Observer, Progress};
use crate::parallel::Threads;
use crate::part::Part;
use crate::prior::{Family, Prior};
use crate::view::{Factor, View};
use std::rc::Rc;

/// The most rounds of a stage.
const MOST_ROUNDS: usize = 30;
/// The most steps of the beliefs in a round.
const MOST_STEPS: usize = 30;
/// The first share of the way to their best problems that beliefs take: W is a product of two of them, and both move.
const FIRST_SHARE: f64 = 0.5;
/// How far they may overshoot: where `b` takes part of every residual, the way is longer than it looks.
const LARGEST_SHARE: f64 = 4.0;
/// The share below which no step is worth a sweep.
const LEAST_SHARE: f64 = 1e-3;
/// What a step that was taken makes of the share, and one that was not.
const LONGER: f64 = 1.5;
const SHORTER: f64 = 0.5;

/// Climbs the bound from what is known of `view`, through the stages of a schedule in turn.
pub fn believe(view: &View, known: Known, way: Way, threads: Threads, observer: &mut Observer) -> Believed {
    let start = known.factors.iter().map(Beliefs::certain).collect();
    let fixed = known.fixed.to_vec();
    let mut climber = Climber { view, fixed, way, threads, observer, trace: Vec::new(), stage: 0 };
    let mut standing = climber.standing(start, known.noise);
    let mut status = Status::Converged;
    for stage in way.schedule {
        (standing, status) = climber.run(standing, stage);
        if status == Status::Interrupted {
            break;
        }
    }
    let Standing { beliefs, noise, sums, spread, elbo, .. } = standing;
    let factors = beliefs.iter().map(|beliefs| beliefs.mean().normalised()).collect();
    Believed { beliefs, factors, fixed: climber.fixed, noise, sums, spread, elbo, trace: climber.trace, status }
}

struct Climber<'a, 'b, 'c> {
    view: &'a View<'a>,
    fixed: Vec<Factor>,
    way: Way<'a>,
    threads: Threads,
    observer: &'b mut Observer<'c>,
    trace: Vec<Trace>,
    stage: usize,
}

impl Climber<'_, '_, '_> {
    fn standing(&self, beliefs: Vec<Beliefs>, noise: Noise) -> Standing {
        self.standing_beside(&self.fixed, beliefs, noise)
    }

    fn standing_beside(&self, fixed: &[Factor], beliefs: Vec<Beliefs>, noise: Noise) -> Standing {
        Target { view: &self.view.minus(fixed), threads: self.threads }.standing(beliefs, noise)
    }

    /// One stage. Its first priors are taken whatever they cost: until then nothing was believed that could be compared.
    fn run(&mut self, start: Standing, stage: &Stage) -> (Standing, Status) {
        self.stage += 1;
        let Some(mut standing) = attempt(|| self.renewed(&start, stage, 1.0)) else {
            return (start, Status::Interrupted);
        };
        let mut share = FIRST_SHARE;
        for round in 0..MOST_ROUNDS {
            // What is given up leaves what stood before it.
            let ended = attempt(|| self.round(round > 0, &mut standing, stage, &mut share));
            if let Some(status) = ended.unwrap_or(Some(Status::Interrupted)) {
                return (standing, status);
            }
        }
        (standing, Status::Maxiter)
    }

    /// One round: priors, if they are to be renewed, then beliefs, then λ and σ. Why it was the last, if it was.
    fn round(&mut self, renews: bool, standing: &mut Standing, stage: &Stage, share: &mut f64) -> Option<Status> {
        let tolerance = self.way.settings.tolerance * standing.sums.count;
        let before = standing.elbo;
        if renews {
            let trials = [*share, 0.0].into_iter().map(|share| self.renewed(standing, stage, share));
            if let Some(better) = trials.into_iter().find(|trial| trial.elbo > before) {
                *standing = better;
            }
        }
        for _ in 0..MOST_STEPS {
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
        if let Some(next) = self.noise_step(standing) {
            *standing = next;
        }
        if self.tell(standing) {
            return Some(Status::Interrupted);
        }
        // A rule for λ and σ may lower the bound: while it does, they still move.
        ((standing.elbo - before).abs() <= tolerance && renews).then_some(Status::Converged)
    }

    /// Notes a step; whether the observer ends the climb.
    fn tell(&mut self, standing: &Standing) -> bool {
        let Standing { noise, elbo, sums, .. } = standing;
        let log_likelihood = sums.log_likelihood(*noise);
        self.trace.push(Trace { log_likelihood, elbo: *elbo, noise: *noise, stage: self.stage });
        (self.observer)(Progress::new(self.trace.len()).at(log_likelihood, sums.count)).is_break()
    }

    /// The beliefs after a share of the way to their best problems, under priors that are estimated there.
    fn renewed(&self, standing: &Standing, stage: &Stage, share: f64) -> Standing {
        let renew = |belief: &Belief, best: &Means, family: &dyn Family| {
            let problem = part_of_the_way(&belief.problem, best, share);
            let prior = problem.observations(self.threads).map(|observations| Rc::from(family.estimate(&observations)));
            self.believed(prior, problem)
        };
        let beliefs = standing.beliefs.iter().zip(&standing.best).map(|(beliefs, (rows, columns))| Beliefs {
            rows: renew(&beliefs.rows, rows, stage.rows),
            columns: beliefs
                .columns
                .as_ref()
                .zip(columns.as_ref())
                .map(|(side, best)| renew(side, best, stage.columns)),
        });
        self.standing(beliefs.collect(), standing.noise)
    }

    /// The posterior, or a certain zero where there is none.
    fn believed(&self, prior: Option<Rc<dyn Prior>>, problem: Means) -> Belief {
        let nothing = vec![0.0; problem.x.len()];
        let posterior = prior.and_then(|prior| Belief::new(prior, problem, self.threads));
        posterior.unwrap_or_else(|| Belief::certain(nothing))
    }

    /// The longest step, of those tried, after which the bound is higher.
    fn step(&self, standing: &Standing, share: &mut f64) -> Option<Standing> {
        while *share >= LEAST_SHARE {
            let go = |belief: &Belief, best: &Means| {
                self.believed(Some(Rc::clone(&belief.prior)), part_of_the_way(&belief.problem, best, *share))
            };
            let beliefs = standing.beliefs.iter().zip(&standing.best).map(|(beliefs, (rows, columns))| Beliefs {
                rows: go(&beliefs.rows, rows),
                columns: beliefs.columns.as_ref().zip(columns.as_ref()).map(|(side, best)| go(side, best)),
            });
            let next = self.standing(beliefs.collect(), standing.noise);
            if next.elbo > standing.elbo {
                *share = (LONGER * *share).min(LARGEST_SHARE);
                return Some(next);
            }
            *share *= SHORTER;
        }
        *share = FIRST_SHARE;
        None
    }

    /// λ, σ and the weights of the fixed factors, with the beliefs held; `None` where they stay.
    fn noise_step(&mut self, standing: &Standing) -> Option<Standing> {
        let means: Vec<Factor> = standing.beliefs.iter().map(Beliefs::mean).collect();
        let rest = self.view.minus(&means);
        let (bounds, noise) = match self.way.noises {
            Noises::Climb(bounds) => (Some(bounds), standing.noise),
            Noises::Held => (None, standing.noise),
            Noises::Rule(estimator, bounds) => {
                (None, estimator.estimate(&standing.sums, &bounds).unwrap_or(standing.noise))
            }
        };
        if bounds.is_none() && self.fixed.is_empty() {
            return (noise != standing.noise).then(|| self.standing(standing.beliefs.clone(), noise));
        }
        let parts: Vec<Part> = self.fixed.iter().cloned().map(Part::weight).collect();
        let settings = Settings { bounds, spread: standing.spread, ..self.way.settings };
        let hill = Hill { view: &rest, parts: &parts, noise, settings, threads: self.threads };
        let fit = maximise(hill, &mut unwatched, self.observer);
        // The weights and all else stand together, or not at all.
        let next = self.standing_beside(&fit.factors, standing.beliefs.clone(), fit.noise);
        self.fixed = fit.factors;
        Some(next)
    }
}

/// Between what a belief is the posterior of and the best problem for it.
fn part_of_the_way(problem: &Means, best: &Means, share: f64) -> Means {
    let x = problem.x.iter().zip(&best.x).map(|(x, best)| x + share * (best - x)).collect();
    Means { x, s: best.s.clone() }
}
