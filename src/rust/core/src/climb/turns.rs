//! Climbs in turns with the law of the remainder, and with how the noise differs between rows: all else climbs with these
//! held, and then they with all else held.
//!
//! The weights take steps of EM, extrapolated where that is legal and gains more (SQUAREM; R. Varadhan and C. Roland 2008,
//! Simple and globally convergent methods for accelerating the convergence of any EM algorithm, *Scandinavian Journal of
//! Statistics* 35, 335-353). Both constraints on them are linear, so an extrapolation keeps them. No step is taken that
//! lowers the log-likelihood, so it rises from turn to turn.

use super::route::Route;
use super::scatter::Scattered;
use crate::cancel::attempt;
use crate::fit::Status;
use crate::maximise::{maximise, Fit, Hill, Settings, Watch};
use crate::noise::{Noise, Scales};
use crate::pass::{sweep, Depth, Model, Sums};
use crate::view::{Factor, View};
use std::borrow::Cow;

/// The most turns.
const MOST_TURNS: usize = 50;
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
    scales: Option<Cow<'a, Scales>>,
}

impl<'a> Route<'a, '_, '_> {
    /// Climbs, the law of the remainder included.
    pub(super) fn climb_in_turns(&mut self, hill: Hill, watch: &mut Watch) -> Fit {
        let first = self.family.first();
        let weights = self.weights.iter().zip(&first).map(|(old, first)| (1.0 - FRESH) * old + FRESH * first);
        let mut here = Remainder { weights: weights.collect(), scales: self.scales.clone() };
        let mut fit = self.climb_with(&here, hill, watch);
        if here.weights.is_empty() && !self.scatter.is_free() {
            return fit;
        }
        for turn in 0.. {
            if matches!(fit.status, Status::Interrupted | Status::Refused) {
                break;
            }
            // Without factors that climb, the view is without all of them already.
            let rest = if hill.parts.is_empty() { *hill.view } else { hill.view.minus(&fit.factors) };
            let Some(better) = attempt(|| self.better(&rest, &fit, &here, &hill.settings)) else {
                fit.status = Status::Interrupted;
                break;
            };
            let Some((better, noise)) = better else { break };
            if turn == MOST_TURNS {
                fit.status = Status::Maxiter;
                break;
            }
            let next = Hill { parts: &fit.parts(hill.parts), noise, ..hill };
            let Some(next) = attempt(|| self.climb_with(&better, next, watch)) else {
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
    fn climb_with(&mut self, remainder: &Remainder, hill: Hill, watch: &mut Watch) -> Fit {
        let view = hill.view.under(self.family.law(&remainder.weights));
        let view = view.scattered(remainder.scales.as_deref());
        maximise(Hill { view: &view, ..hill }, watch, self.observer)
    }

    /// A better remainder, and its λ and σ, with all else held; `None` where it gains too little to go on.
    fn better(
        &self,
        rest: &View,
        fit: &Fit,
        here: &Remainder<'a>,
        settings: &Settings,
    ) -> Option<(Remainder<'a>, Noise)> {
        let least = settings.tolerance * fit.sums.count;
        let Remainder { weights, scales } = here.clone();
        let (weights, gain) = self.climb_weights(&rest.scattered(scales.as_deref()), fit, weights, least);
        if !self.scatter.is_free() {
            return (gain > least).then_some((Remainder { weights, scales }, fit.noise));
        }
        let before = fit.log_likelihood() + gain;
        let start = Scattered { scales, noise: fit.noise, log_likelihood: before };
        let end = self.climb_scales(&rest.under(self.family.law(&weights)), start, settings.bounds, least);
        let total = gain + (end.log_likelihood - before);
        (total > least).then_some((Remainder { weights, scales: end.scales }, end.noise))
    }

    /// Better weights with all else held, and what they gain.
    fn climb_weights(&self, rest: &View, fit: &Fit, mut weights: Vec<f64>, least: f64) -> (Vec<f64>, f64) {
        if weights.is_empty() {
            return (weights, 0.0);
        }
        let (family, noise) = (self.family, fit.noise);
        let nothing = Factor::zero(rest);
        let ask = |weights: &[f64]| {
            let model = Model { factor: &nothing, noise };
            let question = model.question(Depth::Likelihood);
            sweep(&rest.under(family.law(weights)), model, &question, self.threads).sums
        };
        let value = |sums: &Sums| sums.log_likelihood(noise);
        let mut sums = fit.sums;
        let start = value(&sums);
        for _ in 0..CYCLES {
            let before = value(&sums);
            let once = family.update(&weights, &sums, noise);
            let once_sums = ask(&once);
            if value(&once_sums) <= before {
                break;
            }
            let twice = family.update(&once, &once_sums, noise);
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
