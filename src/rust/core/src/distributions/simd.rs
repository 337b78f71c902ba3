//! The functions of [`crate::distributions::mills`] in the lanes of a vector register, for the instruction set that [`pulp`]
//! detects at run time. An entry takes one division and one exponential, without branches or tables.
//!
//! With `T = aQ + P` and `N = aT + Q` from the tail `f = P/Q` at `a = min(|z|, 1e28)`, both signs of `z` share the division:
//!
//! | | `z < 0` | `z ≥ 0` |
//! |---|---|---|
//! | denominator `D` | `T` | `N − φT` |
//! | `b̄/σ` | `Q/D` | `z + φN/D` |
//! | `h` | `a + Q/D` | `φN/D` |
//! | `1/Φ(z)` | `√(2π) e^{z²/2} N/D` | `N/D` |

use pulp::bytemuck::{cast, cast_slice};
use pulp::Simd;

/// Above this `|z|` the tail is taken at the limit. For negative `z`, `b̄/σ < 1e-28`, which is lost in `x − b̄` anyway; `h` is
/// taken at the same limit, so that `h (z + h)` is 1.
const LIMIT: f64 = 1e28;

/// Above this `|z|` the density keeps its value there, 1.5e-196.
pub(crate) const DENSITY_LIMIT: f64 = 30.0;

/// `√(2π)`.
pub(crate) const SQRT_TAU: f64 = 2.506_628_274_631_000_5;

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

/// The truncated normal of the E-step in each lane, in units of σ. Unused fields cost nothing, because all is inlined.
#[derive(Clone, Copy)]
pub(crate) struct TruncatedLanes<S: Simd> {
    /// `b̄/σ = z + h`.
    pub(crate) mean: S::f64s,
    /// `h = φ/Φ`.
    pub(crate) hazard: S::f64s,
    /// `1/Φ(z)` without the factor `e^{z²/2}` where `z < 0`: at least 1, at most about 1e29.
    pub(crate) inverse_mass: S::f64s,
}

/// Computes the posterior of `b` in every lane of `z`.
#[inline(always)]
pub(crate) fn truncated_lanes<S: Simd>(simd: S, z: S::f64s) -> TruncatedLanes<S> {
    let zero = simd.splat_f64s(0.0);
    let one = simd.splat_f64s(1.0);
    let a = simd.min_f64s(simd.abs_f64s(z), simd.splat_f64s(LIMIT));
    let powers = Powers::new(simd, a);
    let p = powers.polynomial(simd, &P);
    let q = powers.polynomial(simd, &Q);
    let t = mul_add(simd, a, q, p);
    let n = mul_add(simd, a, t, q);
    let phi = density(simd, a);
    let left = simd.less_than_f64s(z, zero);
    let denominator = simd.select_f64s(left, t, mul_add(simd, simd.neg_f64s(phi), t, n));
    let inverse = simd.div_f64s(one, denominator);
    let ratio = simd.mul_f64s(n, inverse);
    let excess = simd.select_f64s(left, simd.mul_f64s(q, inverse), simd.mul_f64s(phi, ratio));
    let mean = simd.add_f64s(excess, simd.max_f64s(z, zero));
    let hazard = simd.add_f64s(excess, simd.select_f64s(left, a, zero));
    let scale = simd.select_f64s(left, simd.splat_f64s(SQRT_TAU), one);
    let inverse_mass = simd.mul_f64s(ratio, scale);
    TruncatedLanes { mean, hazard, inverse_mass }
}

/// Selects `value` in the lanes of `keep` and `otherwise` in the others; `value` in all lanes if there is no mask.
#[inline(always)]
pub(crate) fn kept<S: Simd>(simd: S, keep: Option<S::m64s>, value: S::f64s, otherwise: S::f64s) -> S::f64s {
    match keep {
        Some(mask) => simd.select_f64s(mask, value, otherwise),
        None => value,
    }
}

/// `a b + c`, fused if the processor can: without the instruction a fused form would be a library call.
#[inline(always)]
pub(crate) fn mul_add<S: Simd>(simd: S, a: S::f64s, b: S::f64s, c: S::f64s) -> S::f64s {
    if S::IS_SCALAR {
        simd.add_f64s(simd.mul_f64s(a, b), c)
    } else {
        simd.mul_add_e_f64s(a, b, c)
    }
}

