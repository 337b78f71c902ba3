//! The weights of a mixture of known components, by maximum likelihood: a concave problem.
//!
//! With `L_ik` the likelihood of observation `i` under component `k`, minimise over `π ≥ 0`
//!
//! ```text
//! f(π) = Σ π_k − mean log (Lπ)_i,   ∂f/∂π_k = 1 − g_k,   g_k = mean L_ik/(Lπ)_i,   H = mean L_i L_iᵀ/(Lπ)_i²
//! ```
//!
//! whose minimum has `Σ π_k = 1` of itself, and `1 − g_k ≥ 0`, 0 where `π_k > 0` (Y. Kim, P. Carbonetto, M. Stephens
//! and M. Anitescu 2020, A fast algorithm for maximum likelihood estimation of mixture proportions using sequential
//! quadratic programming, *Journal of Computational and Graphical Statistics* 29, 261-273). EM would need thousands of
//! steps on a fine grid; a primal and dual interior-point method needs some twenty, each a system of equations in the
//! weights. Since `f` is convex, a step of EM from weights that sum to 1 is `π_k g_k`, and the mean log-likelihood is
//! within `max g_k − 1` of its maximum: that is the stopping rule.

/// The mean log-likelihood is at most this far from its maximum.
const GAP: f64 = 1e-11;

/// Interior-point steps; some twenty are needed.
const NEWTON_STEPS: usize = 100;

/// Steps of EM, should rounding have ended the interior-point method early.
const EM_STEPS: usize = 1000;

/// How far a step may go of the way to where a weight would be 0.
const SHORT_OF_ZERO: f64 = 0.99;

/// The part of the barrier that a step aims for.
const CENTRE: f64 = 0.1;

/// The best weights of `count` components, from likelihoods by rows, each row in units of its own.
pub(crate) fn best_weights(likelihoods: &[f64], count: usize) -> Vec<f64> {
    let mut best = interior(likelihoods, count);
    let mut found = Gradient::at(likelihoods, &best);
    // Weights that are smaller than what they would cost are on their way to 0.
    let trimmed: Vec<f64> =
        best.iter().zip(&found.gain).map(|(weight, gain)| if *weight < 1.0 - gain { 0.0 } else { *weight }).collect();
    let trimmed = normalised(trimmed);
    let trial = Gradient::at(likelihoods, &trimmed);
    if trial.gap() <= found.gap().max(GAP) {
        (best, found) = (trimmed, trial);
    }
    for _ in 0..EM_STEPS {
        if found.gap() <= GAP {
            break;
        }
        best = normalised(best.iter().zip(&found.gain).map(|(weight, gain)| weight * gain).collect());
        found = Gradient::at(likelihoods, &best);
    }
    best
}

/// Newton's method on `∂f/∂π = y`, `π_k y_k = μ`, with `π, y > 0` throughout and `μ` falling to 0.
fn interior(likelihoods: &[f64], count: usize) -> Vec<f64> {
    let mut weights = vec![1.0 / count as f64; count];
    let mut costs = vec![1.0; count];
    let (mut best, mut best_gap) = (weights.clone(), f64::INFINITY);
    for _ in 0..NEWTON_STEPS {
        let unit = normalised(weights.clone());
        let gap = Gradient::at(likelihoods, &unit).gap();
        if gap < best_gap {
            (best, best_gap) = (unit, gap);
        }
        if best_gap <= 0.1 * GAP {
            break;
        }
        let barrier =
            CENTRE * weights.iter().zip(&costs).map(|(weight, cost)| weight * cost).sum::<f64>() / count as f64;
        let found = Gradient::at(likelihoods, &weights);
        let mut hessian = found.hessian(likelihoods);
        for (index, (weight, cost)) in weights.iter().zip(&costs).enumerate() {
            hessian[index * count + index] += cost / weight;
        }
        let aim = weights.iter().zip(&found.gain).map(|(weight, gain)| gain - 1.0 + barrier / weight);
        let step = solve(hessian, aim.collect());
        let cost_step: Vec<f64> =
            (0..count).map(|index| (barrier - costs[index] * step[index]) / weights[index] - costs[index]).collect();
        let (length, cost_length) = (reach(&weights, &step), reach(&costs, &cost_step));
        if !(length > 0.0 && cost_length > 0.0) {
            break;
        }
        advance(&mut weights, length, &step);
        advance(&mut costs, cost_length, &cost_step);
    }
    best
}

