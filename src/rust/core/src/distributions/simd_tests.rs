//! Every instruction set that this machine has, against the scalar functions.

use crate::distributions::mills::truncated;
use crate::distributions::simd::{posterior, LogProduct, DENSITY_LIMIT};
use pulp::{Arch, Scalar, Simd, WithSimd};

/// The posterior at every `z`, an array a quantity: mean, hazard, inverse mass.
struct Evaluate<'a>(&'a [f64]);

impl WithSimd for Evaluate<'_> {
    type Output = [Vec<f64>; 3];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [Vec<f64>; 3] {
        let mut found = [(); 3].map(|()| Vec::new());
        for lanes in self.0.chunks(S::F64_LANES) {
            let b = posterior(simd, simd.partial_load_f64s(lanes));
            for (values, quantity) in found.iter_mut().zip([b.mean, b.hazard, b.inverse_mass]) {
                let mut stored = vec![0.0; S::F64_LANES];
                simd.partial_store_f64s(&mut stored, quantity);
                values.extend_from_slice(&stored[..lanes.len()]);
            }
        }
        found
    }
}

/// Points from −1e27 to 1e27, dense where the functions bend.
fn points() -> Vec<f64> {
    let dense = (-40_000..40_000).map(|step| f64::from(step) * 1.000_37e-3);
    let wide = (-600..=270).map(|power| 10_f64.powf(f64::from(power) / 10.0));
    dense.chain(wide.flat_map(|z| [z, -z])).collect()
}

/// The distance in units in the last place of `expected`.
fn ulps(found: f64, expected: f64) -> f64 {
    (found - expected).abs() / (expected.abs().next_up() - expected.abs())
}

fn agrees_with_scalar(name: &str, found: &[Vec<f64>; 3]) {
    for (index, z) in points().into_iter().enumerate() {
        let expected = truncated(z);
        let [mean, hazard, inverse_mass] = [0, 1, 2].map(|quantity| found[quantity][index]);
        let close = |what: &str, found: f64, expected: f64, bound: f64| {
            let distance = ulps(found, expected);
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
    for found in [Scalar.vectorize(LogOf(&factors)), Arch::new().dispatch(LogOf(&factors))] {
        assert!((found / expected - 1.0).abs() < 1e-14);
    }
}