/// The powers of a number that Estrin's scheme uses.
#[derive(Clone, Copy)]
pub(crate) struct Powers<S: Simd> {
    first: S::f64s,
    second: S::f64s,
    fourth: S::f64s,
    eighth: S::f64s,
}

impl<S: Simd> Powers<S> {
    #[inline(always)]
    pub(crate) fn new(simd: S, x: S::f64s) -> Self {
        let second = simd.mul_f64s(x, x);
        let fourth = simd.mul_f64s(second, second);
        Self { first: x, second, fourth, eighth: simd.mul_f64s(fourth, fourth) }
    }

    /// Evaluates a polynomial with twelve coefficients in ascending order. Estrin's scheme has fewer sequential steps than
    /// Horner's, and fewer roundings.
    #[inline(always)]
    pub(crate) fn polynomial(&self, simd: S, c: &[f64; 12]) -> S::f64s {
        let c = |index: usize| simd.splat_f64s(c[index]);
        let pair = |index: usize| mul_add(simd, self.first, c(index + 1), c(index));
        let four = |index: usize| mul_add(simd, self.second, pair(index + 2), pair(index));
        let eight = mul_add(simd, self.fourth, four(4), four(0));
        mul_add(simd, self.eighth, four(8), eight)
    }
}

/// `φ(a)` for `a ≥ 0`: `φ = 2^{-k} e^{-r/2}/√(2π)` with `a² = 2k log 2 + r`. The leading part of `2 log 2` has few enough bits
/// that its product with `k` is exact, and a fused step never rounds `a²`. Constant above [`DENSITY_LIMIT`].
#[inline(always)]
pub(crate) fn density<S: Simd>(simd: S, a: S::f64s) -> S::f64s {
    let a = simd.min_f64s(a, simd.splat_f64s(DENSITY_LIMIT));
    let round = simd.splat_f64s(ROUND);
    let square = simd.mul_f64s(a, a);
    let k = mul_add(simd, square, simd.splat_f64s(INVERSE_TWO_LN_2), round);
    let k = simd.sub_f64s(k, round);
    let head = simd.mul_f64s(k, simd.splat_f64s(-TWO_LN_2_HIGH));
    let r = if S::IS_SCALAR {
        // Without fused operations: the square of the leading 26 bits is exact, and so is its difference from `head`.
        let grid = simd.splat_f64s(GRID);
        let leading = simd.sub_f64s(simd.add_f64s(a, grid), grid);
        let rest = simd.mul_f64s(simd.sub_f64s(a, leading), simd.add_f64s(a, leading));
        simd.add_f64s(simd.add_f64s(simd.mul_f64s(leading, leading), head), rest)
    } else {
        mul_add(simd, a, a, head)
    };
    let r = mul_add(simd, k, simd.splat_f64s(-TWO_LN_2_LOW), r);
    halve(simd, Powers::new(simd, r).polynomial(simd, &DENSITY), k)
}

/// `e^{−y/2}/√(2π)` for `y ≥ 0`, at most [`DENSITY_LIMIT`]²: [`density`] at `√y`.
#[inline(always)]
pub(crate) fn density_at_square<S: Simd>(simd: S, square: S::f64s) -> S::f64s {
    let square = simd.min_f64s(square, simd.splat_f64s(DENSITY_LIMIT * DENSITY_LIMIT));
    let round = simd.splat_f64s(ROUND);
    let k = simd.sub_f64s(mul_add(simd, square, simd.splat_f64s(INVERSE_TWO_LN_2), round), round);
    let r = mul_add(simd, k, simd.splat_f64s(-TWO_LN_2_HIGH), square);
    let r = mul_add(simd, k, simd.splat_f64s(-TWO_LN_2_LOW), r);
    halve(simd, Powers::new(simd, r).polynomial(simd, &DENSITY), k)
}

