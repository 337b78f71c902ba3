//! Priors on the loadings: from where the likelihood leads, the bound of the evidence is climbed.
//!
//! Every end of the ladder is a start, and the one with the highest bound is kept: under one prior, and one least ratio
//! `λσ`, the bound says what the shape had to say without. The ratio is held at or above 1 while loadings move. Were it
//! free, `b` could take all that a flat factor leaves above itself, and factors would keep below the data at the cost of
//! any structure; λ and σ are estimated freely in the end.

use super::refit::count;
use super::route::Route;
use super::{Climb, Rule};
use crate::bayes::{believe, bound, Beliefs, Believed, Known, Noises, Way};
use crate::cancel::attempt;
use crate::estimate::likelihood::Slopes;
use crate::fit::{FactorFit, Refit, Status, Top, Trace};
use crate::maximise::{maximise, unwatched, Fit, Hill, Settings};
use crate::noise::{Bounds, Noise};
use crate::observe::Observer;
use crate::parallel::Threads;
use crate::part::{Free, Part};
use crate::pass::Sums;
use crate::view::{Factor, View};

/// The least `λσ` while loadings move.
const RUNG: f64 = 1.0;

impl Climb<'_> {
    /// A factor under the schedule of priors, from the likeliest ones. It is null where the bound says that the matrix is
    /// better off without it.
    pub(super) fn with_priors(
        &self,
        view: &View,
        fit: &FactorFit,
        threads: Threads,
        observer: &mut Observer,
    ) -> FactorFit {
        // The law of the remainder, and how the noise differs, stay what they were without priors.
        let scales = self.scatter.with(view, fit.deviations.as_deref());
        let view = &view.under(fit.law).scattered(scales.as_deref());
        let mut level = Level { climb: self, view, bounds: fit.bounds, threads, observer };
        let starts = if fit.ends.is_empty() { std::slice::from_ref(&fit.factor) } else { &fit.ends };
        let Some(found) = level.best(starts, fit.noise) else { return fit.clone() };
        let mut trace = fit.trace.clone();
        trace.extend(after(trace.last(), &found.trace));
        if let Some(Fit { noise, sums, .. }) = level.nothing_instead(&found) {
            let (log_likelihood, slopes) = (sums.log_likelihood(noise), Some(Slopes::new(&sums, noise)));
            let (factor, status) = (Factor::zero(view), Status::Null);
            return FactorFit { factor, noise, log_likelihood, slopes, trace, status, ..fit.clone() };
        }
        let (noise, sums, status) = level.settled(&found.factors, &found);
        let converged = fit.status == Status::Converged || status == Status::Interrupted;
        let Believed { mut beliefs, mut factors, spread, .. } = found;
        FactorFit {
            factor: factors.swap_remove(0),
            log_likelihood: sums.log_likelihood(noise),
            slopes: Some(Slopes::new(&sums, noise)),
            beliefs: Some(beliefs.swap_remove(0)),
            noise,
            spread,
            trace,
            status: if converged { status } else { fit.status },
            ..fit.clone()
        }
    }

    /// All factors under the last priors of the schedule, from where they stand.
    pub(super) fn refit_with_priors(
        &self,
        view: &View,
        parts: &[Part],
        noise: Option<Noise>,
        threads: Threads,
        observer: &mut Observer,
    ) -> Refit {
        let of = |free: Free| parts.iter().filter(move |part| part.free == free).map(|part| part.factor.clone());
        let (fixed, factors): (Vec<Factor>, Vec<Factor>) = (of(Free::Weight).collect(), of(Free::Loadings).collect());
        let mut route = Route::new(view, self, threads, observer);
        let bounds = self.bounds(&route);
        let known: Vec<Factor> = parts.iter().map(|part| part.factor.clone()).collect();
        let noise = noise.unwrap_or_else(|| self.first_noise(&route, &known));
        let law = route.climb_noise(&known, noise, bounds).law;
        let deviations = route.deviations();
        let scales = self.scatter.with(view, deviations.as_deref());
        let view = &view.under(law).scattered(scales.as_deref());
        let mut level = Level { climb: self, view, bounds, threads, observer };
        let last = self.schedule.len() - 1;
        let found = level.climb_bound(&factors, &fixed, noise, last);
        let all: Vec<Factor> = found.fixed.iter().chain(&found.factors).cloned().collect();
        let (noise, sums, status) = level.settled(&all, &found);
        let Believed { beliefs, spread, trace, .. } = found;
        let log_likelihood = sums.log_likelihood(noise);
        let top = Top { factors: all.clone(), log_likelihood };
        let lost = count(&all) < count(&fixed) + count(&factors);
        if lost && status != Status::Interrupted {
            let found = fixed.into_iter().chain(factors).collect();
            let settled = self.settle(view, found, threads, observer);
            return Refit { status: Status::Refused, settled: false, top, ..settled };
        }
        let divergence: f64 = beliefs.iter().map(Beliefs::divergence).sum();
        Refit {
            factors: all,
            noise,
            law,
            deviations,
            bounds,
            log_likelihood,
            count: sums.count,
            slopes: Slopes::new(&sums, noise),
            trace,
            status,
            settled: status == Status::Converged,
            beliefs,
            elbo: bound(log_likelihood, spread, noise, divergence),
            top,
        }
    }
}