/// `(Lπ)_i` and `g_k` at some weights.
struct Gradient {
    mixed: Vec<f64>,
    gain: Vec<f64>,
}

impl Gradient {
    fn at(likelihoods: &[f64], weights: &[f64]) -> Self {
        let rows = likelihoods.chunks_exact(weights.len());
        let number = rows.len() as f64;
        let mut gain = vec![0.0; weights.len()];
        let mix = |row: &[f64]| {
            let mixed: f64 = row.iter().zip(weights).map(|(likelihood, weight)| likelihood * weight).sum();
            gain.iter_mut().zip(row).for_each(|(gain, likelihood)| *gain += likelihood / mixed / number);
            mixed
        };
        Self { mixed: rows.map(mix).collect(), gain }
    }

    /// How far the mean log-likelihood may be from its maximum, at weights that sum to 1.
    fn gap(&self) -> f64 {
        self.gain.iter().copied().fold(0.0, f64::max) - 1.0
    }

    /// The lower triangle of `H`, by rows.
    fn hessian(&self, likelihoods: &[f64]) -> Vec<f64> {
        let count = self.gain.len();
        let mut hessian = vec![0.0; count * count];
        let mut scaled = vec![0.0; count];
        let share = 1.0 / (self.mixed.len() as f64).sqrt();
        for (row, mixed) in likelihoods.chunks_exact(count).zip(&self.mixed) {
            scaled.iter_mut().zip(row).for_each(|(scaled, likelihood)| *scaled = likelihood / mixed * share);
            for (index, line) in hessian.chunks_exact_mut(count).enumerate() {
                let weight = scaled[index];
                line[..=index].iter_mut().zip(&scaled).for_each(|(entry, other)| *entry += weight * other);
            }
        }
        hessian
    }
}

/// The solution of a positive definite system given by its lower triangle, by Cholesky's method.
///
/// Neighbours on a fine grid are alike to all digits: a pivot is kept above rounding.
fn solve(mut matrix: Vec<f64>, mut right: Vec<f64>) -> Vec<f64> {
    let count = right.len();
    for row in 0..count {
        let (done, rest) = matrix.split_at_mut(row * count);
        let line = &mut rest[..=row];
        let diagonal = line[row];
        for column in 0..row {
            let other = &done[column * count..column * count + column + 1];
            let product: f64 = line[..column].iter().zip(other).map(|(a, b)| a * b).sum();
            line[column] = (line[column] - product) / other[column];
        }
        let square: f64 = line[..row].iter().map(|entry| entry * entry).sum();
        line[row] = (diagonal - square).max(4.0 * f64::EPSILON * diagonal).max(f64::MIN_POSITIVE).sqrt();
        let known: f64 = line[..row].iter().zip(&right).map(|(a, b)| a * b).sum();
        right[row] = (right[row] - known) / line[row];
    }
    for row in (0..count).rev() {
        right[row] /= matrix[row * count + row];
        let value = right[row];
        right[..row].iter_mut().zip(&matrix[row * count..]).for_each(|(right, entry)| *right -= entry * value);
    }
    right
}

/// How long a step may be, at most 1, for all values to stay positive.
fn reach(values: &[f64], step: &[f64]) -> f64 {
    let room = |(value, step): (&f64, &f64)| if *step < 0.0 { -SHORT_OF_ZERO * value / step } else { 1.0 };
    values.iter().zip(step).map(room).fold(1.0, f64::min)
}

fn advance(values: &mut [f64], length: f64, step: &[f64]) {
    values.iter_mut().zip(step).for_each(|(value, step)| *value += length * step);
}

fn normalised(mut weights: Vec<f64>) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= total);
    weights
}