/// `1.5 · 2^52`: adding it rounds to an integer, which is then in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// `1.5 · 2^31`: adding it rounds to a multiple of `2^{-21}`.
const GRID: f64 = 3_221_225_472.0;
/// `1/(2 log 2)`.
const INVERSE_TWO_LN_2: f64 = 0.721_347_520_444_481_7;
/// The leading 41 bits of `2 log 2`.
const TWO_LN_2_HIGH: f64 = 1.386_294_361_119_326;
/// `2 log 2` minus [`TWO_LN_2_HIGH`].
const TWO_LN_2_LOW: f64 = 5.647_058_112_606_315e-13;

/// `value · 2^{-k}` for integers `k` from 0 to 1000 and values near 1, by subtraction from the exponent bits.
#[inline(always)]
fn halve<S: Simd>(simd: S, value: S::f64s, k: S::f64s) -> S::f64s {
    if S::IS_SCALAR {
        let (value, k): (f64, f64) = (cast(value), cast(k));
        return cast(f64::from_bits(value.to_bits() - ((k as u64) << 52)));
    }
    // k · 2^32 added to 1.5 · 2^52 is in the upper half words, 20 places below the exponent; the lower ones are zero.
    let aligned = mul_add(simd, k, simd.splat_f64s(4_294_967_296.0), simd.splat_f64s(ROUND));
    let shifted = simd.wrapping_dyn_shl_u32s(cast(aligned), simd.splat_u32s(20));
    cast(simd.sub_u32s(cast(value), shifted))
}

/// A product of many positive numbers in each lane. Its exponent is held separately, so that it stays in range, and the
/// logarithm of the whole product costs one `log` per lane.
#[derive(Clone, Copy)]
pub(crate) struct LogProduct<S: Simd> {
    mantissa: S::f64s,
    exponent: S::u32s,
}

impl<S: Simd> LogProduct<S> {
    /// The empty product.
    #[inline(always)]
    pub(crate) fn new(simd: S) -> Self {
        Self { mantissa: simd.splat_f64s(1.0), exponent: simd.splat_u32s(0) }
    }

    /// Multiplies by `factor`, at least `2^-1022` and below `2^1022`.
    #[inline(always)]
    pub(crate) fn multiply(&mut self, simd: S, factor: S::f64s) {
        let bits: S::u64s = simd.transmute_u64s_f64s(simd.mul_f64s(self.mantissa, factor));
        let upper: S::u32s = if S::IS_SCALAR {
            let bits: u64 = cast(bits);
            cast((bits >> 32) as u32)
        } else {
            cast(bits)
        };
        let exponent = simd.wrapping_dyn_shr_u32s(upper, simd.splat_u32s(20));
        let excess = simd.sub_u32s(exponent, simd.splat_u32s(1023));
        self.exponent = simd.add_u32s(self.exponent, excess);
        let fraction = simd.and_u64s(bits, simd.splat_u64s((1 << 52) - 1));
        self.mantissa = simd.transmute_f64s_u64s(simd.or_u64s(fraction, simd.splat_u64s(1023 << 52)));
    }

    /// The logarithm of the product over all lanes.
    #[inline(always)]
    pub(crate) fn log(&self) -> f64 {
        let mantissas: &[f64] = cast_slice(std::slice::from_ref(&self.mantissa));
        let exponents: &[u32] = cast_slice(std::slice::from_ref(&self.exponent));
        // In a vector the exponents are in the upper half words.
        let upper = exponents.iter().skip(usize::from(!S::IS_SCALAR)).step_by(2);
        let whole: f64 = upper.map(|&exponent| f64::from(exponent as i32)).sum();
        mantissas.iter().map(|mantissa| mantissa.ln()).sum::<f64>() + whole * std::f64::consts::LN_2
    }
}

/// Comparison of every available instruction set with the scalar functions.
#[cfg(test)]
mod tests {
    use crate::distributions::mills::truncated_moments;
    use crate::distributions::simd::{truncated_lanes, LogProduct, DENSITY_LIMIT};
    use pulp::{Arch, Scalar, Simd, WithSimd};

