//! Projected L-BFGS with box constraints, for maximisation. The value never decreases.
//!
//! L-BFGS two-loop recursion on the free coordinates, with the current diagonal curvature as initial inverse Hessian
//! (D. C. Liu and J. Nocedal 1989, On the limited memory BFGS method for large scale optimization, *Mathematical
//! Programming* 45, 503-528). Coordinates whose own Newton step would leave the box take that step, projected (D. P.
//! Bertsekas 1982, Projected Newton methods for optimization problems with simple constraints, *SIAM Journal on Control
//! and Optimization* 20, 221-246). A backtracking line search accepts a step by the Armijo rule or, if rounding hides
//! the gain, by the decrease of the slope along the step.

use crate::optim::preconditioner::Preconditioner;
use crate::runtime::cancel::catch_cancellation;
use crate::vector::{add_scaled, dot};
use std::collections::VecDeque;
use std::ops::ControlFlow;

/// The objective evaluated at a point, with results `P` that the optimizer only hands on.
pub(crate) struct Evaluation<P> {
    /// The value.
    pub(crate) value: f64,
    /// The gradient.
    pub(crate) gradient: Vec<f64>,
    /// An estimate of minus the inverse of the Hessian.
    pub(crate) preconditioner: Preconditioner,
    /// The number that gains are divided by in the stopping rule, such as the number of observations.
    pub(crate) scale: f64,
    /// Other results of the evaluation.
    pub(crate) payload: P,
}

/// The box, and the largest steps.
pub(crate) struct BoxConstraints {
    /// The lower bound of each coordinate.
    pub(crate) lower: Vec<f64>,
    /// The upper bound of each coordinate.
    pub(crate) upper: Vec<f64>,
    /// The largest change of each coordinate in one iteration; may be infinite.
    pub(crate) max_step: Vec<f64>,
}

/// When an iteration stops.
#[derive(Clone, Copy, Debug)]
pub struct StopRule {
    /// It has converged if the gain per entry and the scaled projected gradient are at most this, or if the gain per entry of
    /// the last ten steps together is.
    pub tolerance: f64,
    /// Maximum number of iterations.
    pub max_iterations: usize,
    /// A value to reach: it is given up if the iterations left, with as much gain as the last three, would not reach it.
    pub target: f64,
}

impl StopRule {
    /// Returns a rule without a value to reach.
    pub const fn new(tolerance: f64, max_iterations: usize) -> Self {
        Self { tolerance, max_iterations, target: f64::NEG_INFINITY }
    }

    /// Returns whether the target would be missed, given the latest values.
    fn is_out_of_reach(&self, iteration: usize, values: &VecDeque<f64>) -> bool {
        let (Some(last), Some(earlier)) = (values.back(), values.iter().rev().nth(OUTLOOK)) else { return false };
        let steps_left = (self.max_iterations - iteration) as f64;
        last + (last - earlier) / OUTLOOK as f64 * steps_left < self.target
    }
}

/// The reason for termination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Termination<B> {
    /// The stopping rule holds.
    Converged,
    /// No step increases the value, and the projected gradient is not small.
    Stalled,
    /// The maximum number of iterations was reached, or would not suffice for the target.
    MaxIterations,
    /// An evaluation was cancelled (see [`crate::runtime::cancel`]).
    Cancelled,
    /// The callback stopped the optimization.
    Stopped(B),
}

/// The best point found.
pub(crate) struct Maximum<P, B> {
    /// The point.
    pub(crate) x: Vec<f64>,
    /// The evaluation at the point.
    pub(crate) evaluation: Evaluation<P>,
    /// The reason for termination.
    pub(crate) termination: Termination<B>,
}

