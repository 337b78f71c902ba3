//! A projected quasi-Newton method that climbs a function over a box and never steps down.
//!
//! Limited-memory BFGS (Liu & Nocedal 1989) on the free coordinates, preconditioned by the inverse curvature that every
//! evaluation brings; coordinates that their own Newton step would carry over a bound go to it (Bertsekas 1982). A step
//! is halved until the value rises enough (Armijo); where rounding hides any rise, until the slope falls instead.

use crate::pass::PassStats;
use crate::runtime::cancel::catch_cancellation;
use crate::runtime::progress::{Progress, ProgressCallback};
use crate::trace::Status;
use crate::vector::{add_scaled, dot};
use std::ops::ControlFlow;

/// What is known at a point.
pub(crate) struct Evaluation {
    /// The value.
    pub(crate) value: f64,
    /// Its gradient.
    pub(crate) gradient: Vec<f64>,
    /// An estimate of minus the inverse of its Hessian.
    pub(crate) metric: Preconditioner,
    /// The sums that the value was taken from, for the caller.
    pub(crate) sums: PassStats,
}

/// The box and when to stop.
pub(crate) struct BoxConstraints {
    /// The least value of each coordinate.
    pub(crate) lower: Vec<f64>,
    /// The largest value of each coordinate.
    pub(crate) upper: Vec<f64>,
    /// The most a coordinate may move in one step.
    pub(crate) reach: Vec<f64>,
    /// Stop where the gain an entry and the scaled projected gradient are at most this.
    pub(crate) tolerance: f64,
    /// The most iterations.
    pub(crate) iterations: usize,
}

/// The most and the least steps that are remembered.
const MEMORY: [usize; 2] = [12, 4];
/// The numbers that those beyond the least may take: of more than some hundred thousand coordinates fewer are remembered.
const MAX_NUMBERS: usize = 1 << 24;
/// The share of the promised rise that a step must bring.
const ARMIJO: f64 = 1e-4;
/// Below this share of the promised rise, a step was too long for its model.
const POOR: f64 = 0.1;
/// Above this share, the next step may be longer.
const GOOD: f64 = 0.3;
/// The most halvings of a step.
const HALVINGS: usize = 40;
/// The relative rounding of a value.
const ROUNDING: f64 = 1e-14;

/// Climbs from `theta`; returns the last point, its sums and why it ended. `accepted` sees every step and may refuse to go
/// on; the observer is asked before the first step and after each; a step that is given up ends the climb. `size` is what
/// moves are measured by.
pub(crate) fn climb(
    theta: Vec<f64>,
    limits: &BoxConstraints,
    mut evaluate: impl FnMut(&[f64]) -> Evaluation,
    size: impl Fn(&[f64]) -> Vec<f64>,
    mut accepted: impl FnMut(&[f64], f64) -> ControlFlow<()>,
    on_progress: &mut ProgressCallback,
) -> (Vec<f64>, PassStats, Status) {
    let mut theta = confine(theta.into_iter(), limits);
    let mut here = evaluate(&theta);
    let mut memory: Vec<CurvaturePair> = Vec::new();
    let [most, least] = MEMORY;
    let remembered = (MAX_NUMBERS / (2 * theta.len().max(1))).clamp(least, most);
    let mut radius = f64::INFINITY;
    if on_progress(Progress::new(0).at(here.value, here.sums.count)).is_break() {
        return (theta, here.sums, Status::Interrupted);
    }
    for iteration in 1..=limits.iterations {
        let free = free_coordinates(&theta, &here, limits);
        let step = catch_cancellation(|| search(&theta, &here, &free, &mut memory, &mut radius, limits, &mut evaluate));
        let Some(step) = step else { return (theta, here.sums, Status::Interrupted) };
        let Some((next, there)) = step else {
            // Rounding hides gains that steps of half the digits would bring.
            let still = projected_gradient(&theta, &here, limits, &size(&theta)) <= limits.tolerance.sqrt();
            return (theta, here.sums, if still { Status::Converged } else { Status::Stalled });
        };
        let gain = there.value - here.value;
        memory.extend(CurvaturePair::new(&theta, &next, &here, &there));
        if memory.len() > remembered {
            memory.remove(0);
        }
        (theta, here) = (next, there);
        if accepted(&theta, here.value).is_break() {
            return (theta, here.sums, Status::Rejected);
        }
        if on_progress(Progress::new(iteration).at(here.value, here.sums.count)).is_break() {
            return (theta, here.sums, Status::Interrupted);
        }
        let accepted = gain <= limits.tolerance * here.sums.count
            && projected_gradient(&theta, &here, limits, &size(&theta)) <= limits.tolerance;
        if accepted {
            return (theta, here.sums, Status::Converged);
        }
    }
    (theta, here.sums, Status::Maxiter)
}

