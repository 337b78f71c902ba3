//! Profile likelihood of spike-and-slab priors: the weight of the slab is maximised at each scale of the slab.
//!
//! Relative to a point mass at 0, with `r_i = ℓ_i(slab) − log N(x_i | 0, s_i²)`, the log-likelihood is
//! `Σ log(1 − π + π exp r_i)`, concave in the weight `π`. At the maximising `π` the slope in the slab's parameters is
//! `Σ γ_i ∂ℓ_i`, with the posterior probability `γ_i` of the slab, since the slope in `π` is 0 there. So the two
//! parameters are found by a one-dimensional search.
//!
//! The search uses slopes: values locate a maximum to half of their digits only, a root of the slope to almost all.
//!
//! A slab has one parameter, its scale, or two, its location and its ratio of width to location. Where a good start is
//! known, such as the estimate of the round before, [`SpikeSlab::ascend`] maximizes over the logs of both, from the start,
//! by L-BFGS. Its initial Hessian is that of the method of scoring, with the outer products of the slopes `g_i` of the
//! observations for the information, after the weight is eliminated (`g_iw = γ_i − π`, up to a factor):
//!
//! ```text
//! −H ≈ Σ g_i g_iᵀ − (Σ g_i g_iw)(Σ g_i g_iw)ᵀ / Σ g_iw²,   g_i = γ_i (∂ℓ_i/∂ log scale, ∂ℓ_i/∂ log width)
//! ```

use crate::optim::lbfgs::{self, BoxConstraints, Evaluation, StopRule, Termination};
use crate::optim::preconditioner::Preconditioner;
use crate::prior::component::{Component, ComponentPosterior};
use crate::prior::Observations;
use crate::runtime::cancel::cancel;
use std::ops::ControlFlow;

/// A spike-and-slab model of observations, with a given weight of the slab, or with `None` to maximise it.
#[derive(Clone, Copy)]
pub(crate) struct SpikeSlab<'a, 'b> {
    pub(crate) observations: &'a Observations<'b>,
    pub(crate) weight: Option<f64>,
}

/// The weight at a scale of the slab, and the slope there in the other parameter.
#[derive(Clone, Copy)]
pub(crate) struct ProfiledWeight {
    /// The weight, given or maximised.
    pub(crate) weight: f64,
    /// The slope of the log-likelihood in the log of the slab's width.
    pub(crate) width_slope: f64,
    /// The estimate of minus the Hessian in the logs of scale and width: two diagonal elements and the one beside.
    information: [f64; 3],
}

/// The parameters of a slab in an ascent: the log of its scale, and that of its ratio of width to scale.
pub(crate) type SlabParameters = [f64; 2];

/// The end of an ascent.
#[derive(Clone, Copy)]
pub(crate) struct Ascent {
    pub(crate) parameters: SlabParameters,
    pub(crate) weight: f64,
    pub(crate) value: f64,
}

impl SpikeSlab<'_, '_> {
    /// Maximises the likelihood over the log scale of `unit_slab`, a component of scale 1; `grid` holds rising log
    /// scales that separate the local maxima.
    ///
    /// With many observations, a subsample locates the global maximum on the grid; all of them are used near it.
    pub(crate) fn maximize_scale(&self, unit_slab: Component, grid: &[f64]) -> Point<ProfiledWeight> {
        let subsample = if grid.len() > 1 { self.observations.subsample(MAX_SCANNED) } else { None };
        let neighbourhood = subsample.map(|(x, s)| {
            let observations = &subsampled(&x, &s).with_threads(self.observations.threads());
            let maximum = SpikeSlab { observations, weight: self.weight }.maximize_scale_on_grid(unit_slab, grid);
            let index = grid.partition_point(|log_scale| *log_scale < maximum.x);
            index.saturating_sub(NEIGHBOURS)..(index + NEIGHBOURS).min(grid.len())
        });
        let mut maximum = self.maximize_scale_on_grid(unit_slab, &grid[neighbourhood.unwrap_or(0..grid.len())]);
        if maximum.extra.weight == 0.0 && grid.len() > 1 {
            // The scale of a slab of weight 0 is arbitrary.
            maximum.x = self.observations.min_sd().ln();
        }
        maximum
    }

    /// Returns the local maxima over the log scale on a rising grid and, from cubic interpolation, their values.
    ///
    /// Of many observations a subsample is evaluated.
    pub(crate) fn scan(&self, unit_slab: Component, grid: &[f64]) -> Vec<(f64, f64)> {
        let subsample = self.observations.subsample(MAX_SCANNED);
        match &subsample {
            Some((x, s)) => {
                let observations = &subsampled(x, s).with_threads(self.observations.threads());
                local_maxima(&SpikeSlab { observations, weight: self.weight }.evaluate_grid(unit_slab, grid))
            }
            None => local_maxima(&self.evaluate_grid(unit_slab, grid)),
        }
    }