    /// The moments at every `z`, one vector per quantity: mean, hazard, inverse mass.
    struct Evaluate<'a>(&'a [f64]);

    impl WithSimd for Evaluate<'_> {
        type Output = [Vec<f64>; 3];

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> [Vec<f64>; 3] {
            let mut actual = [(); 3].map(|()| Vec::new());
            for lanes in self.0.chunks(S::F64_LANES) {
                let b = truncated_lanes(simd, simd.partial_load_f64s(lanes));
                for (values, quantity) in actual.iter_mut().zip([b.mean, b.hazard, b.inverse_mass]) {
                    let mut stored = vec![0.0; S::F64_LANES];
                    simd.partial_store_f64s(&mut stored, quantity);
                    values.extend_from_slice(&stored[..lanes.len()]);
                }
            }
            actual
        }
    }

    /// Points from −1e27 to 1e27, dense where the functions bend.
    fn points() -> Vec<f64> {
        let dense = (-40_000..40_000).map(|step| f64::from(step) * 1.000_37e-3);
        let wide = (-600..=270).map(|power| 10_f64.powf(f64::from(power) / 10.0));
        dense.chain(wide.flat_map(|z| [z, -z])).collect()
    }

    /// The distance in units in the last place of `expected`.
    fn ulps(actual: f64, expected: f64) -> f64 {
        (actual - expected).abs() / (expected.abs().next_up() - expected.abs())
    }

    fn agrees_with_scalar(name: &str, actual: &[Vec<f64>; 3]) {
        for (index, z) in points().into_iter().enumerate() {
            let expected = truncated_moments(z);
            let [mean, hazard, inverse_mass] = [0, 1, 2].map(|quantity| actual[quantity][index]);
            let close = |what: &str, actual: f64, expected: f64, bound: f64| {
                let distance = ulps(actual, expected);
                assert!(distance <= bound, "{name}: {what} at {z}: {distance} ulp");
            };
            close("mean", mean, expected.mean, 4.0);
            if z < DENSITY_LIMIT {
                close("hazard", hazard, expected.hazard, 4.0);
            } else {
                assert!(hazard < 1e-190, "{name}: hazard at {z}");
            }
            let exponent = if z < 0.0 { 0.5 * z * z } else { 0.0 };
            let log_mass = -inverse_mass.ln() - exponent;
            assert!((log_mass - expected.log_mass).abs() <= 1e-15 * (1.0 + exponent), "{name}: mass at {z}");
        }
    }

    #[test]
    fn every_instruction_set_agrees_with_the_scalar_functions() {
        let points = points();
        agrees_with_scalar("plain", &Scalar.vectorize(Evaluate(&points)));
        agrees_with_scalar("best", &Arch::new().dispatch(Evaluate(&points)));
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            agrees_with_scalar("AVX2", &Simd::vectorize(simd, Evaluate(&points)));
        }
    }

    #[test]
    fn the_curvature_is_at_most_one_however_far_out() {
        let points: Vec<f64> =
            (250..308).flat_map(|power| [10_f64.powi(power - 200), -(10_f64.powi(power - 200))]).collect();
        for [mean, hazard, ..] in [Scalar.vectorize(Evaluate(&points)), Arch::new().dispatch(Evaluate(&points))] {
            for ((z, mean), hazard) in points.iter().zip(mean).zip(hazard) {
                let curvature = hazard * mean;
                let off = if *z < 0.0 { (curvature - 1.0).abs() } else { curvature };
                assert!(off < 1e-15, "{curvature} at {z}");
            }
        }
    }

    struct LogOf<'a>(&'a [f64]);

    impl WithSimd for LogOf<'_> {
        type Output = f64;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f64 {
            let mut product = LogProduct::new(simd);
            for &factor in self.0 {
                product.multiply(simd, simd.splat_f64s(factor));
            }
            product.log() / S::F64_LANES as f64
        }
    }

    #[test]
    fn the_log_of_a_product_never_overflows() {
        let factors: Vec<f64> = (0..5000).map(|k| 1.0 + f64::from(k % 97) * 1e27).collect();
        let expected: f64 = factors.iter().map(|factor| factor.ln()).sum();
        for actual in [Scalar.vectorize(LogOf(&factors)), Arch::new().dispatch(LogOf(&factors))] {
            assert!((actual / expected - 1.0).abs() < 1e-14);
        }
    }
}