/// One step: the next point and what is known there, or `None` where no step climbs.
fn search(
    theta: &[f64],
    here: &Evaluation,
    free: &[bool],
    memory: &mut Vec<CurvaturePair>,
    radius: &mut f64,
    limits: &BoxConstraints,
    evaluate: &mut impl FnMut(&[f64]) -> Evaluation,
) -> Option<(Vec<f64>, Evaluation)> {
    let rounding = ROUNDING * (here.value.abs() + here.sums.count);
    loop {
        let direction = direction(here, free, memory, limits);
        let length = here.metric.length(&direction);
        let mut step = (*radius / length).min(1.0);
        for trial in 0..HALVINGS {
            let next = project(theta, &direction, step, limits);
            let along = |gradient: &[f64]| -> f64 {
                next.iter().zip(theta).zip(gradient).map(|((next, old), slope)| (next - old) * slope).sum()
            };
            let promise = along(&here.gradient);
            if promise <= 0.0 {
                break;
            }
            let there = evaluate(&next);
            let gain = there.value - here.value;
            if gain >= ARMIJO * promise && gain > 0.0 {
                // The radius follows what the last steps could be trusted for.
                if trial > 0 || gain < POOR * promise {
                    *radius = step * length;
                } else if *radius <= 2.0 * step * length && gain > GOOD * promise {
                    *radius *= 3.0;
                }
                return Some((next, there));
            }
            // Where the promise is below rounding the value says nothing: the slope along the step must fall instead.
            let hidden = promise <= rounding && gain >= -rounding && gain.is_finite();
            if hidden && along(&there.gradient).abs() < 0.9 * promise {
                return Some((next, there));
            }
            step *= if gain.is_finite() { (promise / (2.0 * (promise - gain))).clamp(0.1, 0.5) } else { 0.1 };
        }
        if memory.is_empty() {
            return None;
        }
        memory.clear();
    }
}

/// A coordinate is free unless its own Newton step would carry it over a bound.
fn free_coordinates(theta: &[f64], here: &Evaluation, limits: &BoxConstraints) -> Vec<bool> {
    let free = |i: usize| {
        let own = theta[i] + here.metric.diagonal[i] * here.gradient[i];
        own > limits.lower[i] && own < limits.upper[i]
    };
    (0..theta.len()).map(free).collect()
}

fn project(theta: &[f64], direction: &[f64], step: f64, limits: &BoxConstraints) -> Vec<f64> {
    confine(theta.iter().zip(direction).map(|(x, slope)| x + step * slope), limits)
}

/// The nearest point of the box.
fn confine(point: impl Iterator<Item = f64>, limits: &BoxConstraints) -> Vec<f64> {
    let bounds = limits.lower.iter().zip(&limits.upper);
    point.zip(bounds).map(|(x, (lower, upper))| x.clamp(*lower, *upper)).collect()
}

/// The largest move that a coordinate's own Newton step makes within the box, in units of its size.
fn projected_gradient(theta: &[f64], here: &Evaluation, limits: &BoxConstraints, size: &[f64]) -> f64 {
    let own: Vec<f64> = here.gradient.iter().zip(&here.metric.diagonal).map(|(slope, scale)| slope * scale).collect();
    let next = project(theta, &own, 1.0, limits);
    next.iter().zip(theta).zip(size).map(|((next, old), size)| (next - old).abs() / size).fold(0.0, f64::max)
}

