//! Factors, λ and σ by maximum likelihood: what is free climbs together, from a given start.
//!
//! The problem is not concave in the loadings, so `ascent` checks every step; in the weights alone it is.

use crate::factor::{Factor, FreeFactor};
use crate::noise::ResidualParams;
use crate::optim::lbfgs::{self, Evaluation, Termination};
use crate::pass::PassStats;
use crate::remainder_prior::RemainderPrior;
use crate::runtime::progress::{Progress, ProgressCallback};
use crate::trace::{Status, Trace};
use crate::vector::{norm, Contiguous};
use std::ops::ControlFlow;

pub use crate::mle::objective::Objective;
pub use crate::mle::objective::Settings;

/// Where a climb ended.
pub struct Fit {
    /// The factors; zero where nothing is left for one.
    pub factors: Vec<Factor>,
    /// λ and σ.
    pub params: ResidualParams,
    /// The law of the remainder, which was held.
    pub law: RemainderPrior,
    /// The sums of a sweep there, with curvatures.
    pub sums: PassStats,
    /// A value a step.
    pub trace: Vec<Trace>,
    /// Why it ended.
    pub status: Status,
}

impl Fit {
    /// The factor of a climb that had but one.
    pub(crate) fn only(&self) -> Factor {
        self.factors[0].clone()
    }

    /// Its factors, of which as much may move as of the parts that it began with.
    pub(crate) fn parts(&self, begun: &[FreeFactor]) -> Vec<FreeFactor> {
        let pairs = self.factors.iter().zip(begun);
        pairs.map(|(factor, part)| FreeFactor { factor: factor.clone(), free: part.free }).collect()
    }

    /// The log-likelihood there.
    pub fn log_likelihood(&self) -> f64 {
        self.sums.log_likelihood(self.params)
    }
}

/// Sees the factors after every step, with loadings of any norm. `Break` refuses to go on.
pub type StepCallback<'a> = dyn FnMut(&[Factor]) -> ControlFlow<()> + 'a;

/// Lets a climb go on.
pub fn no_callback(_: &[Factor]) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Climbs a hill from its start.
pub fn maximize(hill: Objective, watch: &mut StepCallback, on_progress: &mut ProgressCallback) -> Fit {
    let params = hill.settings.bounds.map_or(hill.params, |bounds| bounds.clamp(hill.params));
    let hill = Objective { params, ..hill };
    let mut trace = Vec::new();
    let on_step = |iteration: usize, theta: &[f64], evaluation: &Evaluation<PassStats>| {
        let log_likelihood = evaluation.value;
        if iteration > 0 {
            trace.push(Trace { log_likelihood, elbo: f64::NAN, params: hill.params_at(theta), stage: 1 });
            if watch(&hill.factors_at(theta)).is_break() {
                return ControlFlow::Break(Status::Refused);
            }
        }
        let progress = Progress::new(iteration).with_log_likelihood(log_likelihood, evaluation.payload.count);
        on_progress(progress).map_break(|()| Status::Interrupted)
    };
    let (constraints, stop) = hill.limits();
    let evaluate = |theta: &[f64]| hill.evaluate(theta);
    let maximum = lbfgs::maximize(hill.start(), &constraints, &stop, evaluate, |theta| hill.size(theta), on_step);
    let (theta, sums, status) = (maximum.x, maximum.evaluation.payload, status(maximum.termination));
    let factors = hill.factors_at(&theta).into_iter().map(Factor::normalised).collect();
    Fit { factors, params: hill.params_at(&theta), law: *hill.view.law(), sums, trace, status }
}

/// Returns the status of a fit for the reason that its optimization terminated.
fn status(termination: Termination<Status>) -> Status {
    match termination {
        Termination::Converged => Status::Converged,
        Termination::Stalled => Status::Stalled,
        Termination::MaxIterations => Status::Maxiter,
        Termination::Cancelled => Status::Interrupted,
        Termination::Stopped(status) => status,
    }
}

impl Factor {
    /// The same product with loadings of unit norm and all weight in `d`; zero loadings stay.
    pub(crate) fn normalised(self) -> Self {
        let Self { mut d, mut u, mut v } = self;
        let mut unit = |loadings: &mut [f64], power: i32| {
            let length = norm(loadings);
            d *= length.powi(power);
            loadings.iter_mut().for_each(|loading| *loading = if length > 0.0 { *loading / length } else { 0.0 });
        };
        unit(u.as_slice_mut(), if v.is_some() { 1 } else { 2 });
        if let Some(v) = &mut v {
            unit(v.as_slice_mut(), 1);
        }
        Self { d, u, v }
    }
}
