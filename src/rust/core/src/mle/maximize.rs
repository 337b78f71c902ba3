//! Maximum likelihood of everything that is free, jointly, from given starting values.
//!
//! The log-likelihood is not concave in the loadings, so the optimizer checks every step; in the weights alone it is.

use crate::factor::{Factor, FreeFactor};
use crate::fit::StopRule;
use crate::mle::objective::Objective;
use crate::noise::ResidualParams;
use crate::optim::lbfgs::climb;
use crate::pass::PassStats;
use crate::remainder_prior::RemainderPrior;
use crate::runtime::progress::ProgressCallback;
use crate::trace::{Status, Trace};
use std::ops::ControlFlow;

/// Where an optimization ended.
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

/// Called with the factors after every step, their loadings of any norm. `Break` rejects the optimization.
pub type StepCallback<'a> = dyn FnMut(&[Factor]) -> ControlFlow<()> + 'a;

/// A step callback that never rejects.
pub fn no_callback(_: &[Factor]) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Maximizes an objective from its starting values.
pub fn maximize(
    objective: Objective,
    stop: StopRule,
    on_step: &mut StepCallback,
    progress: &mut ProgressCallback,
) -> Optimum {
    let params = objective.bounds.map_or(objective.params, |bounds| bounds.clamp(objective.params));
    let objective = Objective { params, ..objective };
    let mut trace = Vec::new();
    let (theta, stats, status) = climb(
        objective.start(),
        &objective.constraints(stop),
        |theta| objective.evaluate(theta),
        |theta| objective.magnitudes(theta),
        |theta, log_likelihood| {
            trace.push(Trace { log_likelihood, elbo: f64::NAN, params: objective.params_at(theta), stage: 1 });
            on_step(&objective.factors_at(theta))
        },
        progress,
    );
    let factors = objective.factors_at(&theta).into_iter().map(Factor::normalised).collect();
    let remainder_prior = *objective.view.law();
    Optimum { factors, params: objective.params_at(&theta), remainder_prior, stats, trace, status }
}
