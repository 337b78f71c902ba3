//! Maximum-likelihood weights of a mixture of known components, a concave problem, by an interior-point method.
//!
//! With `L_ik` the likelihood of observation `i` under component `k`, minimise over `π ≥ 0`
//!
//! ```text
//! f(π) = Σ π_k − mean log (Lπ)_i,   ∂f/∂π_k = 1 − g_k,   g_k = mean L_ik/(Lπ)_i,   H = mean L_i L_iᵀ/(Lπ)_i²
//! ```
//!
//! At the minimum `Σ π_k = 1`, and `1 − g_k ≥ 0` with equality where `π_k > 0` (Y. Kim, P. Carbonetto, M. Stephens
//! and M. Anitescu 2020, A fast algorithm for maximum likelihood estimation of mixture proportions using sequential
//! quadratic programming, *Journal of Computational and Graphical Statistics* 29, 261-273). EM would need thousands of
//! iterations on a fine grid; the primal-dual interior-point method needs about twenty, each a linear system of the
//! order of the weights. An EM step from weights that sum to 1 is `π_k g_k`. Since `f` is convex, the mean
//! log-likelihood is within `max g_k − 1` of its maximum, which is the stopping rule.

/// The tolerance of the mean log-likelihood, as its bounded distance from the maximum.
const GAP_TOLERANCE: f64 = 1e-11;

/// The maximum number of interior-point iterations; about twenty are needed.
const MAX_NEWTON_STEPS: usize = 100;

/// The maximum number of EM iterations, in case rounding ends the interior-point method early.
const MAX_EM_STEPS: usize = 1000;

/// The fraction of the distance to the boundary that a step may take.
const BOUNDARY_FRACTION: f64 = 0.99;

/// The centring parameter: the target of `μ`, relative to its current mean.
const CENTRING: f64 = 0.1;

/// Returns the weights of `count` components that maximise the likelihood. `likelihoods` holds a row for each
/// observation, each row up to a factor.
pub(crate) fn maximize_weights(likelihoods: &[f64], count: usize) -> Vec<f64> {
    let mut weights = interior_point(likelihoods, count);
    let mut gradient = Gradient::new(likelihoods, &weights);
    // Weights smaller than their dual slack converge to 0.
    let trimmed: Vec<f64> = weights
        .iter()
        .zip(&gradient.gain)
        .map(|(weight, gain)| if *weight < 1.0 - gain { 0.0 } else { *weight })
        .collect();
    let trimmed = normalised(trimmed);
    let trimmed_gradient = Gradient::new(likelihoods, &trimmed);
    if trimmed_gradient.gap() <= gradient.gap().max(GAP_TOLERANCE) {
        (weights, gradient) = (trimmed, trimmed_gradient);
    }
    for _ in 0..MAX_EM_STEPS {
        if gradient.gap() <= GAP_TOLERANCE {
            break;
        }
        weights = normalised(weights.iter().zip(&gradient.gain).map(|(weight, gain)| weight * gain).collect());
        gradient = Gradient::new(likelihoods, &weights);
    }
    weights
}

/// Newton's method on `∂f/∂π = y`, `π_k y_k = μ`, with `π, y > 0` throughout and `μ` decreasing to 0.
fn interior_point(likelihoods: &[f64], count: usize) -> Vec<f64> {
    let mut weights = vec![1.0 / count as f64; count];
    let mut duals = vec![1.0; count];
    let (mut best, mut best_gap) = (weights.clone(), f64::INFINITY);
    for _ in 0..MAX_NEWTON_STEPS {
        let unit = normalised(weights.clone());
        let gap = Gradient::new(likelihoods, &unit).gap();
        if gap < best_gap {
            (best, best_gap) = (unit, gap);
        }
        if best_gap <= 0.1 * GAP_TOLERANCE {
            break;
        }
        let barrier =
            CENTRING * weights.iter().zip(&duals).map(|(weight, dual)| weight * dual).sum::<f64>() / count as f64;
        let gradient = Gradient::new(likelihoods, &weights);
        let mut hessian = gradient.hessian(likelihoods);
        for (index, (weight, dual)) in weights.iter().zip(&duals).enumerate() {
            hessian[index * count + index] += dual / weight;
        }
        let right = weights.iter().zip(&gradient.gain).map(|(weight, gain)| gain - 1.0 + barrier / weight);
        let step = solve(hessian, right.collect());
        let dual_step: Vec<f64> =
            (0..count).map(|index| (barrier - duals[index] * step[index]) / weights[index] - duals[index]).collect();
        let (length, dual_length) = (max_step(&weights, &step), max_step(&duals, &dual_step));
        if !(length > 0.0 && dual_length > 0.0) {
            break;
        }
        advance(&mut weights, length, &step);
        advance(&mut duals, dual_length, &dual_step);
    }
    best
}

