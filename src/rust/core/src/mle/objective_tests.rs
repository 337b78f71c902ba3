//! NoiseDerivatives against finite differences of the value, for one factor and for several, loadings and weights.
#![allow(clippy::expect_used)]

use crate::factor::{Factor, Free, FreeFactor};
use crate::mle::maximize::Settings;
use crate::mle::objective::Objective;
use crate::noise::{Bounds, ResidualParams};
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::storage::{Dense, Masked, Storage};
use faer::MatRef;

const BOUNDS: Bounds = Bounds { least_sigma: 0.01, least_ratio: 1e-3, largest_ratio: 10.0 };

/// Numbers between 0 and 1 that look random enough.
fn numbers(count: usize, seed: f64) -> Vec<f64> {
    (0..count).map(|index| ((index as f64 + seed) * 12.9898).sin().abs()).collect()
}

/// Factors of which the `k`th may move as `free[k]` says.
fn parts(free: &[Free], nrow: usize, ncol: Option<usize>) -> Vec<FreeFactor> {
    let factor = |k: usize| {
        let v = ncol.map(|ncol| numbers(ncol, 0.5 + k as f64));
        Factor::new(0.5 + k as f64, &numbers(nrow, k as f64), v.as_deref())
    };
    free.iter().enumerate().map(|(k, &free)| FreeFactor { factor: factor(k), free }).collect()
}

fn slopes_are_differences(storage: &dyn Storage, symmetric: bool, free: &[Free]) {
    let view = ResidualView::new(storage, &[], symmetric);
    let parts = parts(free, storage.nrow(), (!symmetric).then(|| storage.ncol()));
    let settings =
        Settings { bounds: Some(BOUNDS), largest: f64::INFINITY, spread: 0.0, tolerance: 0.0, iterations: 1 };
    let params = ResidualParams { lambda: 1.3, sigma: 0.4 };
    let hill = Objective { view: &view, parts: &parts, params, settings, threads: Threads::new(1) };
    let theta = hill.start();
    let here = hill.evaluate(&theta);
    for index in 0..theta.len() {
        const STEP: f64 = 1e-5;
        let at = |step: f64| {
            let mut moved = theta.clone();
            moved[index] += step;
            hill.evaluate(&moved).value
        };
        let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP);
        let apart = (difference - here.gradient[index]).abs();
        assert!(apart <= 1e-5 * (1.0 + difference.abs()), "{free:?}, {index}: {difference} {}", here.gradient[index]);
    }
}

#[test]
fn slopes_are_differences_of_the_value() {
    for (nrow, ncol, symmetric) in [(9, 9, true), (40, 40, true), (7, 12, false)] {
        let mut values: Vec<f64> = numbers(nrow * ncol, 0.1).iter().map(|x| 4.0 * x - 0.5).collect();
        if symmetric {
            for column in 0..ncol {
                for row in 0..column {
                    values[row * nrow + column] = values[column * nrow + row];
                }
            }
        }
        let dense = Dense::new(MatRef::from_column_major_slice(&values, nrow, ncol));
        let cases: [&[Free]; 5] = [
            &[],
            &[Free::Loadings],
            &[Free::Weight],
            &[Free::Loadings; 3],
            &[Free::Weight, Free::Weight, Free::Loadings],
        ];
        for free in cases {
            slopes_are_differences(&dense, symmetric, free);
            if nrow == ncol {
                slopes_are_differences(&Masked::without_diagonal(dense), symmetric, free);
            }
        }
    }
}

#[test]
fn several_factors_are_as_likely_as_one_and_the_rest_taken_out() {
    let values: Vec<f64> = numbers(600, 0.3).iter().map(|x| 3.0 * x).collect();
    let dense = Dense::new(MatRef::from_column_major_slice(&values, 30, 20));
    let all = parts(&[Free::Loadings; 3], 30, Some(20));
    let settings = Settings { bounds: None, largest: f64::INFINITY, spread: 0.0, tolerance: 0.0, iterations: 1 };
    let params = ResidualParams { lambda: 2.0, sigma: 0.3 };
    let value = |parts: &[FreeFactor], subtracted: &[FreeFactor]| {
        let subtracted: Vec<Factor> = subtracted.iter().map(|part| part.factor.clone()).collect();
        let view = ResidualView::new(&dense, &subtracted, false);
        let hill = Objective { view: &view, parts, params, settings, threads: Threads::new(2) };
        hill.evaluate(&hill.start())
    };
    let (joint, single) = (value(&all, &[]), value(&all[..1], &all[1..]));
    assert!((joint.value - single.value).abs() <= 1e-10 * single.value.abs());
    let apart = single.gradient.iter().zip(&joint.gradient).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart <= 1e-9, "slopes differ by {apart}");
}
