//! The exponentially modified Gaussian (EMG): the distribution of `x = b + e` with `b ~ Exp(λ)`, `e ~ N(0, σ²)`.

use crate::noise::Noise;
use crate::normal::{density, HALF_LOG_TAU};
use crate::tail::tail;

/// The log-density at `x`: `log λ + λ²σ²/2 − λx + log Φ(z)`, `z = x/σ − λσ`.
///
/// To the left of `z = 0` the exponents are joined, `λ²σ²/2 − λx − z²/2 = −½ (x/σ)²`, so that nothing large cancels.
pub fn log_density(x: f64, noise: Noise) -> f64 {
    let scaled = x / noise.sigma;
    let lambda_sigma = noise.lambda * noise.sigma;
    let z = scaled - lambda_sigma;
    let kernel = if z < 0.0 {
        let a = -z;
        -0.5 * scaled * scaled - HALF_LOG_TAU - (a + tail(a).gap()).ln()
    } else {
        let w = z + tail(z).gap();
        -0.5 * lambda_sigma * (scaled + z) + (-density(z) / w).ln_1p()
    };
    noise.lambda.ln() + kernel
}