    /// Evaluates a unit slab at the log scales of a grid.
    fn evaluate_grid(&self, unit_slab: Component, grid: &[f64]) -> Vec<Point<ProfiledWeight>> {
        let weight = self.weight;
        self.observations.map_jobs(grid.len(), |index, observations| {
            let model = SpikeSlab { observations: &observations, weight };
            model.evaluate(grid[index], unit_slab.scaled(grid[index].exp()))
        })
    }

    /// Maximises over the log scale with all observations of the model.
    fn maximize_scale_on_grid(&self, unit_slab: Component, grid: &[f64]) -> Point<ProfiledWeight> {
        let points = self.evaluate_grid(unit_slab, grid);
        maximize_on_grid(&points, |log_scale| self.evaluate(log_scale, unit_slab.scaled(log_scale.exp())))
    }

    /// Returns the log-likelihood with this slab and its slopes in the slab's parameters, as a point at `x`.
    fn evaluate(&self, x: f64, slab: Component) -> Point<ProfiledWeight> {
        let posteriors = self.observations.map(|x, s| slab.posterior(x, s));
        let weight = self.weight.unwrap_or_else(|| maximize_weight(&posteriors));
        let (log_weight, log_null_weight) = (weight.ln(), (-weight).ln_1p());
        let add = |mut sums: [f64; SUMS], ((x, s), slab): ((f64, f64), &ComponentPosterior)| {
            let null = Component::Zero.posterior(x, s).log_marginal + log_null_weight;
            let log_odds = log_weight - log_null_weight + slab.log_ratio;
            // The log of the sum of both terms, from the larger one for full precision.
            let smaller = (-log_odds.abs()).max(MIN_LOG).exp();
            let larger = if log_odds > 0.0 { log_weight + slab.log_marginal } else { null };
            let slab_probability = if log_odds > 0.0 { 1.0 } else { smaller } / (1.0 + smaller);
            let (scale, width) = (slab_probability * slab.scale_slope, slab_probability * slab.width_slope);
            let shift = slab_probability - weight;
            let terms = [
                larger + smaller.ln_1p(),
                scale,
                width,
                scale * scale,
                scale * width,
                width * width,
                scale * shift,
                width * shift,
                shift * shift,
            ];
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
            sums
        };
        let chunks = self.observations.map_chunks(|range| {
            let pairs = self.observations.iter().skip(range.start).zip(&posteriors[range]);
            pairs.fold([0.0; SUMS], add)
        });
        let total = |index: usize| chunks.iter().map(|sums| sums[index]).sum::<f64>();
        let (value, slope, width_slope) = (total(0), total(1), total(2));
        let [scale_shift, width_shift, shifts] = [total(6), total(7), total(8)];
        // A weight that is given or at a bound does not move.
        let inverse = if self.weight.is_none() && shifts > 0.0 && weight < 1.0 { 1.0 / shifts } else { 0.0 };
        let information = [
            total(3) - inverse * scale_shift * scale_shift,
            total(4) - inverse * scale_shift * width_shift,
            total(5) - inverse * width_shift * width_shift,
        ];
        Point { x, value, slope, extra: ProfiledWeight { weight, width_slope, information } }
    }

    /// Maximizes the likelihood over the parameters of a slab within bounds, from a start, in at most so many
    /// iterations. The value is at least that at the start, at the weight that is best there.
    ///
    /// A parameter with equal bounds is held. The maximum is a local one.
    pub(crate) fn ascend(
        &self,
        start: SlabParameters,
        bounds: [(f64, f64); 2],
        max_iterations: usize,
        slab: impl Fn(SlabParameters) -> Component,
    ) -> Ascent {
        let count = self.observations.iter().count() as f64;
        let evaluate = |at: &[f64]| {
            let Point { value, slope, extra, .. } = self.evaluate(at[0], slab([at[0], at[1]]));
            let gradient = [slope, extra.width_slope];
            // A direction in which the likelihood is nearly flat must not shorten the step in the other one.
            let bounded = |information: f64, parameter: usize| {
                information.max(gradient[parameter].abs() / MAX_LOG_STEP[parameter]).max(MIN_INFORMATION * count)
            };
            let [scale, mixed, width] = extra.information;
            let (scale, width) = (bounded(scale, 0), bounded(width, 1));
            Evaluation {
                value,
                gradient: gradient.to_vec(),
                preconditioner: Preconditioner {
                    diagonal: vec![1.0 / scale, 1.0 / width],
                    pair: Some([-scale, -mixed, -width]),
                    couplings: Vec::new(),
                },
                scale: count,
                payload: extra.weight,
            }
        };
        let constraints = BoxConstraints {
            lower: bounds.map(|(lower, _)| lower).to_vec(),
            upper: bounds.map(|(_, upper)| upper).to_vec(),
            max_step: MAX_LOG_STEP.to_vec(),
        };
        let stop = StopRule::new(TOLERANCE, max_iterations);
        let no_callback = |_: usize, _: &[f64], _: &Evaluation<f64>| ControlFlow::<()>::Continue(());
        let maximum =
            lbfgs::maximize(start.to_vec(), &constraints, &stop, evaluate, |x| vec![1.0; x.len()], no_callback);
        if maximum.termination == Termination::Cancelled {
            cancel();
        }
        let parameters = [maximum.x[0], maximum.x[1]];
        Ascent { parameters, weight: maximum.evaluation.payload, value: maximum.evaluation.value }
    }
}

