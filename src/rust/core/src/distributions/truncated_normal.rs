//! Moments of the normal distribution truncated to `[0, ∞)`, which is the posterior of `b`, and draws from it.
//!
//! Draws are exact, by rejection (C. P. Robert 1995, Simulation of truncated normal variables, *Statistics and Computing*
//! 5, 121-125).

use crate::distributions::mills::truncated_moments;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Exp1, StandardNormal};

/// Moments of `N(mean, sd²)` truncated to `[0, ∞)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// The mean, in the units of `mean`.
    pub mean: f64,
    /// The variance.
    pub variance: f64,
    /// The log of the probability that the untruncated variable is positive.
    pub log_mass: f64,
}

/// Returns the moments at `mean` and `sd > 0`. With `z = mean/sd`: mean `sd (z + h)`, variance `sd² (1 − h(z + h))`, mass `Φ(z)`.
pub fn moments(mean: f64, sd: f64) -> Moments {
    let unit = truncated_moments(mean / sd);
    Moments { mean: sd * unit.mean, variance: sd * sd * unit.variance, log_mass: unit.log_mass }
}

/// Returns `count` draws of `N(z, 1)` truncated to `[0, ∞)` for each `z`: one for every `z`, then the next for every `z`.
pub fn draws(z: &[f64], count: usize, seed: u64) -> impl Iterator<Item = f64> + '_ {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    (0..count).flat_map(move |_| z).map(move |&z| draw(z, &mut generator))
}

/// One draw of `N(z, 1)` truncated to `[0, ∞)`; NaN if `z` is NaN.
///
/// For `z ≥ 0` at least half of all normal proposals are accepted. For `z = −a < 0` proposals are exponential with the best
/// rate, `r = ½ (a + √(a² + 4))`, and accepted with probability `exp(−½ (b − (r − a))²)`, at least three quarters of them.
/// Because `r − a = 1/r`, `a` itself does not enter, and no digits are lost for any `a`.
fn draw(z: f64, generator: &mut impl Rng) -> f64 {
    if z.is_nan() {
        return z;
    }
    if z >= 0.0 {
        return loop {
            let b = z + generator.sample::<f64, _>(StandardNormal);
            if b >= 0.0 {
                break b;
            }
        };
    }
    let scale = 2.0 / (z.hypot(2.0) - z);
    loop {
        let b = scale * generator.sample::<f64, _>(Exp1);
        let off = b - scale;
        // An exponential variable exceeds t with probability exp(−t).
        if generator.sample::<f64, _>(Exp1) >= 0.5 * off * off {
            break b;
        }
    }
}
