//! The approximations behind [`crate::normal`] and [`crate::lanes`], made by `data-raw/normal_coefficients.py`.
//!
//! `f(a) = P(a)/Q(a)` on all of `[0, ∞)`, the best in relative error by a Remez exchange in 60 digits: 1e-16 in `f`,
//! 2e-17 in `G = Q/(aQ + P)`. All coefficients are positive, so no sum cancels; their common factor, near
//! `2^-400`, keeps `aQ + P` finite up to `a = 5e35`.

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
