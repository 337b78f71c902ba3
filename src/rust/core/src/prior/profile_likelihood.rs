//! Profile likelihood of spike-and-slab priors: the weight of the slab is maximised at each scale of the slab.
//!
//! Relative to a point mass at 0, with `r_i = ℓ_i(slab) − log N(x_i | 0, s_i²)`, the log-likelihood is
//! `Σ log(1 − π + π exp r_i)`, concave in the weight `π`. At the maximising `π` the slope in the slab's parameters is
//! `Σ γ_i ∂ℓ_i`, with the posterior probability `γ_i` of the slab, since the slope in `π` is 0 there. So the two
//! parameters are found by a one-dimensional search.
//!
//! The search uses slopes: values locate a maximum to half of their digits only, a root of the slope to almost all.

use crate::prior::component::{Component, ComponentPosterior};
use crate::prior::Observations;

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

    /// Maximises over the log scale with all observations of the model.
    fn maximize_scale_on_grid(&self, unit_slab: Component, grid: &[f64]) -> Point<ProfiledWeight> {
        let evaluate = |model: &SpikeSlab, log_scale: f64| model.evaluate(log_scale, unit_slab.scaled(log_scale.exp()));
        let weight = self.weight;
        let evaluate_at =
            |index: usize, observations| evaluate(&SpikeSlab { observations: &observations, weight }, grid[index]);
        let points = self.observations.map_jobs(grid.len(), evaluate_at);
        maximize_on_grid(&points, |log_scale| evaluate(self, log_scale))
    }

    /// Returns the log-likelihood with this slab and its slopes in the slab's parameters, as a point at `x`.
    fn evaluate(&self, x: f64, slab: Component) -> Point<ProfiledWeight> {
        let posteriors = self.observations.map(|x, s| slab.posterior(x, s));
        let weight = self.weight.unwrap_or_else(|| maximize_weight(&posteriors));
        let (log_weight, log_null_weight) = (weight.ln(), (-weight).ln_1p());
        let add = |mut sums: [f64; 3], ((x, s), slab): ((f64, f64), &ComponentPosterior)| {
            let null = Component::Zero.posterior(x, s).log_marginal + log_null_weight;
            let log_odds = log_weight - log_null_weight + slab.log_ratio;
            // The log of the sum of both terms, from the larger one for full precision.
            let smaller = (-log_odds.abs()).max(MIN_LOG).exp();
            let larger = if log_odds > 0.0 { log_weight + slab.log_marginal } else { null };
            sums[0] += larger + smaller.ln_1p();
            let slab_probability = if log_odds > 0.0 { 1.0 } else { smaller } / (1.0 + smaller);
            sums[1] += slab_probability * slab.scale_slope;
            sums[2] += slab_probability * slab.width_slope;
            sums
        };
        let chunks = self.observations.map_chunks(|range| {
            let pairs = self.observations.iter().skip(range.start).zip(&posteriors[range]);
            pairs.fold([0.0; 3], add)
        });
        let total = |index: usize| chunks.iter().map(|sums| sums[index]).sum();
        let (value, slope, width_slope) = (total(0), total(1), total(2));
        Point { x, value, slope, extra: ProfiledWeight { weight, width_slope } }
    }
}

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
const NULL_SCALE: f64 = 1e-12;

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
