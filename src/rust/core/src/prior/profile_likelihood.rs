//! Marginal likelihood of a 0 with probability `1 − π` and a slab otherwise, the weight `π` maximised at each slab.
//!
//! Against a zero alone, with `r_i = ℓ_i(slab) − log N(x_i | 0, s_i²)`, the log-likelihood is
//! `Σ log(1 − π + π exp r_i)`, concave in `π`. Where `π` is at its best, it adds nothing to the slope in the slab's
//! parameters, which is `Σ γ_i ∂ℓ_i` with the posterior probability `γ_i` of the slab. So two parameters need a search
//! over one.

use crate::optim::scalar::{crossing, highest, Point};
use crate::prior::component::{Component, Explained};
use crate::prior::Observations;

/// The weight, given or left to be maximised, and what it is for.
#[derive(Clone, Copy)]
pub(crate) struct SpikeSlab<'a, 'b> {
    pub(crate) observations: &'a Observations<'b>,
    pub(crate) weight: Option<f64>,
}

/// What comes with a scale.
#[derive(Clone, Copy)]
pub(crate) struct Best {
    /// The weight, the best one where it is not given.
    pub(crate) weight: f64,
    /// The slope of the log-likelihood in the log of the width.
    pub(crate) width_slope: f64,
}

impl SpikeSlab<'_, '_> {
    /// The best scale of `unit`, whose own scale is 1, among those that `knots` tell apart (as logs), with its weight.
    ///
    /// Of many observations a sample is scanned, to see which hill is the highest; that one is climbed with all of them.
    pub(crate) fn best_scale(&self, unit: Component, knots: &[f64]) -> Point<Best> {
        let sample = if knots.len() > 1 { self.observations.sample(MAX_SCANNED) } else { None };
        let near = sample.and_then(|(x, s)| {
            let observations = &Observations::new(&x, &s).ok()?.on(self.observations.threads());
            let found = SpikeSlab { observations, weight: self.weight }.highest(unit, knots);
            let place = knots.partition_point(|knot| *knot < found.at);
            Some(place.saturating_sub(NEIGHBOURS)..(place + NEIGHBOURS).min(knots.len()))
        });
        let mut best = self.highest(unit, &knots[near.unwrap_or(0..knots.len())]);
        if best.with.weight == 0.0 && knots.len() > 1 {
            // A slab without weight may have any scale.
            best.at = self.observations.least_deviation().ln();
        }
        best
    }

    /// The highest of the hills of all observations.
    fn highest(&self, unit: Component, knots: &[f64]) -> Point<Best> {
        let look = |slab: &SpikeSlab, log_scale: f64| slab.look(log_scale, unit.scaled(log_scale.exp()));
        let weight = self.weight;
        let at_knot = |knot: usize, observations| look(&SpikeSlab { observations: &observations, weight }, knots[knot]);
        highest(&self.observations.repeatedly(knots.len(), at_knot), |log_scale| look(self, log_scale))
    }

    fn look(&self, at: f64, slab: Component) -> Point<Best> {
        let explained = self.observations.map(|x, s| slab.explain(x, s));
        let weight = self.weight.unwrap_or_else(|| best_weight(&explained));
        let (log_weight, log_rest) = (weight.ln(), (-weight).ln_1p());
        let add = |mut sums: [f64; 3], ((x, s), slab): ((f64, f64), &Explained)| {
            let zero = Component::Zero.explain(x, s).log_marginal + log_rest;
            let odds = log_weight - log_rest + slab.log_ratio;
            // Both logs are of the same sum; the one that starts from the larger term is exact.
            let least = (-odds.abs()).max(NO_DIGIT).exp();
            let larger = if odds > 0.0 { log_weight + slab.log_marginal } else { zero };
            sums[0] += larger + least.ln_1p();
            let share = if odds > 0.0 { 1.0 } else { least } / (1.0 + least);
            sums[1] += share * slab.scale_slope;
            sums[2] += share * slab.width_slope;
            sums
        };
        let parts = self.observations.pieces(|run| {
            let pairs = self.observations.iter().skip(run.start).zip(&explained[run]);
            pairs.fold([0.0; 3], add)
        });
        let total = |which: usize| parts.iter().map(|part| part[which]).sum();
        let (value, slope, width_slope) = (total(0), total(1), total(2));
        Point { at, value, slope, with: Best { weight, width_slope } }
    }
}

/// The `π` at which `Σ log(1 − π + π exp r_i)` is largest.
///
/// Its slope `Σ 1/(π + 1/(exp r_i − 1))` falls, and between 0 and 1 it is finite whatever the `r_i` are.
fn best_weight(explained: &[Explained]) -> f64 {
    let offsets: Vec<f64> = explained.iter().map(|part| 1.0 / part.log_ratio.min(-NO_DIGIT).exp_m1()).collect();
    let look = |at: f64| {
        let slope = offsets.iter().map(|offset| 1.0 / (at + offset)).sum();
        Point { at, value: 0.0, slope, with: () }
    };
    // At the ends the slope may be infinite, and its form above loses the sign.
    let end = |at: f64, slope: f64| Point { at, value: 0.0, slope, with: () };
    let none = end(0.0, explained.iter().map(|part| part.log_ratio.exp_m1()).sum());
    let all = end(1.0, explained.iter().map(|part| -(-part.log_ratio).exp_m1()).sum());
    if none.slope <= 0.0 {
        0.0
    } else if all.slope >= 0.0 {
        1.0
    } else {
        crossing(none, all, look).at
    }
}

/// Its exponential is no digit of 1; beyond, exponentials are slow.
const NO_DIGIT: f64 = -700.0;

/// Below this share of the least `s`, a scale's only effect is a slope that no longer changes its sign.
const SMALL: f64 = 1e-3;

/// A scale of this share of what could be told from 0 is as good as 0.
const NONE: f64 = 1e-12;

/// The observations beyond which a sample of them is scanned.
const MAX_SCANNED: usize = 4096;

/// The knots on each side of the sample's best place that are looked at with all observations.
const NEIGHBOURS: usize = 3;

/// What a scan may cost; beyond, it is coarser.
const MAX_KNOTS: usize = 400;

/// Rising logs of scales up to `largest`, `step(scale)` apart, whose first is as good as 0.
pub(crate) fn knots(observations: &Observations, largest: f64, step: impl Fn(f64) -> f64) -> Vec<f64> {
    let small = SMALL * observations.least_deviation();
    let mut stretch = 1.0;
    loop {
        let mut knots = vec![largest.ln()];
        let mut scale = largest;
        while scale > small && knots.len() <= MAX_KNOTS {
            scale = (scale * (-stretch * step(scale)).exp()).max(0.5 * small);
            knots.push(scale.ln());
        }
        if knots.len() <= MAX_KNOTS {
            knots.push((NONE * observations.least_scale().min(scale)).ln());
            knots.reverse();
            return knots;
        }
        stretch *= 1.5;
    }
}
