//! Climbs in turns with the law of the remainder, and with how the noise differs between rows: all else climbs with these
//! held, and then they with all else held.
//!
//! The weights take steps of EM, extrapolated where that is legal and gains more (SQUAREM; R. Varadhan and C. Roland 2008,
//! Simple and globally convergent methods for accelerating the convergence of any EM algorithm, *Scandinavian Journal of
//! Statistics* 35, 335-353). Both constraints on them are linear, so an extrapolation keeps them. No step is taken that
//! lowers the log-likelihood, so it rises from turn to turn.

use super::route::Route;
use super::scatter::Scattered;
use crate::fit::Status;
use crate::maximise::{maximise, Fit, Settings, Watch};
use crate::noise::Noise;
use crate::part::Part;
use crate::pass::{sweep, Depth, Model, Question, Sums};
use crate::view::{Factor, View};

/// The most turns.
const MOST_TURNS: usize = 50;
/// The most cycles of three steps in a turn.
const CYCLES: usize = 10;
/// The part of the first weights that a climb starts with: what has no weight would never have any.
const FRESH: f64 = 0.1;
/// The halvings of an extrapolation.
const HALVINGS: usize = 6;

impl Route<'_, '_, '_> {
    /// Climbs as `settings` say, the law of the remainder included.
    pub(super) fn climb_in_turns(
        &mut self,
        view: &View,
        parts: &[Part],
        noise: Noise,
        settings: &Settings,
        watch: &mut Watch,
    ) -> Fit {
        let first = self.family.first();
        let mut weights: Vec<f64> =
            self.weights.iter().zip(&first).map(|(old, first)| (1.0 - FRESH) * old + FRESH * first).collect();
        let mut scales = self.scales.clone();
        let first = view.under(self.family.law(&weights));
        let mut fit =
            maximise(&first.scattered(scales.as_ref()), parts, noise, settings, self.threads, watch, self.observer);
        if weights.is_empty() && !self.scatter.is_free() {
            return fit;
        }
        for turn in 0.. {
            let least = settings.tolerance * fit.sums.count;
            // Without factors that climb, the view is without all of them already.
            let rest = if parts.is_empty() { *view } else { view.minus(&fit.factors) };
            let (better, gain) = self.climb_weights(&rest.scattered(scales.as_ref()), &fit, weights.clone(), least);
            let start = fit.log_likelihood() + gain;
            let mut noise = fit.noise;
            let mut wider = scales.clone();
            let mut total = gain;
            if self.scatter.is_free() {
                let start = Scattered { scales: wider, noise, log_likelihood: start };
                let before = start.log_likelihood;
                let end = self.climb_scales(&rest.under(self.family.law(&better)), start, settings.bounds, least);
                total += end.log_likelihood - before;
                (wider, noise) = (end.scales, end.noise);
            }
            if total <= least || matches!(fit.status, Status::Interrupted | Status::Refused) {
                break;
            }
            if turn == MOST_TURNS {
                fit.status = Status::Maxiter;
                break;
            }
            (weights, scales) = (better, wider);
            let factors = fit.factors.iter();
            let parts: Vec<Part> =
                factors.zip(parts).map(|(factor, part)| Part { factor: factor.clone(), free: part.free }).collect();
            let next = view.under(self.family.law(&weights));
            let next = next.scattered(scales.as_ref());
            let next = maximise(&next, &parts, noise, settings, self.threads, watch, self.observer);
            fit.trace.extend(next.trace.iter().copied());
            fit = Fit { trace: fit.trace, sweeps: fit.sweeps + next.sweeps, ..next };
        }
        self.weights = weights;
        self.scales = scales;
        fit
    }

    /// Better weights with all else held, and what they gain.
    fn climb_weights(&self, rest: &View, fit: &Fit, mut weights: Vec<f64>, least: f64) -> (Vec<f64>, f64) {
        if weights.is_empty() {
            return (weights, 0.0);
        }
        let (family, noise) = (self.family, fit.noise);
        let nothing = Factor::zero(rest);
        let ask = |weights: &[f64]| {
            let question = Question {
                row_weights: &nothing.u,
                column_weights: nothing.v(),
                shift: 1.0 / noise.lambda,
                depth: Depth::Likelihood,
            };
            let model = Model { factor: &nothing, noise };
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

/// `θ_0 + 2a r + a² v` with `r = θ_1 − θ_0`, `v = θ_2 − 2θ_1 + θ_0` and `a = ‖r‖/‖v‖` or less, so that nothing vanishes that had weight; `None`
/// where that is no more than a step of EM, or something was dropped.
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