/// The maximum number of curvature pairs, and the number that is kept whatever their size.
const MEMORY: [usize; 2] = [12, 4];
/// The maximum number of values in the pairs beyond those: above some hundred thousand coordinates, fewer are kept.
const MAX_MEMORY_VALUES: usize = 1 << 24;
/// The minimum gain of an accepted step, relative to the predicted gain.
const ARMIJO: f64 = 1e-4;
/// Below this fraction of the predicted gain, the trust radius is reduced.
const POOR_GAIN: f64 = 0.1;
/// Above this fraction of the predicted gain, the trust radius may grow.
const GOOD_GAIN: f64 = 0.3;
/// The maximum number of backtracking steps.
const MAX_BACKTRACKS: usize = 40;
/// The number of steps whose gain decides convergence without regard to the gradient: along a flat ridge the gradient
/// vanishes slowly.
const WINDOW: usize = 10;
/// The number of steps whose gain tells what later ones will gain at most.
const OUTLOOK: usize = 3;
/// The relative rounding error of a value.
const ROUNDING: f64 = 1e-14;

/// Maximises from `start`, projected onto the box.
///
/// `coordinate_scale` returns the scale of each coordinate at a point, for the projected gradient of the stopping rule.
/// `on_step` is called before the first iteration with 0 and after each with its number, and may stop the optimization.
pub(crate) fn maximize<P, B>(
    start: Vec<f64>,
    constraints: &BoxConstraints,
    stop: &StopRule,
    mut evaluate: impl FnMut(&[f64]) -> Evaluation<P>,
    coordinate_scale: impl Fn(&[f64]) -> Vec<f64>,
    mut on_step: impl FnMut(usize, &[f64], &Evaluation<P>) -> ControlFlow<B>,
) -> Maximum<P, B> {
    let mut x = constraints.project(start.into_iter());
    let mut evaluation = evaluate(&x);
    let mut search = Search { constraints, pairs: Vec::new(), radius: f64::INFINITY };
    let [largest, smallest] = MEMORY;
    let max_pairs = (MAX_MEMORY_VALUES / (2 * x.len().max(1))).clamp(smallest, largest);
    let small_gradient = |x: &[f64], evaluation: &Evaluation<P>, tolerance: f64| {
        constraints.scaled_projected_gradient(x, evaluation, &coordinate_scale(x)) <= tolerance
    };
    if let ControlFlow::Break(reason) = on_step(0, &x, &evaluation) {
        return Maximum { x, evaluation, termination: Termination::Stopped(reason) };
    }
    let mut values = VecDeque::from([evaluation.value]);
    for iteration in 1..=stop.max_iterations {
        let free = constraints.free_coordinates(&x, &evaluation);
        let step = catch_cancellation(|| search.line_search(&x, &evaluation, &free, &mut evaluate));
        let Some(step) = step else {
            return Maximum { x, evaluation, termination: Termination::Cancelled };
        };
        let Some((next, next_evaluation)) = step else {
            // Rounding hides the gains of steps that are accurate to half of the digits.
            let converged = small_gradient(&x, &evaluation, stop.tolerance.sqrt());
            let termination = if converged { Termination::Converged } else { Termination::Stalled };
            return Maximum { x, evaluation, termination };
        };
        let gain = next_evaluation.value - evaluation.value;
        search.pairs.extend(CurvaturePair::new(&x, &next, &evaluation.gradient, &next_evaluation.gradient));
        if search.pairs.len() > max_pairs {
            search.pairs.remove(0);
        }
        (x, evaluation) = (next, next_evaluation);
        if let ControlFlow::Break(reason) = on_step(iteration, &x, &evaluation) {
            return Maximum { x, evaluation, termination: Termination::Stopped(reason) };
        }
        values.push_back(evaluation.value);
        let is_flat = values.len() > WINDOW
            && values
                .pop_front()
                .is_some_and(|earlier| evaluation.value - earlier <= stop.tolerance * evaluation.scale);
        let is_stationary =
            gain <= stop.tolerance * evaluation.scale && small_gradient(&x, &evaluation, stop.tolerance);
        if is_flat || is_stationary {
            return Maximum { x, evaluation, termination: Termination::Converged };
        }
        if stop.is_out_of_reach(iteration, &values) {
            break;
        }
    }
    Maximum { x, evaluation, termination: Termination::MaxIterations }
}

