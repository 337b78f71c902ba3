//! Comparison of the tails and quantiles of the EMG with values computed with 50 digits (`data-raw/reference_values.py`).

use nmu_core::distributions::emg::{log_density, log_probability, quantile, Side};
use nmu_core::noise::ResidualParams;

/// Rows of `x, λ, σ, log density, log F, log S`.
fn references() -> Vec<[f64; 6]> {
    let parse = |line: &str| -> [f64; 6] {
        let numbers: Vec<f64> = line.split(',').map(|cell| cell.parse().expect("a number")).collect();
        numbers.try_into().expect("six columns")
    };
    include_str!("../../../../tests/testthat/fixtures/demg.csv").lines().skip(1).map(parse).collect()
}

/// The relative error; 0 if both values are below the normal range.
fn error(actual: f64, expected: f64) -> f64 {
    if (actual - expected).abs() < 1e-300 {
        0.0
    } else {
        (actual - expected).abs() / expected.abs()
    }
}

#[test]
fn both_tails_are_accurate() {
    let references = references();
    assert!(references.len() > 100);
    for [x, lambda, sigma, _, log_cdf, log_sf] in references {
        let params = ResidualParams { lambda, sigma };
        let lower = error(log_probability(x, params, Side::Lower), log_cdf);
        let upper = error(log_probability(x, params, Side::Upper), log_sf);
        assert!(lower < 2e-14 && upper < 2e-14, "{lower:e} and {upper:e} at {x}, {params:?}");
    }
}

/// Many values of `λσ`, and points on both sides of every change of formula.
fn grid() -> impl Iterator<Item = (f64, f64)> {
    let sizes = [1e-150, 1e-12, 1e-3, 0.3, 1.0, 1.5, 7.0, 1e4, 1e150];
    sizes.into_iter().flat_map(|k: f64| {
        let points = [-30.0, -1.0, -1e-9, 0.0, 1e-9, 0.4, 3.0, 30.0, 0.5 * k, k * (1.0 - 1e-9), k, k * (1.0 + 1e-9)];
        points.into_iter().map(move |t| (t, k))
    })
}

#[test]
fn tails_are_complementary_and_their_derivative_is_the_density() {
    for (t, k) in grid().filter(|&(_, k)| k < 1e3) {
        let params = ResidualParams { lambda: k, sigma: 1.0 };
        let log = |t: f64, side: Side| log_probability(t, params, side);
        let total = log(t, Side::Lower).exp() + log(t, Side::Upper).exp();
        assert!((total - 1.0).abs() < 1e-15, "{total} at {t}, {k}");
        let side = if log(t, Side::Lower) < log(t, Side::Upper) { Side::Lower } else { Side::Upper };
        let step = 1e-4;
        let change = (log(t + step, side) - log(t - step, side)).abs() / (2.0 * step);
        let derivative = (log_density(t, params) - log(t, side)).exp();
        assert!((change - derivative).abs() < 1e-6 * (1.0 + derivative), "{change} for {derivative} at {t}, {k}");
    }
}

#[test]
fn tails_are_continuous_where_the_formula_changes() {
    for (t, k) in grid() {
        let params = ResidualParams { lambda: k, sigma: 1.0 };
        for side in [Side::Lower, Side::Upper] {
            let near = |t: f64| log_probability(t, params, side);
            let (before, value, after) = (near(t.next_down()), near(t), near(t.next_up()));
            let allowed = 1e-12 * value.abs() + f64::MIN_POSITIVE;
            assert!((before - value).abs() <= allowed && (after - value).abs() <= allowed, "{value:e} at {t}, {k}");
        }
    }
}

#[test]
fn quantiles_invert_probabilities() {
    for (_, k) in grid().filter(|&(t, _)| t == 0.4) {
        for log_p in [-1e150, -1e100, -1e5, -700.0, -30.0, -2.0, -0.7, -0.69, -0.1, -1e-9, -1e-30, -1e-300] {
            for side in [Side::Lower, Side::Upper] {
                for sigma in [1.0, 1e-3] {
                    let params = ResidualParams { lambda: k / sigma, sigma };
                    let x = quantile(log_p, params, side);
                    let actual = log_probability(x, params, side);
                    assert!(error(actual, log_p) < 2e-13, "{actual:e} for {log_p:e}, {side:?}, x = {x:e}, k = {k}");
                }
            }
        }
    }
}

#[test]
fn limits_at_infinity_are_exact() {
    let params = ResidualParams { lambda: 2.0, sigma: 0.5 };
    for (side, end) in [(Side::Lower, f64::NEG_INFINITY), (Side::Upper, f64::INFINITY)] {
        assert_eq!(log_probability(end, params, side), f64::NEG_INFINITY);
        assert_eq!(log_probability(-end, params, side), 0.0);
        assert_eq!(quantile(f64::NEG_INFINITY, params, side), end);
        assert_eq!(quantile(0.0, params, side), -end);
        assert!(quantile(0.1, params, side).is_nan());
        assert!(quantile(f64::NAN, params, side).is_nan());
    }
}