/// The mixture likelihoods `(Lπ)_i` and the gains `g_k` at some weights.
struct Gradient {
    mixture: Vec<f64>,
    gain: Vec<f64>,
}

impl Gradient {
    fn new(likelihoods: &[f64], weights: &[f64]) -> Self {
        let rows = likelihoods.chunks_exact(weights.len());
        let count = rows.len() as f64;
        let mut gain = vec![0.0; weights.len()];
        let mix = |row: &[f64]| {
            let mixture: f64 = row.iter().zip(weights).map(|(likelihood, weight)| likelihood * weight).sum();
            gain.iter_mut().zip(row).for_each(|(gain, likelihood)| *gain += likelihood / mixture / count);
            mixture
        };
        Self { mixture: rows.map(mix).collect(), gain }
    }

    /// Returns a bound on the distance of the mean log-likelihood from its maximum, for weights that sum to 1.
    fn gap(&self) -> f64 {
        self.gain.iter().copied().fold(0.0, f64::max) - 1.0
    }

    /// Returns the lower triangle of `H`, by rows.
    fn hessian(&self, likelihoods: &[f64]) -> Vec<f64> {
        let count = self.gain.len();
        let mut hessian = vec![0.0; count * count];
        let mut scaled = vec![0.0; count];
        let scale = 1.0 / (self.mixture.len() as f64).sqrt();
        for (row, mixture) in likelihoods.chunks_exact(count).zip(&self.mixture) {
            scaled.iter_mut().zip(row).for_each(|(scaled, likelihood)| *scaled = likelihood / mixture * scale);
            for (index, line) in hessian.chunks_exact_mut(count).enumerate() {
                let weight = scaled[index];
                line[..=index].iter_mut().zip(&scaled).for_each(|(entry, other)| *entry += weight * other);
            }
        }
        hessian
    }
}

/// Solves a positive definite system, given by its lower triangle, by Cholesky decomposition.
///
/// Neighbours on a fine grid are equal to all digits, so pivots are bounded below by the rounding error.
fn solve(mut matrix: Vec<f64>, mut right: Vec<f64>) -> Vec<f64> {
    let count = right.len();
    for row in 0..count {
        let (above, below) = matrix.split_at_mut(row * count);
        let line = &mut below[..=row];
        let diagonal = line[row];
        for column in 0..row {
            let other = &above[column * count..column * count + column + 1];
            let product: f64 = line[..column].iter().zip(other).map(|(a, b)| a * b).sum();
            line[column] = (line[column] - product) / other[column];
        }
        let square: f64 = line[..row].iter().map(|entry| entry * entry).sum();
        line[row] = (diagonal - square).max(4.0 * f64::EPSILON * diagonal).max(f64::MIN_POSITIVE).sqrt();
        let substituted: f64 = line[..row].iter().zip(&right).map(|(a, b)| a * b).sum();
        right[row] = (right[row] - substituted) / line[row];
    }
    for row in (0..count).rev() {
        right[row] /= matrix[row * count + row];
        let value = right[row];
        right[..row].iter_mut().zip(&matrix[row * count..]).for_each(|(right, entry)| *right -= entry * value);
    }
    right
}

/// Returns the largest step length, at most 1, that keeps all values positive.
fn max_step(values: &[f64], step: &[f64]) -> f64 {
    let limit = |(value, step): (&f64, &f64)| if *step < 0.0 { -BOUNDARY_FRACTION * value / step } else { 1.0 };
    values.iter().zip(step).map(limit).fold(1.0, f64::min)
}

fn advance(values: &mut [f64], length: f64, step: &[f64]) {
    values.iter_mut().zip(step).for_each(|(value, step)| *value += length * step);
}

fn normalised(mut weights: Vec<f64>) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= total);
    weights
}
