//! Comparison of the functions of the standard normal with values computed with 50 digits (`data-raw/reference_values.py`).

use nmu_core::distributions::mills::truncated_moments;

struct Reference {
    z: f64,
    log_cdf: f64,
    hazard: f64,
    mean: f64,
    second: f64,
    variance: f64,
}

fn references() -> Vec<Reference> {
    let parse = |line: &str| -> Reference {
        let numbers: Vec<f64> = line.split(',').map(|cell| cell.parse().expect("a number")).collect();
        let [z, log_cdf, hazard, mean, second, variance] = numbers[..] else { panic!("six columns in {line}") };
        Reference { z, log_cdf, hazard, mean, second, variance }
    };
    include_str!("data/normal.csv").lines().skip(1).map(parse).collect()
}

/// The relative error in units of `1e-16`; 0 if both values are below the normal range.
fn error(actual: f64, expected: f64) -> f64 {
    if (actual - expected).abs() < 1e-300 {
        0.0
    } else {
        (actual - expected).abs() / expected.abs() / 1e-16
    }
}

#[test]
fn all_functions_are_accurate_on_the_whole_line() {
    let references = references();
    assert!(references.len() > 300);
    for reference in references {
        let Reference { z, .. } = reference;
        let actual = truncated_moments(z);
        assert!(error(actual.mean, reference.mean) < 12.0, "mean at {z}");
        assert!(error(actual.second, reference.second) < 25.0, "second at {z}");
        assert!(error(actual.variance, reference.variance) < 60.0, "variance at {z}");
        assert!(
            error(actual.hazard, reference.hazard) < 12.0,
            "hazard at {z}: {}",
            error(actual.hazard, reference.hazard)
        );
        assert!(
            error(actual.log_mass, reference.log_cdf) < 12.0,
            "log mass at {z}: {}",
            error(actual.log_mass, reference.log_cdf)
        );
    }
}

#[test]
fn limits_at_infinity_are_exact() {
    let right = truncated_moments(f64::INFINITY);
    assert_eq!((right.mean, right.hazard, right.log_mass), (f64::INFINITY, 0.0, 0.0));
    assert_eq!(right.variance, 1.0);
    let left = truncated_moments(f64::NEG_INFINITY);
    assert_eq!((left.mean, left.second, left.log_mass), (0.0, 0.0, f64::NEG_INFINITY));
    assert!(truncated_moments(f64::NAN).mean.is_nan());
    assert_eq!(truncated_moments(0.0).mean, truncated_moments(-0.0).mean);
}
