//! Factors, λ and σ by maximum likelihood: what is free climbs together, from a given start.
//!
//! The problem is not concave in the loadings, so `ascent` checks every step; in the weights alone it is.

use crate::factor::{Factor, FreeFactor};
use crate::noise::ResidualParams;
use crate::optim::lbfgs::climb;
use crate::pass::PassStats;
use crate::remainder_prior::RemainderPrior;
use crate::runtime::progress::ProgressCallback;
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
    let (theta, sums, status) = climb(
        hill.start(),
        &hill.limits(),
        |theta| hill.evaluate(theta),
        |theta| hill.size(theta),
        |theta, log_likelihood| {
            trace.push(Trace { log_likelihood, elbo: f64::NAN, params: hill.params_at(theta), stage: 1 });
            watch(&hill.factors_at(theta))
        },
        on_progress,
    );
    let factors = hill.factors_at(&theta).into_iter().map(Factor::normalised).collect();
    Fit { factors, params: hill.params_at(&theta), law: *hill.view.remainder_prior(), sums, trace, status }
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
