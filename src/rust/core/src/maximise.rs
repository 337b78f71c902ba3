//! Factors, λ and σ by maximum likelihood: what is free climbs together, from a given start.
//!
//! The problem is not concave in the loadings, so `ascent` checks every step; in the weights alone it is.

use crate::ascent::climb;
use crate::fit::{Status, Trace};
use crate::noise::{Law, Noise};
use crate::observe::Observer;
use crate::part::Part;
use crate::pass::Sums;
use crate::vector::norm;
use crate::view::Factor;
use std::ops::ControlFlow;

pub use crate::hill::{Hill, Settings};

/// Where a climb ended.
pub struct Fit {
    /// The factors; zero where nothing is left for one.
    pub factors: Vec<Factor>,
    /// λ and σ.
    pub noise: Noise,
    /// The law of the remainder, which was held.
    pub law: Law,
    /// The sums of a sweep there, with curvatures.
    pub sums: Sums,
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
    pub(crate) fn parts(&self, begun: &[Part]) -> Vec<Part> {
        let pairs = self.factors.iter().zip(begun);
        pairs.map(|(factor, part)| Part { factor: factor.clone(), free: part.free }).collect()
    }

    /// The log-likelihood there.
    pub fn log_likelihood(&self) -> f64 {
        self.sums.log_likelihood(self.noise)
    }
}

/// Sees the factors after every step, with loadings of any norm. `Break` refuses to go on.
pub type Watch<'a> = dyn FnMut(&[Factor]) -> ControlFlow<()> + 'a;

/// Lets a climb go on.
pub fn unwatched(_: &[Factor]) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Climbs a hill from its start.
pub fn maximise(hill: Hill, watch: &mut Watch, observer: &mut Observer) -> Fit {
    let noise = hill.settings.bounds.map_or(hill.noise, |bounds| bounds.clamp(hill.noise));
    let hill = Hill { noise, ..hill };
    let mut trace = Vec::new();
    let (theta, sums, status) = climb(
        hill.start(),
        &hill.limits(),
        |theta| hill.evaluate(theta),
        |theta| hill.size(theta),
        |theta, log_likelihood| {
            trace.push(Trace { log_likelihood, elbo: f64::NAN, noise: hill.noise_at(theta), stage: 1 });
            watch(&hill.factors_at(theta))
        },
        observer,
    );
    let factors = hill.factors_at(&theta).into_iter().map(Factor::normalised).collect();
    Fit { factors, noise: hill.noise_at(&theta), law: *hill.view.law(), sums, trace, status }
}

impl Factor {
    /// The same product with loadings of unit norm and all weight in `d`; zero loadings stay.
    pub(crate) fn normalised(self) -> Self {
        let Self { mut d, u, v } = self;
        let mut unit = |loadings: Vec<f64>, power: i32| -> Vec<f64> {
            let length = norm(&loadings);
            d *= length.powi(power);
            loadings.iter().map(|loading| if length > 0.0 { loading / length } else { 0.0 }).collect()
        };
        let u = unit(u, if v.is_some() { 1 } else { 2 });
        let v = v.map(|loadings| unit(loadings, 1));
        Self { d, u, v }
    }
}
