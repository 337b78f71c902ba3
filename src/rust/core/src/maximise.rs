//! Factors, λ and σ by maximum likelihood: what is free climbs together, from a given start.
//!
//! The problem is not concave in the loadings, so [`crate::ascent`] checks every step; in the weights alone it is.

use crate::ascent::climb;
use crate::fit::{Status, Trace};
use crate::hill::Hill;
use crate::noise::{Law, Noise};
use crate::observe::Observer;
use crate::parallel::Threads;
use crate::part::Part;
use crate::pass::Sums;
use crate::vector::norm;
use crate::view::{Factor, View};
use std::ops::ControlFlow;

pub use crate::hill::Settings;

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
    /// The sweeps that were needed.
    pub sweeps: usize,
    /// Why it ended.
    pub status: Status,
}

impl Fit {
    /// The factor of a climb that had but one.
    pub(crate) fn only(&self) -> Factor {
        self.factors[0].clone()
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

/// Climbs from factors, λ and σ; `view` is the matrix minus the factors that are held.
pub fn maximise(
    view: &View,
    parts: &[Part],
    noise: Noise,
    settings: &Settings,
    threads: Threads,
    watch: &mut Watch,
    observer: &mut Observer,
) -> Fit {
    let noise = settings.bounds.map_or(noise, |bounds| bounds.clamp(noise));
    let hill = Hill { view, parts, noise, settings, threads };
    let (mut sweeps, mut trace) = (0, Vec::new());
    let (theta, sums, status) = climb(
        hill.start(),
        &hill.limits(),
        |theta| {
            sweeps += 1;
            hill.evaluate(theta)
        },
        |theta| hill.size(theta),
        |theta, log_likelihood| {
            trace.push(Trace { log_likelihood, elbo: f64::NAN, noise: hill.noise_at(theta), stage: 1 });
            watch(&hill.factors_at(theta))
        },
        observer,
    );
    let factors = hill.factors_at(&theta).into_iter().map(Factor::normalised).collect();
    Fit { factors, noise: hill.noise_at(&theta), law: *view.law(), sums, trace, sweeps, status }
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