/// The maximum number of iterations of an ascent from an earlier estimate: the next round continues it.
pub(crate) const MAX_UPDATES: usize = 5;

/// The number of sums over the observations in an evaluation.
const SUMS: usize = 9;

/// The least information of an observation in the initial Hessian of an ascent, beside which it is 0.
const MIN_INFORMATION: f64 = 1e-12;

/// The largest steps of an ascent.
const MAX_LOG_STEP: [f64; 2] = [1.0, 2.0];

/// An ascent ends where a step gains no more than this for each observation, and moves no further in the logs.
const TOLERANCE: f64 = 1e-11;

/// Returns a subsample of valid observations, which is valid, too.
#[allow(clippy::expect_used)]
fn subsampled<'a>(x: &'a [f64], s: &'a [f64]) -> Observations<'a> {
    Observations::new(x, s).expect("invariant: a subsample of valid observations is valid")
}

/// Returns the `π` that maximises `Σ log(1 − π + π exp r_i)`.
///
/// Its slope `Σ 1/(π + 1/(exp r_i − 1))` decreases, and for `0 < π < 1` it is finite for any `r_i`.
fn maximize_weight(posteriors: &[ComponentPosterior]) -> f64 {
    let offsets: Vec<f64> = posteriors.iter().map(|q| 1.0 / q.log_ratio.min(-MIN_LOG).exp_m1()).collect();
    let point = |x: f64, slope: f64| Point { x, value: 0.0, slope, extra: () };
    let evaluate = |weight: f64| point(weight, offsets.iter().map(|offset| 1.0 / (weight + offset)).sum());
    // At 0 and 1 the slope may be infinite, and the form above loses its sign.
    let at_zero = point(0.0, posteriors.iter().map(|q| q.log_ratio.exp_m1()).sum());
    let at_one = point(1.0, posteriors.iter().map(|q| -(-q.log_ratio).exp_m1()).sum());
    if at_zero.slope <= 0.0 {
        0.0
    } else if at_one.slope >= 0.0 {
        1.0
    } else {
        slope_root(at_zero, at_one, evaluate).x
    }
}

/// The log of a number that is negligible beside 1. It bounds arguments of `exp`, which is slow below it.
const MIN_LOG: f64 = -700.0;

/// The end of the grid, relative to the smallest `s`: at smaller scales the sign of the slope no longer changes.
const GRID_END: f64 = 1e-3;

/// The first scale of a grid, relative to [`Observations::min_scale`]: equivalent to 0.
pub(crate) const NULL_SCALE: f64 = 1e-12;

/// The number of observations beyond which the grid is evaluated on a subsample of this size.
const MAX_SCANNED: usize = 4096;

/// The grid points on each side of the subsample's maximum that are evaluated with all observations.
const NEIGHBOURS: usize = 3;

/// The maximum number of grid points; a grid that would have more is coarsened.
const MAX_GRID: usize = 400;

/// Returns rising log scales up to `largest`, at distances `step(scale)`; the first is equivalent to a scale of 0.
pub(crate) fn scale_grid(observations: &Observations, largest: f64, step: impl Fn(f64) -> f64) -> Vec<f64> {
    let end = GRID_END * observations.min_sd();
    let mut stretch = 1.0;
    loop {
        let mut grid = vec![largest.ln()];
        let mut scale = largest;
        while scale > end && grid.len() <= MAX_GRID {
            scale = (scale * (-stretch * step(scale)).exp()).max(0.5 * end);
            grid.push(scale.ln());
        }
        if grid.len() <= MAX_GRID {
            grid.push((NULL_SCALE * observations.min_scale().min(scale)).ln());
            grid.reverse();
            return grid;
        }
        stretch *= 1.5;
    }
}

/// A function of one variable evaluated at `x`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point<T> {
    pub(crate) x: f64,
    pub(crate) value: f64,
    pub(crate) slope: f64,
    /// Results of the evaluation beside value and slope.
    pub(crate) extra: T,
}

