//! Climbs in turns with the law of the remainder, and with how the noise differs between rows: all else climbs with these
//! held, and then they with all else held.
//!
//! The weights take steps of EM, extrapolated where that is legal and gains more (SQUAREM; R. Varadhan and C. Roland 2008,
//! Simple and globally convergent methods for accelerating the convergence of any EM algorithm, *Scandinavian Journal of
//! Statistics* 35, 335-353). Both constraints on them are linear, so an extrapolation keeps them. No step is taken that
//! lowers the log-likelihood, so it rises from turn to turn.

use crate::mle::maximize::{maximize, Fit, Objective, Settings, StepCallback};
use crate::mle::noise_scales::Scattered;
use crate::mle::rank_one::FitContext;
use crate::noise::NoiseScales;
use crate::noise::ResidualParams;
use crate::pass::{sweep, Model, PassLevel, PassStats};
use crate::residual::ResidualView;
use crate::runtime::cancel::catch_cancellation;
use crate::trace::Status;
use std::borrow::Cow;

/// The most turns.
const MAX_TURNS: usize = 50;
/// The most cycles of three steps in a turn.
const CYCLES: usize = 10;
/// The part of the first weights that a climb starts with: what has no weight would never have any.
const FRESH: f64 = 0.1;
/// The halvings of an extrapolation.
const HALVINGS: usize = 6;

/// What is known of the law of the remainder, and of how the noise differs.
#[derive(Clone)]
struct Remainder<'a> {
    weights: Vec<f64>,
    scales: Option<Cow<'a, NoiseScales>>,
}

impl<'a> FitContext<'a, '_, '_> {
    /// Climbs, the law of the remainder included.
    pub(crate) fn maximize_alternating(&mut self, hill: Objective, watch: &mut StepCallback) -> Fit {
        let first = self.family.first();
        let weights = self.weights.iter().zip(&first).map(|(old, first)| (1.0 - FRESH) * old + FRESH * first);
        let mut here = Remainder { weights: weights.collect(), scales: self.scales.clone() };
        let mut fit = self.maximize_given(&here, hill, watch);
        if here.weights.is_empty() && !self.scatter.is_free() {
            return fit;
        }
        for turn in 0.. {
            if matches!(fit.status, Status::Interrupted | Status::Refused) {
                break;
            }
            // Without factors that climb, the view is without all of them already.
            let rest = if hill.parts.is_empty() { *hill.view } else { hill.view.minus(&fit.factors) };
            let Some(better) = catch_cancellation(|| self.better(&rest, &fit, &here, &hill.settings)) else {
                fit.status = Status::Interrupted;
                break;
            };
            let Some((better, params)) = better else { break };
            if turn == MAX_TURNS {
                fit.status = Status::Maxiter;
                break;
            }
            let next = Objective { parts: &fit.parts(hill.parts), params, ..hill };
            let Some(next) = catch_cancellation(|| self.maximize_given(&better, next, watch)) else {
                fit.status = Status::Interrupted;
                break;
            };
            here = better;
            fit.trace.extend(next.trace.iter().copied());
            fit = Fit { trace: fit.trace, ..next };
        }
        self.weights = here.weights;
        self.scales = here.scales;
        fit
    }

    /// Climbs with the remainder as it is.
    fn maximize_given(&mut self, remainder: &Remainder, hill: Objective, watch: &mut StepCallback) -> Fit {
        let view = hill.view.with_remainder_prior(self.family.law(&remainder.weights));
        let view = view.with_noise_scales(remainder.scales.as_deref());
        maximize(Objective { view: &view, ..hill }, watch, self.on_progress)
    }

    /// A better remainder, and its λ and σ, with all else held; `None` where it gains too little to go on.
    fn better(
        &self,
        rest: &ResidualView,
        fit: &Fit,
        here: &Remainder<'a>,
        settings: &Settings,
    ) -> Option<(Remainder<'a>, ResidualParams)> {
        let least = settings.tolerance * fit.sums.count;
        let Remainder { weights, scales } = here.clone();
        let (weights, gain) = self.update_weights(&rest.with_noise_scales(scales.as_deref()), fit, weights, least);
        if !self.scatter.is_free() {
            return (gain > least).then_some((Remainder { weights, scales }, fit.params));
        }
        let before = fit.log_likelihood() + gain;
        let start = Scattered { scales, params: fit.params, log_likelihood: before };
        let end = self.update_noise_scales(
            &rest.with_remainder_prior(self.family.law(&weights)),
            start,
            settings.bounds,
            least,
        );
        let total = gain + (end.log_likelihood - before);
        (total > least).then_some((Remainder { weights, scales: end.scales }, end.params))
    }

    /// Better weights with all else held, and what they gain.
    fn update_weights(&self, rest: &ResidualView, fit: &Fit, mut weights: Vec<f64>, least: f64) -> (Vec<f64>, f64) {
        if weights.is_empty() {
            return (weights, 0.0);
        }
        let (family, params) = (self.family, fit.params);
        let nothing = rest.zero_factor();
        let ask = |weights: &[f64]| {
            let model = Model { factor: &nothing, params };
            let question = model.spec(PassLevel::Likelihood);
            sweep(&rest.with_remainder_prior(family.law(weights)), model, &question, self.threads).sums
        };
        let value = |sums: &PassStats| sums.log_likelihood(params);
        let mut sums = fit.sums;
        let start = value(&sums);
        for _ in 0..CYCLES {
            let before = value(&sums);
            let once = family.update(&weights, &sums, params);
            let once_sums = ask(&once);
            if value(&once_sums) <= before {
                break;
            }
            let twice = family.update(&once, &once_sums, params);
            // Long leaps make much of the rounding of short steps.
            let leap = extrapolated(&weights, &once, &twice).map(|leap| family.legal(&leap));
            (weights, sums) = (once, once_sums);
            for trial in leap.into_iter().filter(|leap| !leap.is_empty()).chain([twice]) {
                let there = ask(&trial);
                if value(&there) > value(&sums) {
                    (weights, sums) = (trial, there);
                    break;
                }
            }
            if value(&sums) - before <= least {
                break;
            }
        }
        let gain = value(&sums) - start;
        (weights, gain)
    }
}

/// `θ_0 + 2a r + a² v` with `r = θ_1 − θ_0`, `v = θ_2 − 2θ_1 + θ_0` and `a = ‖r‖/‖v‖` or less, so that nothing vanishes
/// that had weight; `None` where that is no more than a step of EM, or something was dropped.
fn extrapolated(start: &[f64], once: &[f64], twice: &[f64]) -> Option<Vec<f64>> {
    if twice.iter().zip(start).any(|(two, start)| *two == 0.0 && *start > 0.0) {
        return None;
    }
    let first: Vec<f64> = once.iter().zip(start).map(|(one, start)| one - start).collect();
    let change: Vec<f64> = twice.iter().zip(once).zip(&first).map(|((two, one), first)| two - one - first).collect();
    let square = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
    let mut length = (square(&first) / square(&change)).sqrt();
    for _ in 0..HALVINGS {
        if !(length > 1.0 && length.is_finite()) {
            return None;
        }
        let point = |((start, first), change): ((&f64, &f64), &f64)| start + length * (2.0 * first + length * change);
        let leap: Vec<f64> = start.iter().zip(&first).zip(&change).map(point).collect();
        if leap.iter().zip(start).all(|(leap, start)| *leap > 0.0 || *start == 0.0) {
            return Some(leap);
        }
        length = 0.5 * (length + 1.0);
    }
    None
}
