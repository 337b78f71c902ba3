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
//! This module has the scalar functions; [`crate::distributions::simd`] evaluates the same formulas in vector registers.

use crate::distributions::simd;
use crate::distributions::simd::{Powers, DENSITY_LIMIT};
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

/// `√(2π)`.
pub const SQRT_TAU: f64 = 2.506_628_274_631_000_5;

/// The numerator `P`, in ascending powers of `a`.
pub(crate) const P: [f64; 12] = [
    1.5873046741488764e-113,
    1.9922946719317514e-113,
    1.2796916901107462e-113,
    5.411603777531506e-114,
    1.648818827153725e-114,
    3.757973436804719e-115,
    6.47197762914493e-116,
    8.321649736056527e-117,
    7.677007167123509e-118,
    4.629511627638568e-119,
    1.4109788641753493e-120,
    0.0,
];

/// The denominator `Q`, in ascending powers of `a`.
pub(crate) const Q: [f64; 12] = [
    1.2664858927936115e-113,
    2.0233355658245924e-113,
    1.62428504238797e-113,
    8.523872628191734e-114,
    3.2220684071087294e-114,
    9.16959052685505e-115,
    2.001033760402943e-115,
    3.3502973343483464e-116,
    4.230267542477886e-117,
    3.859668266522838e-118,
    2.3147558138193105e-119,
    7.0548943208767455e-121,
];

/// `exp(−r/2)/√(2π)` for `|r| ≤ log 2`, in ascending powers of `r`; relative error 3e-18.
pub(crate) const DENSITY: [f64; 12] = [
    0.3989422804014327,
    -0.19947114020071635,
    0.04986778505017926,
    -0.008311297508362932,
    0.0010389121885410616,
    -0.00010389121885735655,
    8.65760161006808e-06,
    -6.18400099494581e-07,
    3.86498499616624e-08,
    -2.1472462452935856e-09,
    1.0765322364549421e-10,
    -4.868791393277014e-12,
];