impl BoxConstraints {
    /// Projects a point onto the box.
    fn project(&self, point: impl Iterator<Item = f64>) -> Vec<f64> {
        let bounds = self.lower.iter().zip(&self.upper);
        point.zip(bounds).map(|(x, (lower, upper))| x.clamp(*lower, *upper)).collect()
    }

    /// Returns `x + length · direction`, projected onto the box.
    fn step(&self, x: &[f64], direction: &[f64], length: f64) -> Vec<f64> {
        self.project(x.iter().zip(direction).map(|(x, direction)| x + length * direction))
    }

    /// Returns which coordinates are free: those whose own Newton step stays inside the box.
    fn free_coordinates<P>(&self, x: &[f64], evaluation: &Evaluation<P>) -> Vec<bool> {
        let Evaluation { gradient, preconditioner, .. } = evaluation;
        let is_free = |i: usize| {
            let newton = x[i] + preconditioner.diagonal[i] * gradient[i];
            newton > self.lower[i] && newton < self.upper[i]
        };
        (0..x.len()).map(is_free).collect()
    }

    /// Returns the largest projected Newton step of a single coordinate, in units of `scale`.
    fn scaled_projected_gradient<P>(&self, x: &[f64], evaluation: &Evaluation<P>, scale: &[f64]) -> f64 {
        let Evaluation { gradient, preconditioner, .. } = evaluation;
        let newton: Vec<f64> =
            gradient.iter().zip(&preconditioner.diagonal).map(|(slope, inverse)| slope * inverse).collect();
        let next = self.step(x, &newton, 1.0);
        next.iter().zip(x).zip(scale).map(|((next, x), scale)| (next - x).abs() / scale).fold(0.0, f64::max)
    }
}

/// The state of the optimizer beside the current point.
struct Search<'a> {
    constraints: &'a BoxConstraints,
    /// Curvature pairs, the oldest first.
    pairs: Vec<CurvaturePair>,
    /// The trust radius, a bound of the length of the first trial step.
    radius: f64,
}

