//! All factors together, with one λ and σ.
//!
//! Where the likelihood determines the factors, as with groups that overlap, a climb of all loadings settles within some tens
//! of steps. Where it does not, as with the branches of a tree, of which there are more than their covariance has
//! dimensions, it would go on along a ridge for ever, and away from anything with a meaning: then the factors that were
//! found stand or, where they were groups, the flattest that the climb came by.

use crate::factor::{Factor, FreeFactor};
use crate::fit::{CandidateRefit, Refit};
use crate::fitter::{ModelFitter, NoiseRule};
use crate::flatness::{mean_flatness, MIN_GROUP_FLATNESS};
use crate::mle::maximize::{no_callback, Fit};
use crate::mle::rank_one::{moment_params, residual_sums, FitContext};
use crate::noise::{Bounds, ResidualParams};
use crate::noise_derivatives::NoiseDerivatives;
use crate::pass::PassStats;
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::runtime::progress::{Progress, ProgressCallback, Stage};
use crate::trace::Status;
use std::ops::ControlFlow;

/// The most steps: a climb that has not settled by then is on a ridge.
const MAX_STEPS: usize = 400;

impl ModelFitter<'_> {
    /// The weights of factors whose loadings are given, with λ and σ by the rule; whatever weights these had.
    pub(crate) fn estimate_weights(
        &self,
        view: &ResidualView,
        factors: Vec<Factor>,
        threads: Threads,
        on_progress: &mut ProgressCallback,
    ) -> Vec<Factor> {
        let mut route = FitContext::new(view, self, threads, on_progress);
        let part = |factor: Factor| FreeFactor::weight(Factor { d: 0.0, ..factor });
        let parts: Vec<FreeFactor> = factors.into_iter().map(part).collect();
        self.by_rule(&mut route, &parts).0.factors
    }

    /// λ and σ by the rule, with all factors as they are.
    pub fn estimate_noise(
        &self,
        view: &ResidualView,
        factors: Vec<Factor>,
        threads: Threads,
        on_progress: &mut ProgressCallback,
    ) -> Refit {
        let rest = view.minus(&factors);
        let mut tell =
            |progress: Progress| on_progress(progress.in_stage(Stage::ResidualParams, factors.len().saturating_sub(1)));
        let mut route = FitContext::new(&rest, self, threads, &mut tell);
        let (fit, bounds) = self.by_rule(&mut route, &[]);
        let top = CandidateRefit { log_likelihood: fit.log_likelihood(), factors: factors.clone() };
        route.refit(factors.clone(), &fit, bounds, top)
    }

    /// Refits factors that were found one by one, from where they stand. Of those that are `Free::Weight` the loadings stay.
    ///
    /// `view` is the matrix minus factors that are no part of this, and `noise` where λ and σ start, if that is known.
    pub(crate) fn refit_all(
        &self,
        view: &ResidualView,
        parts: &[FreeFactor],
        params: Option<ResidualParams>,
        threads: Threads,
        on_progress: &mut ProgressCallback,
    ) -> Refit {
        let mut route = FitContext::new(view, self, threads, on_progress);
        route.limit(MAX_STEPS);
        let bounds = self.bounds(&route);
        let found: Vec<Factor> = parts.iter().map(|part| part.factor.clone()).collect();
        let params = params.unwrap_or_else(|| match bounds {
            Some(bounds) => route.moderate_params(&found, &bounds),
            None => self.initial_params(&route, &found),
        });
        let before = mean_flatness(&found);
        let mut flattest = (before, found.clone());
        let mut watch = |factors: &[Factor]| {
            // Of factors that are no groups the shape tells nothing, and those found stand where a climb does not settle.
            if before < MIN_GROUP_FLATNESS {
                return ControlFlow::Continue(());
            }
            let flat = mean_flatness(factors);
            if flat > flattest.0 {
                flattest = (flat, factors.to_vec());
            }
            if flat < before - MAX_LOSS {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let fit = route.optimize(parts, params, bounds, &mut watch);
        let top = CandidateRefit { log_likelihood: fit.log_likelihood(), factors: fit.factors.clone() };
        // As many factors and, where these were groups, about as flat.
        let flat = before < MIN_GROUP_FLATNESS || mean_flatness(&fit.factors) >= before - FLATNESS_SLACK;
        let kept = flat && count(&fit.factors) >= count(&found);
        let status = if fit.status == Status::Converged && !kept { Status::Refused } else { fit.status };
        let accepted = status == Status::Converged;
        let (factors, fit) =
            if accepted { (fit.factors.clone(), fit) } else { route.weighed(flattest.1, params, bounds) };
        Refit { status, accepted, ..route.refit(factors, &fit, bounds, top) }
    }

    /// Climbs with λ and σ by the rule, from where it begins; and the bounds that they are held within.
    fn by_rule(&self, route: &mut FitContext, parts: &[FreeFactor]) -> (Fit, Option<Bounds>) {
        match &self.rule {
            NoiseRule::Fixed(params) => (route.optimize(parts, *params, None, &mut no_callback), None),
            NoiseRule::Likelihood(shares, _) => {
                let bounds = route.bounds(shares);
                let params = route.initial_params(&bounds);
                (route.optimize(parts, params, Some(bounds), &mut no_callback), Some(bounds))
            }
            NoiseRule::Alternate(estimator, shares) => {
                let bounds = route.bounds(shares);
                let params = route.initial_params(&bounds);
                (route.alternate(parts, params, *estimator, &bounds), Some(bounds))
            }
        }
    }

    /// Where λ and σ start with factors of whose λ and σ nothing is known, or what they are.
    pub(crate) fn initial_params(&self, route: &FitContext, factors: &[Factor]) -> ResidualParams {
        match &self.rule {
            NoiseRule::Fixed(params) => *params,
            NoiseRule::Likelihood(shares, _) => route.initial_params(&route.bounds(shares)),
            // They are held from here on.
            NoiseRule::Alternate(estimator, shares) => {
                let bounds = route.bounds(shares);
                estimator.estimate(&route.rest(factors), &bounds).unwrap_or_else(|| route.initial_params(&bounds))
            }
        }
    }

    /// The bounds of λ and σ, where they climb.
    pub(crate) fn bounds(&self, route: &FitContext) -> Option<Bounds> {
        match &self.rule {
            NoiseRule::Likelihood(shares, _) => Some(route.bounds(shares)),
            NoiseRule::Fixed(_) | NoiseRule::Alternate(..) => None,
        }
    }
}

impl FitContext<'_, '_, '_> {
    /// What was found, with the status of the last climb.
    fn refit(self, factors: Vec<Factor>, fit: &Fit, bounds: Option<Bounds>, top: CandidateRefit) -> Refit {
        Refit {
            factors,
            params: fit.params,
            law: fit.law,
            deviations: self.deviations(),
            bounds,
            log_likelihood: fit.log_likelihood(),
            count: fit.sums.count,
            slopes: NoiseDerivatives::new(&fit.sums, fit.params),
            trace: self.trace,
            status: fit.status,
            accepted: true,
            beliefs: Vec::new(),
            elbo: f64::NAN,
            top,
        }
    }

    /// λ and σ under which nothing that the factors leave is far out.
    fn moderate_params(&self, factors: &[Factor], bounds: &Bounds) -> ResidualParams {
        bounds.clamp(moment_params(&self.rest(factors), 1.0))
    }

    /// The sums over what factors leave.
    fn rest(&self, factors: &[Factor]) -> PassStats {
        let rest = self.view.minus(factors);
        residual_sums(&rest, &rest.zero_factor(), self.threads)
    }

    /// Factors with the most likely weights, λ and σ; where that would leave one of them without weight, with their own.
    fn weighed(&mut self, factors: Vec<Factor>, params: ResidualParams, bounds: Option<Bounds>) -> (Vec<Factor>, Fit) {
        let factors: Vec<Factor> = factors.into_iter().map(Factor::normalised).collect();
        let parts: Vec<FreeFactor> = factors.iter().cloned().map(FreeFactor::weight).collect();
        let params = bounds.map_or(params, |bounds| self.moderate_params(&factors, &bounds));
        let fit = self.optimize(&parts, params, bounds, &mut no_callback);
        if count(&fit.factors) == count(&factors) {
            return (fit.factors.clone(), fit);
        }
        let fit = self.estimate_noise(&factors, params, bounds);
        (factors, fit)
    }
}

/// The loss of flatness at which a climb is given up: it does not come back.
const MAX_LOSS: f64 = 0.03;
/// How much flatness a refit may cost.
const FLATNESS_SLACK: f64 = 0.01;

/// The factors that are not null.
pub(crate) fn count(factors: &[Factor]) -> usize {
    factors.iter().filter(|factor| factor.d > 0.0).count()
}
