//! Which way is up: the metric that an evaluation brings, bent by the last steps.

use super::{Evaluation, Limits};
use crate::vector::{add_scaled, dot};

/// A positive diagonal and, for the last two coordinates where there are such, the negative Hessian itself.
pub(crate) struct Metric {
    /// Inverse curvatures; those of a pair at the end stand in where the Hessian cannot be used.
    pub(crate) diagonal: Vec<f64>,
    /// `[H₁₁, H₁₂, H₂₂]` of the last two coordinates.
    pub(crate) pair: Option<[f64; 3]>,
}

impl Metric {
    /// The length of a step, in units of the curvature's own steps.
    pub(super) fn length(&self, step: &[f64]) -> f64 {
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
pub(super) fn direction(here: &Evaluation, free: &[bool], memory: &[Pair], limits: &Limits) -> Vec<f64> {
    let mask = |x: &mut [f64]| x.iter_mut().zip(free).filter(|(_, free)| !**free).for_each(|(x, _)| *x = 0.0);
    // What is multiplied with a pair is zero elsewhere, so the pairs themselves need no copies.
    let mut rest = here.gradient.clone();
    let mut curvature = |pair: &Pair| {
        rest.copy_from_slice(&pair.step);
        mask(&mut rest);
        dot(&rest, &pair.fall)
    };
    let curvatures: Vec<f64> = memory.iter().map(&mut curvature).collect();
    let pairs: Vec<(&Pair, f64)> = memory.iter().zip(curvatures).filter(|(_, curvature)| *curvature > 0.0).collect();
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
pub(super) struct Pair {
    step: Vec<f64>,
    fall: Vec<f64>,
}

impl Pair {
    /// The pair between two points, if the function curves downwards between them.
    pub(super) fn new(old: &[f64], new: &[f64], here: &Evaluation, there: &Evaluation) -> Option<Self> {
        let difference = |x: &[f64], y: &[f64]| -> Vec<f64> { x.iter().zip(y).map(|(x, y)| x - y).collect() };
        let pair = Self { step: difference(new, old), fall: difference(&here.gradient, &there.gradient) };
        (dot(&pair.step, &pair.fall) > 0.0).then_some(pair)
    }
}
