//! The exponentially modified Gaussian (EMG): the distribution of `x = b + e` with `b ~ Exp(λ)`, `e ~ N(0, σ²)`.
//!
//! In units of σ, with `t = x/σ`, `k = λσ` and `z = t − k`,
//!
//! ```text
//! density       g(t) = k exp(k²/2 − kt) Φ(z)
//! lower tail    F(t) = Φ(t) − exp(k²/2 − kt) Φ(z)
//! upper tail    S(t) = Φ(−t) + exp(k²/2 − kt) Φ(z)
//! ```
//!
//! `S` is a sum of positive terms. `F` as written suffers from cancellation, and is rewritten as such a sum. All functions use
//! the Mills ratio `M(a) = Φ(−a)/φ(a)` for `a ≥ 0` and its derivative `M′(a) = a M(a) − 1 < 0`:
//!
//! ```text
//! t ≤ 0           F = φ(t) [M(−t) − M(k − t)]
//! 0 < t, z < 0    S = φ(t) [M(t) + M(k − t)],   F = [Φ(t) − ½] + φ(t) [M(0) − M(k − t)] + ½ [1 − exp(−t²/2)]
//! 0 ≤ z           S = exp(k²/2 − kt) Φ(z) [1 + M(t) φ(z)/Φ(z)],   F = [Φ(t) − Φ(z)] + [1 − exp(k²/2 − kt)] Φ(z)
//! ```
//!
//! A difference of `M` or of `Φ` is the integral of a smooth, positive derivative. It is computed by Gauss–Legendre quadrature
//! wherever subtraction would lose digits. The smaller of `F` and `S` is computed, and the other is its complement. All digits
//! are kept for `|t|` and `k` up to 1e150 and `k` from 1e-150.

use crate::distributions::mills::{density, tail, truncated_moments, HALF_LOG_TAU};
use crate::distributions::simd::SQRT_TAU;
use crate::noise::ResidualParams;
use std::f64::consts::LN_2;

/// The log-density at `x`: `log λ + λ²σ²/2 − λx + log Φ(z)`, `z = x/σ − λσ`.
///
/// For `z < 0` the exponents are combined, `λ²σ²/2 − λx − z²/2 = −½ (x/σ)²`, to avoid cancellation.
pub fn log_density(x: f64, params: ResidualParams) -> f64 {
    let scaled = x / params.sigma;
    let lambda_sigma = params.lambda * params.sigma;
    let z = scaled - lambda_sigma;
    let kernel = if z < 0.0 {
        let a = -z;
        -0.5 * scaled * scaled - HALF_LOG_TAU - (a + tail(a).gap()).ln()
    } else {
        let w = z + tail(z).gap();
        -0.5 * lambda_sigma * (scaled + z) + (-density(z) / w).ln_1p()
    };
    params.lambda.ln() + kernel
}

/// A tail of the distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `P(X ≤ x)`.
    Lower,
    /// `P(X > x)`.
    Upper,
}

/// The log of the probability of a tail at `x`.
pub fn log_probability(x: f64, params: ResidualParams, side: Side) -> f64 {
    let tails = Tails::at(x / params.sigma, params.lambda * params.sigma);
    match side {
        Side::Lower => tails.lower,
        Side::Upper => tails.upper,
    }
}

/// The `x` at which a tail has log-probability `log_p`; NaN if `log_p` is positive.
///
/// Newton's method on the log of the smaller tail. The density is log-concave, and so are both tails. Started where the tail
/// is too small, all steps point inwards and never pass the solution. A step in the other direction is due to rounding and
/// ends the iteration; no bracket is needed.
pub fn quantile(log_p: f64, params: ResidualParams, side: Side) -> f64 {
    if log_p > -LN_2 && log_p < 0.0 {
        let other = if side == Side::Lower { Side::Upper } else { Side::Lower };
        return quantile((-log_p.exp_m1()).ln().min(-LN_2), params, other);
    }
    let end = if side == Side::Lower { f64::NEG_INFINITY } else { f64::INFINITY };
    if log_p == 0.0 {
        return -end;
    }
    if log_p == f64::NEG_INFINITY {
        return end;
    }
    if log_p.is_nan() || log_p > 0.0 {
        return f64::NAN;
    }
    let k = params.lambda * params.sigma;
    let mut t = if side == Side::Lower { lower_start(log_p, k) } else { upper_start(log_p, k) };
    for _ in 0..MAX_STEPS {
        let tails = Tails::at(t, k);
        let (next, inwards) = match side {
            Side::Lower => {
                let next = t + (log_p - tails.lower) / tails.lower_derivative;
                (next, next > t)
            }
            Side::Upper => {
                let next = t - (log_p - tails.upper) / tails.upper_derivative;
                (next, next < t)
            }
        };
        if !inwards {
            break;
        }
        t = next;
    }
    t * params.sigma
}

/// A safeguard: about ten steps suffice.
const MAX_STEPS: usize = 200;