impl Search<'_> {
    /// Backtracking line search. Returns the accepted point with its evaluation, or `None` if no step increases the
    /// value, even along the gradient preconditioned by the diagonal alone.
    fn line_search<P>(
        &mut self,
        x: &[f64],
        current: &Evaluation<P>,
        free: &[bool],
        evaluate: &mut impl FnMut(&[f64]) -> Evaluation<P>,
    ) -> Option<(Vec<f64>, Evaluation<P>)> {
        let rounding = ROUNDING * (current.value.abs() + current.scale);
        let mut coupled = true;
        loop {
            let direction = self.direction(current, free, coupled);
            let length = current.preconditioner.norm(&direction);
            let mut step = (self.radius / length).min(1.0);
            for trial in 0..MAX_BACKTRACKS {
                let next = self.constraints.step(x, &direction, step);
                let slope_along_step = |gradient: &[f64]| -> f64 {
                    next.iter().zip(x).zip(gradient).map(|((next, x), slope)| (next - x) * slope).sum()
                };
                let predicted_gain = slope_along_step(&current.gradient);
                if predicted_gain <= 0.0 {
                    break;
                }
                let evaluation = evaluate(&next);
                let gain = evaluation.value - current.value;
                if gain >= ARMIJO * predicted_gain && gain > 0.0 {
                    if trial > 0 || gain < POOR_GAIN * predicted_gain {
                        self.radius = step * length;
                    } else if self.radius <= 2.0 * step * length && gain > GOOD_GAIN * predicted_gain {
                        self.radius *= 3.0;
                    }
                    return Some((next, evaluation));
                }
                // A predicted gain below the rounding error cannot be verified; the slope must decrease instead.
                let unverifiable = predicted_gain <= rounding && gain >= -rounding && gain.is_finite();
                if unverifiable && slope_along_step(&evaluation.gradient).abs() < 0.9 * predicted_gain {
                    return Some((next, evaluation));
                }
                step *= if gain.is_finite() {
                    (predicted_gain / (2.0 * (predicted_gain - gain))).clamp(0.1, 0.5)
                } else {
                    0.1
                };
            }
            // A projected step of coupled coordinates need not gain; one of single coordinates does.
            if !self.pairs.is_empty() {
                self.pairs.clear();
            } else if coupled {
                coupled = false;
            } else {
                return None;
            }
        }
    }

    /// Returns the L-BFGS direction of the free coordinates and the diagonal Newton direction of the others.
    fn direction<P>(&self, current: &Evaluation<P>, free: &[bool], coupled: bool) -> Vec<f64> {
        let Evaluation { gradient, preconditioner, .. } = current;
        let mask = |x: &mut [f64]| x.iter_mut().zip(free).filter(|(_, free)| !**free).for_each(|(x, _)| *x = 0.0);
        // Vectors multiplied with a pair are zero outside the free coordinates, so the pairs need no masked copies.
        let mut residual = gradient.clone();
        let mut curvature = |pair: &CurvaturePair| {
            residual.copy_from_slice(&pair.s);
            mask(&mut residual);
            dot(&residual, &pair.y)
        };
        let curvatures: Vec<f64> = self.pairs.iter().map(&mut curvature).collect();
        let pairs: Vec<(&CurvaturePair, f64)> =
            self.pairs.iter().zip(curvatures).filter(|(_, curvature)| *curvature > 0.0).collect();
        residual.copy_from_slice(gradient);
        mask(&mut residual);
        let mut alphas = vec![0.0; pairs.len()];
        for (alpha, (pair, curvature)) in alphas.iter_mut().zip(&pairs).rev() {
            *alpha = dot(&pair.s, &residual) / curvature;
            add_scaled(&mut residual, -*alpha, &pair.y);
            mask(&mut residual);
        }
        let mut direction = preconditioner.apply(&residual, free, coupled);
        for (alpha, (pair, curvature)) in alphas.iter().zip(&pairs) {
            let correction = alpha - dot(&pair.y, &direction) / curvature;
            add_scaled(&mut direction, correction, &pair.s);
            mask(&mut direction);
        }
        for (i, free) in free.iter().enumerate() {
            if !free {
                direction[i] = preconditioner.diagonal[i] * gradient[i];
            }
        }
        // Coordinates with a largest step are shortened by a common factor: separate factors could turn the direction
        // into one of descent.
        let max_step = &self.constraints.max_step;
        let factors = max_step.iter().zip(&direction).map(|(max_step, step)| max_step / step.abs());
        let factor = factors.fold(1.0, f64::min);
        for (step, max_step) in direction.iter_mut().zip(max_step) {
            if max_step.is_finite() {
                *step *= factor;
            }
        }
        direction
    }
}

/// A step `s` and the decrease `y` of the gradient along it.
struct CurvaturePair {
    s: Vec<f64>,
    y: Vec<f64>,
}

impl CurvaturePair {
    /// Returns the pair between two points; `None` unless the function is concave between them.
    fn new(old: &[f64], new: &[f64], old_gradient: &[f64], new_gradient: &[f64]) -> Option<Self> {
        let difference = |x: &[f64], y: &[f64]| -> Vec<f64> { x.iter().zip(y).map(|(x, y)| x - y).collect() };
        let pair = Self { s: difference(new, old), y: difference(old_gradient, new_gradient) };
        (dot(&pair.s, &pair.y) > 0.0).then_some(pair)
    }
}

#[cfg(test)]
mod tests {
    use crate::optim::lbfgs::{maximize, BoxConstraints, Evaluation, Maximum, StopRule, Termination};
    use crate::optim::preconditioner::Preconditioner;
    use crate::runtime::cancel::{install, Request};
    use std::ops::ControlFlow;

    const STOP: StopRule = StopRule::new(1e-12, 500);