/// A positive diagonal and, for the last two coordinates where there are such, the negative Hessian itself.
pub(crate) struct Preconditioner {
    /// Inverse curvatures; those of a pair at the end stand in where the Hessian cannot be used.
    pub(crate) diagonal: Vec<f64>,
    /// `[H₁₁, H₁₂, H₂₂]` of the last two coordinates.
    pub(crate) pair: Option<[f64; 3]>,
}

impl Preconditioner {
    /// The length of a step, in units of the curvature's own steps.
    pub(crate) fn length(&self, step: &[f64]) -> f64 {
        step.iter().zip(&self.diagonal).map(|(x, scale)| x * x / scale).sum::<f64>().sqrt()
    }

    /// The metric applied to a vector that is zero outside the free coordinates.
    fn apply(&self, vector: &[f64], free: &[bool]) -> Vec<f64> {
        let mut image: Vec<f64> = vector.iter().zip(&self.diagonal).map(|(x, scale)| x * scale).collect();
        let n = vector.len();
        if let Some([first, mixed, second]) = self.pair {
            let determinant = first * second - mixed * mixed;
            if free[n - 2] && free[n - 1] && first < 0.0 && determinant > 0.0 {
                let (x, y) = (vector[n - 2], vector[n - 1]);
                image[n - 2] = (mixed * y - second * x) / determinant;
                image[n - 1] = (mixed * x - first * y) / determinant;
            }
        }
        image
    }
}

/// The quasi-Newton direction on the free coordinates, the diagonal one on the others.
pub(crate) fn direction(
    here: &Evaluation,
    free: &[bool],
    memory: &[CurvaturePair],
    limits: &BoxConstraints,
) -> Vec<f64> {
    let mask = |x: &mut [f64]| x.iter_mut().zip(free).filter(|(_, free)| !**free).for_each(|(x, _)| *x = 0.0);
    // What is multiplied with a pair is zero elsewhere, so the pairs themselves need no copies.
    let mut rest = here.gradient.clone();
    let mut curvature = |pair: &CurvaturePair| {
        rest.copy_from_slice(&pair.step);
        mask(&mut rest);
        dot(&rest, &pair.fall)
    };
    let curvatures: Vec<f64> = memory.iter().map(&mut curvature).collect();
    let pairs: Vec<(&CurvaturePair, f64)> =
        memory.iter().zip(curvatures).filter(|(_, curvature)| *curvature > 0.0).collect();
    rest.copy_from_slice(&here.gradient);
    mask(&mut rest);
    let mut weights = vec![0.0; pairs.len()];
    for (weight, (pair, curvature)) in weights.iter_mut().zip(&pairs).rev() {
        *weight = dot(&pair.step, &rest) / curvature;
        add_scaled(&mut rest, -*weight, &pair.fall);
        mask(&mut rest);
    }
    let mut direction = here.metric.apply(&rest, free);
    for (weight, (pair, curvature)) in weights.iter().zip(&pairs) {
        let correction = weight - dot(&pair.fall, &direction) / curvature;
        add_scaled(&mut direction, correction, &pair.step);
        mask(&mut direction);
    }
    for (i, free) in free.iter().enumerate() {
        if !free {
            direction[i] = here.metric.diagonal[i] * here.gradient[i];
        }
    }
    // Those whose reach is limited are shortened together: one by one, they might no longer climb.
    let shares = limits.reach.iter().zip(&direction).map(|(reach, step)| reach / step.abs());
    let share = shares.fold(1.0, f64::min);
    for (step, reach) in direction.iter_mut().zip(&limits.reach) {
        if reach.is_finite() {
            *step *= share;
        }
    }
    direction
}

/// A step and the fall of the gradient along it.
pub(crate) struct CurvaturePair {
    step: Vec<f64>,
    fall: Vec<f64>,
}

impl CurvaturePair {
    /// The pair between two points, if the function curves downwards between them.
    pub(crate) fn new(old: &[f64], new: &[f64], here: &Evaluation, there: &Evaluation) -> Option<Self> {
        let difference = |x: &[f64], y: &[f64]| -> Vec<f64> { x.iter().zip(y).map(|(x, y)| x - y).collect() };
        let pair = Self { step: difference(new, old), fall: difference(&here.gradient, &there.gradient) };
        (dot(&pair.step, &pair.fall) > 0.0).then_some(pair)
    }
}
