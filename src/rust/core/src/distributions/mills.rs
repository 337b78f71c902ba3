//! Functions of the standard normal distribution, to full double precision on the whole line.
//!
//! For `z = −a < 0` all functions follow from one: the tail of the continued fraction of the Mills ratio `M(a) = Φ(−a)/φ(a)`
//! (Laplace; Abramowitz & Stegun 26.2.14):
//!
//! ```text
//! 1/M(a) = a + G(a),   G(a) = 1/(a + f(a)),   f(a) = 2/(a + 3/(a + 4/(a + …)))
//! ```
//!
//! `f` is approximated on all of `[0, ∞)` by one ratio of polynomials with positive coefficients, so that no sum suffers from
//! cancellation. With it, `G`, `1 − a G = f G` and `1 − G (a + G) = G (f − G)` keep all digits, which the textbook forms lose.
//! For `z ≥ 0`, `Φ(z) = 1 − φ(z)/(z + G(z))` by symmetry.
//!
//! This module has the scalar functions; `distributions::simd` has the polynomials, and evaluates the same formulas in
//! vector registers.

use crate::distributions::simd::{self, Powers, DENSITY_LIMIT, P, Q, SQRT_TAU};
use pulp::Scalar;

/// `½ log(2π)`.
pub const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;

/// Moments of the normal with mean `z` and variance 1, truncated to `[0, ∞)`: the E-step in units of σ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TruncatedMoments {
    /// `z + h`, the mean.
    pub mean: f64,
    /// `1 + z (z + h)`, the second moment.
    pub second: f64,
    /// `1 − h (z + h)`, the variance.
    pub variance: f64,
    /// `h = φ(z)/Φ(z)`, the inverse Mills ratio at `−z`.
    pub hazard: f64,
    /// `log Φ(z)`, the log of the probability that is kept.
    pub log_mass: f64,
}

/// Computes the [`TruncatedMoments`] at `z`; NaN if `z` is NaN.
pub fn truncated_moments(z: f64) -> TruncatedMoments {
    if z < 0.0 {
        let a = -z;
        let fraction = tail(a);
        let gap = fraction.gap();
        TruncatedMoments {
            mean: gap,
            second: fraction.gap_times_next(),
            variance: gap * (fraction.next() - gap),
            hazard: a + gap,
            log_mass: -0.5 * a * a - HALF_LOG_TAU - (a + gap).ln(),
        }
    } else {
        // w = z + G(z) = φ(z)/Φ(−z), so that Φ(z) = (w − φ)/w.
        let w = z + tail(z).gap();
        let phi = density(z);
        let hazard = phi / (1.0 - phi / w);
        let mean = z + hazard;
        TruncatedMoments {
            mean,
            second: z.mul_add(mean, 1.0),
            // For large `z`, `h` is 0 and `z` may be infinite.
            variance: 1.0 - if hazard > 0.0 { hazard * mean } else { 0.0 },
            hazard,
            log_mass: (-phi / w).ln_1p() + 0.0,
        }
    }
}

/// The density `φ(z)`, with a relative error at rounding level also in the tails.
pub fn density(z: f64) -> f64 {
    let a = z.abs();
    if a < DENSITY_LIMIT {
        return simd::density(Scalar, a);
    }
    // The square is split in two parts; the exponential takes the first.
    let square = a * a;
    let rest = if square.is_finite() { a.mul_add(a, -square) } else { 0.0 };
    (-0.5 * square).exp() * (1.0 - 0.5 * rest) / SQRT_TAU
}

/// `P` and `Q` of [`crate::distributions::mills`] at one `a ≥ 0`.
#[derive(Clone, Copy)]
pub(crate) struct MillsTail {
    p: f64,
    q: f64,
    /// `aQ + P`.
    t: f64,
}

/// Above this `a` the polynomials could overflow, and `G = 1/a` and `f = 2/a` to all digits.
const FAR: f64 = 1e30;

/// The tail of the continued fraction at `a ≥ 0`.
pub(crate) fn tail(a: f64) -> MillsTail {
    if a > FAR {
        return MillsTail { p: 2.0 / a, q: 1.0, t: a };
    }
    let powers = Powers::new(Scalar, a);
    let (p, q) = (powers.polynomial(Scalar, &P), powers.polynomial(Scalar, &Q));
    MillsTail { p, q, t: a * q + p }
}

impl MillsTail {
    /// `G = 1/M(a) − a`.
    pub(crate) fn gap(self) -> f64 {
        self.q / self.t
    }

    /// `f`, with `G = 1/(a + f)`.
    pub(crate) fn next(self) -> f64 {
        self.p / self.q
    }

    /// `G f = 1 − a G`.
    pub(crate) fn gap_times_next(self) -> f64 {
        self.p / self.t
    }
}
