//! One factor by maximum likelihood.
//!
//! A few EM steps from the truncated leading pair with a small σ, as for an underapproximation, lead to the hill that EM
//! would climb. From there the loadings climb with λ and σ as given, or in turns with a rule for them, or together with
//! them up a ladder of ratios `λσ`.

mod certified;
mod ladder;
mod priors;
mod refit;
mod route;
mod scatter;
mod turns;

use crate::bayes::Stage;
use crate::cancel::{attempt, give_up};
use crate::estimate::{Estimator, LawFamily};
use crate::fit::{FactorFit, Method, Refit, Status};
use crate::maximise::Settings;
use crate::noise::{Noise, Scatter, Shares};
use crate::observe::{Observer, Progress};
use crate::parallel::Threads;
use crate::part::Part;
use crate::start::{largest_start, Start};
use crate::view::{Factor, View};
pub use certified::Underapproximation;
use route::Route;

/// How λ and σ are found.
pub enum Rule<'a> {
    /// They are given.
    Fixed(Noise),
    /// They climb the likelihood together with the loadings, within bounds, up a ladder of least ratios `λσ`.
    Likelihood(Shares, Vec<f64>),
    /// Another rule takes turns with the loadings, within bounds.
    Alternate(&'a dyn Estimator, Shares),
}

/// The settings of a climb.
pub struct Climb<'a> {
    /// How λ and σ are found.
    pub rule: Rule<'a>,
    /// The priors of the loadings, one stage after another; none where they are to be likeliest.
    pub schedule: Vec<Stage<'a>>,
    /// What is known of the law of the remainder; the rest of it climbs in turns with all else.
    pub family: LawFamily,
    /// How the noise differs between entries.
    pub scatter: Scatter,
    /// Stop where the gain an entry and the scaled projected gradient are at most this.
    pub tolerance: f64,
    /// The most iterations of a climb.
    pub iterations: usize,
}

/// The EM steps at the start.
const EM_STEPS: usize = 30;

impl Method for Climb<'_> {
    fn fit(&self, view: &View, start: Option<Start>, threads: Threads, observer: &mut Observer) -> FactorFit {
        let start = start.unwrap_or_else(|| largest_start(view, threads, observer));
        if observer(Progress::new(0)).is_break() {
            give_up();
        }
        let fit = self.likeliest(view, &start, threads, observer);
        let ended = matches!(fit.status, Status::Interrupted | Status::Noise | Status::Null);
        if self.schedule.is_empty() || ended {
            return fit;
        }
        let found = attempt(|| self.with_priors(view, &fit, threads, observer));
        found.unwrap_or(FactorFit { status: Status::Interrupted, ..fit })
    }

    fn weights(&self, view: &View, factors: Vec<Factor>, threads: Threads, observer: &mut Observer) -> Vec<Factor> {
        self.weigh(view, factors, threads, observer)
    }

    fn refit(
        &self,
        view: &View,
        parts: &[Part],
        noise: Option<Noise>,
        threads: Threads,
        observer: &mut Observer,
    ) -> Option<Refit> {
        (!parts.is_empty()).then(|| {
            if self.schedule.is_empty() {
                self.refit_all(view, parts, noise, threads, observer)
            } else {
                self.refit_with_priors(view, parts, noise, threads, observer)
            }
        })
    }
}

impl Climb<'_> {
    /// What climbs have in common whose loadings have no bound but zero.
    fn settings(&self) -> Settings {
        let Self { tolerance, iterations, .. } = *self;
        Settings { bounds: None, largest: f64::INFINITY, spread: 0.0, tolerance, iterations }
    }

    /// A factor without priors.
    fn likeliest(&self, view: &View, start: &Start, threads: Threads, observer: &mut Observer) -> FactorFit {
        let mut route = Route::new(view, self, threads, observer);
        match &self.rule {
            Rule::Fixed(noise) => {
                let factor = route.em_steps(start, *noise, EM_STEPS);
                let fit = route.climb(&factor, *noise, None);
                route.end(fit.only(), &fit, None)
            }
            Rule::Likelihood(shares, ladder) => {
                let bounds = route.bounds(shares);
                route.up_the_ladder(start, ladder, bounds)
            }
            Rule::Alternate(estimator, shares) => {
                let bounds = route.bounds(shares);
                let noise = route.first_noise(&bounds);
                let factor = route.em_steps(start, noise, EM_STEPS);
                let fit = route.take_turns(&[Part::loadings(factor)], noise, *estimator, &bounds);
                route.end(fit.only(), &fit, Some(bounds))
            }
        }
    }
}