/// A `t` with `F(t) ≤ p ≤ ½`.
///
/// `F(t) ≤ Φ(t) ≤ ½ exp(−t²/2)` for `t ≤ 0`, and `F(t) ≤ E[k (t − e)₊] = k (t Φ(t) + φ(t))`, which is at most `k φ(t)` for
/// `t ≤ 0` and `k (t + φ(0))` for `t ≥ 0`.
fn lower_start(log_p: f64, k: f64) -> f64 {
    let reach = (k / SQRT_TAU).min(0.5).ln() - log_p;
    if reach >= 0.0 {
        -(2.0 * reach).sqrt()
    } else {
        log_p.exp() / k - 1.0 / SQRT_TAU
    }
}

/// A `t` with `S(t) ≤ p ≤ ½`.
///
/// `S(t) ≤ exp(−t²/2)` for `0 ≤ t ≤ k`, because `φ(t) M` is at most half of that for either ratio. Beyond `k`, each of the
/// two terms of `S` is at most `p/2` at the `t` returned.
fn upper_start(log_p: f64, k: f64) -> f64 {
    let reach = (-2.0 * log_p).sqrt();
    if reach <= k {
        reach
    } else {
        0.5 * k + (LN_2 - log_p) / k
    }
}

/// The logs of both tails and their derivatives in `t`; that of the upper one with its sign changed.
struct Tails {
    lower: f64,
    upper: f64,
    lower_derivative: f64,
    upper_derivative: f64,
}

impl Tails {
    fn at(t: f64, k: f64) -> Self {
        let log_density = log_density(t, ResidualParams { lambda: k, sigma: 1.0 });
        if t <= 0.0 {
            let drop = mean_drop(-t, k);
            // The product underflows only where the square dominates by far.
            let lower = -0.5 * t * t - HALF_LOG_TAU + (k * drop).max(f64::MIN_POSITIVE).ln();
            let upper = (-lower.exp()).ln_1p() + 0.0;
            let lower_derivative = mills(k - t) / drop;
            return Self { lower, upper, lower_derivative, upper_derivative: (log_density - upper).exp() };
        }
        let z = t - k;
        let (mut upper, upper_derivative) = if z < 0.0 {
            let sum = mills(t) + mills(-z);
            (-0.5 * t * t - HALF_LOG_TAU + sum.ln(), k * mills(-z) / sum)
        } else {
            let above = truncated_moments(z);
            let ratio = mills(t) * above.hazard;
            (-k * (t - 0.5 * k) + above.log_mass + ratio.ln_1p(), k / (1.0 + ratio))
        };
        let lower = if upper < -LN_2 {
            (-upper.exp()).ln_1p() + 0.0
        } else {
            let lower = small_lower(t, k);
            upper = (-lower).ln_1p();
            lower.ln()
        };
        Self { lower, upper, lower_derivative: (log_density - lower).exp(), upper_derivative }
    }
}

/// `F(t)` for `t > 0` where it is below a half, so that `t` or `k` is small, by sums of positive terms.
fn small_lower(t: f64, k: f64) -> f64 {
    let z = t - k;
    if z < 0.0 {
        let body = t * mean(density, 0.0, t);
        body - z * mean_drop(0.0, -z) * density(t) - 0.5 * (-0.5 * t * t).exp_m1()
    } else {
        let body = k * mean(density, z, k);
        body - (-k * (t - 0.5 * k)).exp_m1() * truncated_moments(z).log_mass.exp()
    }
}

/// `M(a)` for `a ≥ 0`.
fn mills(a: f64) -> f64 {
    1.0 / (a + tail(a).gap())
}

/// `[M(a) − M(a + k)]/k`, the mean of `−M′ = 1 − s M(s) = G/(s + G)` from `a` to `a + k`.
fn mean_drop(a: f64, k: f64) -> f64 {
    if k > 1.0 + a {
        return (mills(a) - mills(a + k)) / k;
    }
    let derivative = |s: f64| {
        let gap = tail(s).gap();
        gap / (s + gap)
    };
    mean(derivative, a, k)
}

/// The mean of `f` from `from` to `from + width`, by Gauss–Legendre quadrature with 12 points.
fn mean(f: impl Fn(f64) -> f64, from: f64, width: f64) -> f64 {
    let pair =
        |&(node, weight): &(f64, f64)| weight * (f(from + width * (0.5 - node)) + f(from + width * (0.5 + node)));
    LEGENDRE.iter().map(pair).sum()
}

/// Nodes on `(0, ½)`, each of which stands for two around the middle of `[0, 1]`, and their weights.
const LEGENDRE: [(f64, f64); 6] = [
    (0.062_616_704_255_734_46, 0.124_573_522_906_701_39),
    (0.183_915_749_499_090_1, 0.116_746_268_269_177_4),
    (0.293_658_977_143_308_7, 0.101_583_713_361_532_96),
    (0.384_951_337_097_152_34, 0.080_039_164_271_673_11),
    (0.452_058_628_185_237_43, 0.053_469_662_997_659_21),
    (0.490_780_317_123_359_6, 0.023_587_668_193_255_914),
];