/// A view on which the bound is climbed.
struct Level<'a, 'b, 'c> {
    climb: &'a Climb<'a>,
    view: &'a View<'a>,
    bounds: Option<Bounds>,
    threads: Threads,
    observer: &'b mut Observer<'c>,
}

impl Level<'_, '_, '_> {
    /// What is believed from the best of some starts.
    fn best(&mut self, starts: &[Factor], noise: Noise) -> Option<Believed> {
        let mut best: Option<Believed> = None;
        for start in starts {
            let found = self.climb_bound(std::slice::from_ref(start), &[], noise, 0);
            let interrupted = found.status == Status::Interrupted;
            if best.as_ref().is_none_or(|best| found.elbo > best.elbo) {
                best = Some(found);
            }
            if interrupted {
                break;
            }
        }
        best
    }

    /// Through the schedule from its stage `first` on.
    fn climb_bound(&mut self, factors: &[Factor], fixed: &[Factor], noise: Noise, first: usize) -> Believed {
        let rungs = self.rungs();
        let noise = rungs.map_or(noise, |rungs| rungs.clamp(noise));
        let noises = match (&self.climb.rule, rungs) {
            (Rule::Likelihood(..), Some(bounds)) => Noises::Climb(bounds),
            (Rule::Alternate(estimator, _), Some(bounds)) => Noises::Rule(*estimator, bounds),
            _ => Noises::Held,
        };
        let way = Way { schedule: &self.climb.schedule[first..], noises, settings: self.climb.settings() };
        believe(self.view, Known { factors, fixed, noise }, way, self.threads, self.observer)
    }

    /// λ and σ with the factors held, and what they leave.
    fn noise(&mut self, factors: &[Factor], noise: Noise, spread: f64, bounds: Option<Bounds>) -> Fit {
        let bounds = bounds.filter(|_| matches!(self.climb.rule, Rule::Likelihood(..)));
        let settings = Settings { bounds, spread, ..self.climb.settings() };
        let rest = self.view.minus(factors);
        let hill = Hill { view: &rest, parts: &[], noise, settings, threads: self.threads };
        maximise(hill, &mut unwatched, self.observer)
    }

    /// What there is without the factor found, where the bound says that the matrix is better off without it. Who has
    /// interrupted is not kept waiting for that.
    fn nothing_instead(&mut self, found: &Believed) -> Option<Fit> {
        if found.status == Status::Interrupted {
            return None;
        }
        let nothing = self.noise(&[], found.noise, 0.0, self.rungs());
        let null = found.factors[0].d == 0.0 || found.elbo <= nothing.log_likelihood();
        null.then(|| self.noise(&[], nothing.noise, 0.0, self.bounds))
    }

    /// λ and σ, estimated freely, with the sums and the status of what was found; as they were found where it was
    /// interrupted.
    fn settled(&mut self, factors: &[Factor], found: &Believed) -> (Noise, Sums, Status) {
        let Believed { noise, sums, spread, status, .. } = *found;
        let whole = status != Status::Interrupted;
        let free = whole.then(|| attempt(|| self.noise(factors, noise, spread, self.bounds))).flatten();
        free.map_or((noise, sums, Status::Interrupted), |fit| (fit.noise, fit.sums, status))
    }

    /// The bounds while loadings move: those of a climb have a least ratio.
    fn rungs(&self) -> Option<Bounds> {
        let climbs = matches!(self.climb.rule, Rule::Likelihood(..));
        self.bounds.map(|bounds| if climbs { bounds.at_least(RUNG) } else { bounds })
    }
}

/// A trace whose stages follow another.
fn after<'a>(last: Option<&Trace>, trace: &'a [Trace]) -> impl Iterator<Item = Trace> + 'a {
    let known = last.map_or(0, |last| last.stage);
    trace.iter().map(move |row| Trace { stage: known + row.stage, ..*row })
}
