//! All factors together, with one λ and σ.
//!
//! Where the likelihood determines the factors, as with groups that overlap, a climb of all loadings settles within some tens
//! of steps. Where it does not, as with the branches of a tree, of which there are more than their covariance has
//! dimensions, it would go on along a ridge for ever, and away from anything with a meaning: then the factors that were
//! found stand or, where they were groups, the flattest that the climb came by.

use super::route::{moment_noise, residual_sums, Route};
use super::{Climb, Rule};
use crate::estimate::likelihood::Slopes;
use crate::fit::{Refit, Status, Top};
use crate::flatness::{mean_flatness, GROUPS};
use crate::maximise::{unwatched, Fit};
use crate::noise::{Bounds, Noise};
use crate::observe::{Observer, Progress, Stage};
use crate::parallel::Threads;
use crate::part::Part;
use crate::pass::Sums;
use crate::view::{Factor, View};
use std::ops::ControlFlow;

/// The most steps: a climb that has not settled by then is on a ridge.
const MOST_STEPS: usize = 400;

impl Climb<'_> {
    /// The weights of factors whose loadings are given, with λ and σ by the rule; whatever weights these had.
    pub(super) fn weigh(
        &self,
        view: &View,
        factors: Vec<Factor>,
        threads: Threads,
        observer: &mut Observer,
    ) -> Vec<Factor> {
        let mut route = Route::new(view, self, threads, observer);
        let part = |factor: Factor| Part::weight(Factor { d: 0.0, ..factor });
        let parts: Vec<Part> = factors.into_iter().map(part).collect();
        self.by_rule(&mut route, &parts).0.factors
    }

    /// λ and σ by the rule, with all factors as they are.
    pub fn settle(&self, view: &View, factors: Vec<Factor>, threads: Threads, observer: &mut Observer) -> Refit {
        let rest = view.minus(&factors);
        let mut tell = |progress: Progress| observer(progress.of(Stage::Noise, factors.len().saturating_sub(1)));
        let mut route = Route::new(&rest, self, threads, &mut tell);
        let (fit, bounds) = self.by_rule(&mut route, &[]);
        let top = Top { log_likelihood: fit.log_likelihood(), factors: factors.clone() };
        route.refit(factors.clone(), &fit, bounds, top)
    }

    /// Refits factors that were found one by one, from where they stand. Of those that are `Free::Weight` the loadings stay.
    ///
    /// `view` is the matrix minus factors that are no part of this, and `noise` where λ and σ start, if that is known.
    pub(super) fn refit_all(
        &self,
        view: &View,
        parts: &[Part],
        noise: Option<Noise>,
        threads: Threads,
        observer: &mut Observer,
    ) -> Refit {
        let mut route = Route::new(view, self, threads, observer);
        route.limit(MOST_STEPS);
        let bounds = self.bounds(&route);
        let found: Vec<Factor> = parts.iter().map(|part| part.factor.clone()).collect();
        let noise = noise.unwrap_or_else(|| match bounds {
            Some(bounds) => route.moderate_noise(&found, &bounds),
            None => self.first_noise(&route, &found),
        });
        let before = mean_flatness(&found);
        let mut flattest = (before, found.clone());
        let mut watch = |factors: &[Factor]| {
            // Of factors that are no groups the shape tells nothing, and those found stand where a climb does not settle.
            if before < GROUPS {
                return ControlFlow::Continue(());
            }
            let flat = mean_flatness(factors);
            if flat > flattest.0 {
                flattest = (flat, factors.to_vec());
            }
            if flat < before - MOST_LOSS {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let fit = route.climb_all(parts, noise, bounds, &mut watch);
        let top = Top { log_likelihood: fit.log_likelihood(), factors: fit.factors.clone() };
        // As many factors and, where these were groups, about as flat.
        let flat = before < GROUPS || mean_flatness(&fit.factors) >= before - FLATNESS_SLACK;
        let kept = flat && count(&fit.factors) >= count(&found);
        let status = if fit.status == Status::Converged && !kept { Status::Refused } else { fit.status };
        let settled = status == Status::Converged;
        let (factors, fit) =
            if settled { (fit.factors.clone(), fit) } else { route.weighed(flattest.1, noise, bounds) };
        Refit { status, settled, ..route.refit(factors, &fit, bounds, top) }
    }

    /// Climbs with λ and σ by the rule, from where it begins; and the bounds that they are held within.
    fn by_rule(&self, route: &mut Route, parts: &[Part]) -> (Fit, Option<Bounds>) {
        match &self.rule {
            Rule::Fixed(noise) => (route.climb_all(parts, *noise, None, &mut unwatched), None),
            Rule::Likelihood(shares, _) => {
                let bounds = route.bounds(shares);
                let noise = route.first_noise(&bounds);
                (route.climb_all(parts, noise, Some(bounds), &mut unwatched), Some(bounds))
            }
            Rule::Alternate(estimator, shares) => {
                let bounds = route.bounds(shares);
                let noise = route.first_noise(&bounds);
                (route.take_turns(parts, noise, *estimator, &bounds), Some(bounds))
            }
        }
    }

    /// Where λ and σ start with factors of whose λ and σ nothing is known, or what they are.
    pub(super) fn first_noise(&self, route: &Route, factors: &[Factor]) -> Noise {
        match &self.rule {
            Rule::Fixed(noise) => *noise,
            Rule::Likelihood(shares, _) => route.first_noise(&route.bounds(shares)),
            // They are held from here on.
            Rule::Alternate(estimator, shares) => {
                let bounds = route.bounds(shares);
                estimator.estimate(&route.rest(factors), &bounds).unwrap_or_else(|| route.first_noise(&bounds))
            }
        }
    }

    /// The bounds of λ and σ, where they climb.
    pub(super) fn bounds(&self, route: &Route) -> Option<Bounds> {
        match &self.rule {
            Rule::Likelihood(shares, _) => Some(route.bounds(shares)),
            Rule::Fixed(_) | Rule::Alternate(..) => None,
        }
    }
}

impl Route<'_, '_, '_> {
    /// What was found, with the status of the last climb.
    fn refit(self, factors: Vec<Factor>, fit: &Fit, bounds: Option<Bounds>, top: Top) -> Refit {
        Refit {
            factors,
            noise: fit.noise,
            law: fit.law,
            deviations: self.deviations(),
            bounds,
            log_likelihood: fit.log_likelihood(),
            count: fit.sums.count,
            slopes: Slopes::new(&fit.sums, fit.noise),
            trace: self.trace,
            status: fit.status,
            settled: true,
            beliefs: Vec::new(),
            elbo: f64::NAN,
            top,
        }
    }

    /// λ and σ under which nothing that the factors leave is far out.
    fn moderate_noise(&self, factors: &[Factor], bounds: &Bounds) -> Noise {
        bounds.clamp(moment_noise(&self.rest(factors), 1.0))
    }

    /// The sums over what factors leave.
    fn rest(&self, factors: &[Factor]) -> Sums {
        let rest = self.view.minus(factors);
        residual_sums(&rest, &Factor::zero(&rest), self.threads)
    }

    /// Factors with the most likely weights, λ and σ; where that would leave one of them without weight, with their own.
    fn weighed(&mut self, factors: Vec<Factor>, noise: Noise, bounds: Option<Bounds>) -> (Vec<Factor>, Fit) {
        let factors: Vec<Factor> = factors.into_iter().map(Factor::normalised).collect();
        let parts: Vec<Part> = factors.iter().cloned().map(Part::weight).collect();
        let noise = bounds.map_or(noise, |bounds| self.moderate_noise(&factors, &bounds));
        let fit = self.climb_all(&parts, noise, bounds, &mut unwatched);
        if count(&fit.factors) == count(&factors) {
            return (fit.factors.clone(), fit);
        }
        let fit = self.climb_noise(&factors, noise, bounds);
        (factors, fit)
    }
}

/// The loss of flatness at which a climb is given up: it does not come back.
const MOST_LOSS: f64 = 0.03;
/// How much flatness a refit may cost.
const FLATNESS_SLACK: f64 = 0.01;

/// The factors that are not null.
pub(super) fn count(factors: &[Factor]) -> usize {
    factors.iter().filter(|factor| factor.d > 0.0).count()
}
