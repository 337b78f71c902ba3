//! Maximum likelihood of everything that is free, jointly, from given starting values.
//!
//! The log-likelihood is not concave in the loadings, so the optimizer checks every step; in the weights alone it is.

use crate::factor::{Factor, FreeFactor};
use crate::fit::StopRule;
use crate::mle::objective::Objective;
use crate::noise::ResidualParams;
use crate::optim::lbfgs::{self, Evaluation, Termination};
use crate::pass::PassStats;
use crate::remainder_prior::RemainderPrior;
use crate::runtime::cancel::is_stop_requested;
use crate::runtime::progress::{Progress, ProgressCallback};
use crate::trace::{Status, Trace};
use std::ops::ControlFlow;

/// Where an optimization ended.
#[derive(Clone)]
pub struct Optimum {
    /// The factors; a factor that does not improve the likelihood is zero.
    pub factors: Vec<Factor>,
    /// λ and σ.
    pub params: ResidualParams,
    /// Prior of the remainder, which was held.
    pub remainder_prior: RemainderPrior,
    /// Statistics of a pass there, with curvatures.
    pub stats: PassStats,
    /// One row per step.
    pub trace: Vec<Trace>,
    /// Why it ended.
    pub status: Status,
}

impl Optimum {
    /// The factor of an optimization over a single one.
    pub(crate) fn only_factor(&self) -> Factor {
        self.factors[0].clone()
    }

    /// Its factors, of which the same parts may move as at the start.
    pub(crate) fn free_factors(&self, start: &[FreeFactor]) -> Vec<FreeFactor> {
        let pairs = self.factors.iter().zip(start);
        pairs.map(|(factor, start)| FreeFactor { factor: factor.clone(), free: start.free }).collect()
    }

    /// The log-likelihood there.
    pub fn log_likelihood(&self) -> f64 {
        self.stats.log_likelihood(self.params)
    }
}

/// Maximizes an objective from its starting values.
pub fn maximize(objective: Objective, stop: StopRule, progress: &mut ProgressCallback) -> Optimum {
    let params = objective.bounds.map_or(objective.params, |bounds| bounds.clamp(objective.params));
    let objective = Objective { params, ..objective };
    let mut trace = Vec::new();
    let after_step = |iteration: usize, theta: &[f64], evaluation: &Evaluation<PassStats>| {
        let log_likelihood = evaluation.value;
        if iteration > 0 {
            trace.push(Trace { log_likelihood, elbo: f64::NAN, params: objective.params_at(theta), stage: 1 });
        }
        progress(Progress::new(iteration).with_log_likelihood(log_likelihood, evaluation.payload.count));
        if is_stop_requested() {
            return ControlFlow::Break(Status::Interrupted);
        }
        ControlFlow::Continue(())
    };
    let maximum = lbfgs::maximize(
        objective.start(),
        &objective.constraints(),
        &stop,
        |theta: &[f64]| objective.evaluate(theta),
        |theta| objective.magnitudes(theta),
        after_step,
    );
    let (theta, stats, status) = (maximum.x, maximum.evaluation.payload, status_of(maximum.termination));
    let factors = objective.factors_at(&theta).into_iter().map(Factor::normalised).collect();
    let remainder_prior = *objective.view.remainder_prior();
    Optimum { factors, params: objective.params_at(&theta), remainder_prior, stats, trace, status }
}

/// The status of a fit whose optimizer terminated for this reason.
fn status_of(termination: Termination<Status>) -> Status {
    match termination {
        Termination::Converged => Status::Converged,
        Termination::Stalled => Status::Stalled,
        Termination::MaxIterations => Status::Maxiter,
        Termination::Cancelled => Status::Interrupted,
        Termination::Stopped(status) => status,
    }
}