    fn constraints(lower: &[f64], upper: &[f64]) -> BoxConstraints {
        BoxConstraints { lower: lower.to_vec(), upper: upper.to_vec(), max_step: vec![f64::INFINITY; lower.len()] }
    }

    fn run(
        start: &[f64],
        constraints: &BoxConstraints,
        evaluate: impl FnMut(&[f64]) -> Evaluation<()>,
    ) -> Maximum<(), ()> {
        let mut values = Vec::new();
        let maximum = maximize(
            start.to_vec(),
            constraints,
            &STOP,
            evaluate,
            |x| vec![1.0; x.len()],
            |iteration, x, evaluation| {
                assert_eq!(iteration, values.len());
                let bounds = constraints.lower.iter().zip(&constraints.upper);
                assert!(x.iter().zip(bounds).all(|(x, (lower, upper))| lower <= x && x <= upper));
                values.push(evaluation.value);
                ControlFlow::Continue(())
            },
        );
        let rounding = 1e-14 * (values[0].abs() + 1.0);
        assert!(values.windows(2).all(|pair| pair[1] >= pair[0] - rounding), "{values:?}");
        maximum
    }

    /// `−½ (x − c)ᵀ H (x − c)` with `H` tridiagonal, 2 + i on the diagonal and −1 beside it; `c_i = i`.
    fn quadratic(x: &[f64], with_pair: bool) -> Evaluation<()> {
        let n = x.len();
        let diagonal = |i: usize| 2.0 + i as f64;
        let offset: Vec<f64> = x.iter().enumerate().map(|(i, x)| x - i as f64).collect();
        let product = |i: usize| {
            let before = if i > 0 { offset[i - 1] } else { 0.0 };
            let after = if i + 1 < n { offset[i + 1] } else { 0.0 };
            diagonal(i) * offset[i] - before - after
        };
        let gradient: Vec<f64> = (0..n).map(|i| -product(i)).collect();
        Evaluation {
            value: 0.5 * gradient.iter().zip(&offset).map(|(slope, offset)| slope * offset).sum::<f64>(),
            gradient,
            preconditioner: Preconditioner {
                couplings: Vec::new(),
                diagonal: (0..n).map(|i| 1.0 / diagonal(i)).collect(),
                pair: with_pair.then(|| [-diagonal(n - 2), 1.0, -diagonal(n - 1)]),
            },
            scale: 1.0,
            payload: (),
        }
    }

    #[test]
    fn a_coupled_step_that_leaves_the_box_does_not_stall() {
        // The Newton step of the pair is (−10, −13) and leaves the box in the last coordinate, the gradient of the first one is
        // positive: projected, the step leads downhill.
        let minus_hessian = [[1.0, -0.95], [-0.95, 1.0]];
        let evaluate = |x: &[f64]| {
            let offset = [x[0] + 10.0, x[1] + 13.0];
            let slope = |row: [f64; 2]| -(row[0] * offset[0] + row[1] * offset[1]);
            let gradient: Vec<f64> = minus_hessian.map(slope).to_vec();
            Evaluation {
                value: 0.5 * (gradient[0] * offset[0] + gradient[1] * offset[1]),
                gradient,
                preconditioner: Preconditioner {
                    couplings: Vec::new(),
                    diagonal: vec![1.0; 2],
                    pair: Some([-1.0, 0.95, -1.0]),
                },
                scale: 1.0,
                payload: (),
            }
        };
        let maximum = run(&[0.0, 0.0], &constraints(&[-100.0, -0.7], &[100.0, 100.0]), evaluate);
        assert_eq!(maximum.termination, Termination::Converged);
        assert_close(&maximum.x, &[1.685, -0.7]);
    }

    /// Minus the Rosenbrock function, with its maximum 0 at (1, 1).
    fn rosenbrock(x: &[f64]) -> Evaluation<()> {
        let (a, b) = (x[0], x[1]);
        let c = b - a * a;
        Evaluation {
            value: -(1.0 - a).powi(2) - 100.0 * c * c,
            gradient: vec![2.0 * (1.0 - a) + 400.0 * a * c, -200.0 * c],
            preconditioner: Preconditioner::diagonal(vec![1.0 / (2.0 + 800.0 * a * a), 1.0 / 200.0]),
            scale: 1.0,
            payload: (),
        }
    }