/// Maximises a function of one variable that may have several local maxima, given its evaluations on a rising grid.
///
/// Candidates are both ends of the grid and a local maximum between any two neighbours whose slopes change from
/// positive to not positive. Ties go to the smallest `x`.
pub(crate) fn maximize_on_grid<T: Copy>(grid: &[Point<T>], mut evaluate: impl FnMut(f64) -> Point<T>) -> Point<T> {
    let mut left = grid[0];
    let mut best = left;
    for &right in &grid[1..] {
        if left.slope > 0.0 && right.slope <= 0.0 {
            let maximum = slope_root(left, right, &mut evaluate);
            best = if maximum.value > best.value { maximum } else { best };
        }
        left = right;
    }
    if left.value > best.value {
        left
    } else {
        best
    }
}

/// Returns positions and values of the local maxima on a rising grid: at its ends, and between two neighbours whose
/// slopes change from positive to not positive, where a cubic has the values and slopes of both.
fn local_maxima<T>(grid: &[Point<T>]) -> Vec<(f64, f64)> {
    let (Some(first), Some(last)) = (grid.first(), grid.last()) else { return Vec::new() };
    let at_first = (first.slope <= 0.0).then_some((first.x, first.value));
    let at_last = (last.slope > 0.0).then_some((last.x, last.value));
    let between = grid.windows(2).filter(|pair| pair[0].slope > 0.0 && pair[1].slope <= 0.0);
    let inside = between.map(|pair| cubic_maximum(&pair[0], &pair[1]));
    at_first.into_iter().chain(inside).chain(at_last).collect()
}

/// Returns position and value of the maximum, between two points, of the cubic with their values and slopes. Its slope is
/// positive at `left` and not positive at `right`.
fn cubic_maximum<T>(left: &Point<T>, right: &Point<T>) -> (f64, f64) {
    let width = right.x - left.x;
    let (rise, start, end) = (right.value - left.value, width * left.slope, width * right.slope);
    // The slope along the fraction t is start + 2 b t + 3 c t², and its root is taken in the form without cancellation.
    let (b, c) = (3.0 * rise - 2.0 * start - end, start + end - 2.0 * rise);
    let root = (b * b - 3.0 * c * start).max(0.0).sqrt();
    let t = (start / (root - b)).clamp(0.0, 1.0);
    (left.x + t * width, left.value + t * (start + t * (b + t * c)))
}

/// Half the width of the final bracket of a root, relative to its position or, near 0, absolute.
const PRECISION: f64 = 1e-15;

/// The maximum number of steps, more than bisection alone would need.
const MAX_STEPS: usize = 200;

/// Finds a root of the slope, which must be positive at `left` and not positive at `right`.
///
/// Inverse quadratic interpolation where that is safe, bisection otherwise (T. R. Chandrupatla 1997, A new hybrid
/// quadratic/bisection algorithm for finding the zero of a nonlinear function without using derivatives, *Advances in
/// Engineering Software* 28, 145-149). The slope at the left end of the bracket is always positive, so an upward jump
/// of the slope is never returned.
fn slope_root<T: Copy>(left: Point<T>, right: Point<T>, mut evaluate: impl FnMut(f64) -> Point<T>) -> Point<T> {
    let (mut newest, mut other) = (left, right);
    let mut fraction = 0.5_f64;
    for _ in 0..MAX_STEPS {
        let best = if newest.slope.abs() < other.slope.abs() { newest } else { other };
        let precision = PRECISION * best.x.abs().max(1.0) / (other.x - newest.x).abs();
        if best.slope == 0.0 || precision >= 0.5 {
            return best;
        }
        let x = newest.x + fraction.clamp(precision, 1.0 - precision) * (other.x - newest.x);
        let next = evaluate(x);
        let oldest =
            if (next.slope > 0.0) == (newest.slope > 0.0) { newest } else { std::mem::replace(&mut other, newest) };
        newest = next;
        fraction = interpolate(newest, other, oldest).unwrap_or(0.5);
    }
    newest
}

/// Returns the root of the inverse quadratic interpolant through three points, as a fraction of the way from `newest`
/// to `other`; `None` if the interpolant is not monotone.
fn interpolate<T>(newest: Point<T>, other: Point<T>, oldest: Point<T>) -> Option<f64> {
    let xi = (newest.x - other.x) / (oldest.x - other.x);
    let phi = (newest.slope - other.slope) / (oldest.slope - other.slope);
    let safe = phi * phi < xi && (1.0 - phi) * (1.0 - phi) < 1.0 - xi;
    safe.then(|| {
        let first = newest.slope / (other.slope - newest.slope) * (oldest.slope / (other.slope - oldest.slope));
        let second = (oldest.x - newest.x) / (other.x - newest.x) * newest.slope / (oldest.slope - newest.slope)
            * (other.slope / (oldest.slope - other.slope));
        first + second
    })
}