    fn assert_close(x: &[f64], expected: &[f64]) {
        assert!(x.iter().zip(expected).all(|(x, expected)| (x - expected).abs() < 1e-8), "{x:?}, not {expected:?}");
    }

    #[test]
    fn an_interior_maximum_of_a_quadratic_is_found() {
        for with_pair in [false, true] {
            let wide = constraints(&[-100.0; 6], &[100.0; 6]);
            let maximum = run(&[50.0; 6], &wide, |x| quadratic(x, with_pair));
            assert_eq!(maximum.termination, Termination::Converged);
            assert_close(&maximum.x, &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        }
    }

    #[test]
    fn bounds_are_active_at_a_constrained_maximum() {
        // With the last coordinate held at 1, the other two solve 2(x₀ − 0) = x₁ − 1 and 3(x₁ − 1) = x₀ + (1 − 2).
        let box3 = constraints(&[-9.0; 3], &[9.0, 9.0, 1.0]);
        let maximum = run(&[5.0, -5.0, 0.0], &box3, |x| quadratic(x, false));
        assert_eq!(maximum.termination, Termination::Converged);
        assert_close(&maximum.x, &[-0.2, 0.6, 1.0]);
    }

    #[test]
    fn the_rosenbrock_function_is_maximized_in_a_box() {
        let wide = run(&[-1.2, 1.0], &constraints(&[-2.0; 2], &[2.0; 2]), rosenbrock);
        assert_eq!(wide.termination, Termination::Converged);
        assert_close(&wide.x, &[1.0, 1.0]);
        let narrow = run(&[-1.2, 1.0], &constraints(&[-2.0; 2], &[0.5, 2.0]), rosenbrock);
        assert_eq!(narrow.termination, Termination::Converged);
        assert_close(&narrow.x, &[0.5, 0.25]);
    }

    #[test]
    fn steps_are_no_longer_than_allowed() {
        let limited = BoxConstraints { max_step: vec![0.1; 2], ..constraints(&[-9.0; 2], &[9.0; 2]) };
        let mut previous = vec![3.0; 2];
        let maximum = maximize(
            previous.clone(),
            &limited,
            &STOP,
            |x| quadratic(x, true),
            |x| vec![1.0; x.len()],
            |_, x, _| {
                assert!(x.iter().zip(&previous).all(|(x, previous)| (x - previous).abs() <= 0.1 + 1e-12));
                previous = x.to_vec();
                ControlFlow::<()>::Continue(())
            },
        );
        assert_close(&maximum.x, &[0.0, 1.0]);
    }

    #[test]
    fn the_callback_and_cancellation_stop_the_optimization() {
        let wide = constraints(&[-9.0; 2], &[9.0; 2]);
        let stopped_at = |last: usize| {
            let on_step = |iteration: usize, _: &[f64], _: &Evaluation<()>| match iteration == last {
                true => ControlFlow::Break("enough"),
                false => ControlFlow::Continue(()),
            };
            maximize(vec![-1.2, 1.0], &wide, &STOP, rosenbrock, |_| vec![1.0; 2], on_step)
        };
        assert_eq!(stopped_at(0).x, [-1.2, 1.0]);
        let (second, third) = (stopped_at(2), stopped_at(3));
        assert_eq!([second.termination, third.termination], [Termination::Stopped("enough"); 2]);
        assert!(third.evaluation.value > second.evaluation.value);

        let mut evaluations = 0;
        let _installed = install(|| Request::Cancel);
        let cancelled = run(&[-1.2, 1.0], &wide, |x| {
            evaluations += 1;
            if evaluations > 5 {
                crate::runtime::cancel::check();
            }
            rosenbrock(x)
        });
        assert_eq!(cancelled.termination, Termination::Cancelled);
    }
}
