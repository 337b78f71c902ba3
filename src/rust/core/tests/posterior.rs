//! What a fit says of `b`, of itself and of new rows: draws, standard errors, projections.

use crate::common::{close, generator, matrix, uniform};
use faer::MatRef;
use nmu_core::distributions::emg::log_density;
use nmu_core::distributions::mills::truncated_moments;
use nmu_core::distributions::truncated_normal::{draws, moments};
use nmu_core::factor::Factor;
use nmu_core::noise::ResidualParams;
use nmu_core::predict::{predict, Rows, StopRule};
use nmu_core::remainder_prior::RemainderPrior;
use nmu_core::residual::ResidualView;
use nmu_core::runtime::parallel::Threads;
use nmu_core::standard_errors::standard_errors;
use nmu_core::storage::{Dense, Masked, Storage};
use nmu_core::trace::Status;
use std::ops::ControlFlow;

const COUNT: usize = 20_000;

#[test]
fn draws_have_the_distribution() {
    for z in [-1e4, -30.0, -3.0, -0.5, -1e-9, 0.0, 1e-9, 0.5, 3.0, 30.0, 1e4] {
        let mut drawn: Vec<f64> = draws(&[z], COUNT, 7).collect();
        assert!(drawn.iter().all(|b| *b >= 0.0 && b.is_finite()), "{z}");
        let size = COUNT as f64;
        let exact = moments(z, 1.0);
        let mean = drawn.iter().sum::<f64>() / size;
        assert!((mean - exact.mean).abs() < 4.0 * (exact.variance / size).sqrt(), "mean {mean} at {z}");
        let square = drawn.iter().map(|b| (b - exact.mean).powi(2)).sum::<f64>() / size;
        // The fourth moment about the mean is at most that of the exponential, nine times the squared variance.
        assert!((square / exact.variance - 1.0).abs() < 4.0 * (8.0 / size).sqrt(), "variance {square} at {z}");
        // Kolmogorov and Smirnov; far out in the tail, a draw is exponential to all digits.
        let above = |b: f64| {
            if z < -1e3 {
                (-b / exact.mean).exp()
            } else {
                (truncated_moments(z - b).log_mass - exact.log_mass).exp()
            }
        };
        drawn.sort_by(f64::total_cmp);
        let gap = |(index, b): (usize, &f64)| {
            let below = 1.0 - above(*b);
            (below - index as f64 / size).abs().max((below - (index + 1) as f64 / size).abs())
        };
        let largest = drawn.iter().enumerate().map(gap).fold(0.0, f64::max);
        assert!(size.sqrt() * largest < 1.95, "{largest} at {z}");
    }
}

#[test]
fn draws_come_round_by_round_and_follow_the_seed() {
    let z = [-1e150, -2.0, 1e10];
    let drawn: Vec<f64> = draws(&z, 4, 1).collect();
    assert_eq!(drawn.len(), 12);
    assert_eq!(drawn, draws(&z, 4, 1).collect::<Vec<_>>());
    assert_ne!(drawn, draws(&z, 4, 2).collect::<Vec<_>>());
    for round in drawn.chunks(3) {
        assert!(round[0] > 0.0 && round[0] < 1e-148 && round[1] < 10.0 && (round[2] - 1e10).abs() < 10.0);
    }
    assert_eq!(draws(&z, 0, 1).count(), 0);
    assert!(draws(&[f64::NAN], 1, 1).all(f64::is_nan));
}

const NOISE: ResidualParams = ResidualParams { lambda: 0.8, sigma: 0.5 };

/// The log-likelihood with one loading or weight moved: `side` 0 is the weight, 1 and 2 the rows and columns.
fn moved(view: (&dyn Storage, bool), factors: &[Factor], which: (usize, usize, usize), step: f64) -> f64 {
    let (storage, symmetric) = view;
    let (side, index, at) = which;
    let mut factors = factors.to_vec();
    match (side, &mut factors[index]) {
        (0, factor) => factor.d += step,
        (2, Factor { v: Some(v), .. }) => v[at] += step,
        (_, factor) => factor.u[at] += step,
    }
    let mut total = 0.0;
    let mut buffer = vec![0.0; storage.nrow()];
    for column in 0..storage.ncol() {
        for (row, entry) in storage.column(column, 0..storage.nrow(), &mut buffer).iter().enumerate() {
            let explained: f64 = factors.iter().map(|factor| factor.d * factor.u[row] * factor.v()[column]).sum();
            if !entry.is_nan() {
                total += log_density(entry - explained, NOISE);
            }
        }
    }
    if symmetric {
        0.5 * total
    } else {
        total
    }
}

fn errors_are_curvatures(storage: &dyn Storage, symmetric: bool, factors: &[Factor]) {
    let expected = |which: (usize, usize, usize)| {
        const STEP: f64 = 1e-3;
        let at = |step: f64| moved((storage, symmetric), factors, which, step);
        1.0 / ((2.0 * at(0.0) - at(STEP) - at(-STEP)) / (STEP * STEP)).sqrt()
    };
    let close = |found: f64, which: (usize, usize, usize)| {
        let known = expected(which);
        assert!((found / known - 1.0).abs() < 1e-4, "{found}, not {known}, at {which:?}, symmetric: {symmetric}");
    };
    for scale in [1.0, 4.0] {
        let view = ResidualView::new(storage, &[], symmetric).scaled_by(scale);
        let scaled: Vec<Factor> =
            factors.iter().map(|factor| Factor { d: scale * factor.d, ..factor.clone() }).collect();
        let params = ResidualParams { lambda: NOISE.lambda / scale, sigma: NOISE.sigma * scale };
        let errors = standard_errors(&view, &scaled, params, Threads::new(2));
        for (index, errors) in errors.iter().enumerate() {
            close(errors.d / scale, (0, index, 0));
            errors.u.iter().enumerate().for_each(|(at, &error)| close(error, (1, index, at)));
            errors.v.iter().flatten().enumerate().for_each(|(at, &error)| close(error, (2, index, at)));
        }
    }
}

#[test]
fn standard_errors_are_those_of_the_curvature() {
    let mut generator = generator(3);
    for (nrow, ncol, symmetric) in [(9, 9, true), (40, 40, true), (7, 12, false), (9, 9, false)] {
        let mut values = matrix(&mut generator, nrow, ncol, symmetric);
        let mut loadings = |length| uniform(&mut generator, length, 0.2, 0.9);
        let mut factor = |d| Factor::new(d, &loadings(nrow), (!symmetric).then(|| loadings(ncol)).as_deref());
        let factors = [factor(1.5), factor(0.7)];
        let dense = Dense::new(MatRef::from_column_major_slice(&values, nrow, ncol));
        errors_are_curvatures(&dense, symmetric, &factors);
        errors_are_curvatures(&dense, symmetric, &factors[..1]);
        if nrow == ncol {
            errors_are_curvatures(&Masked::without_diagonal(dense), symmetric, &factors);
        }
        for missing in [1, nrow, nrow + 1] {
            values[missing] = f64::NAN;
        }
        let masked = Masked::new(Dense::new(MatRef::from_column_major_slice(&values, nrow, ncol)));
        errors_are_curvatures(&masked, symmetric, &factors);
    }
}

#[test]
fn what_is_at_its_bound_or_not_observed_has_no_standard_error() {
    let mut generator = generator(4);
    let mut values = matrix(&mut generator, 6, 5, false);
    values.iter_mut().skip(2).step_by(6).for_each(|entry| *entry = f64::NAN);
    let mut factor = |d| Factor::new(d, &uniform(&mut generator, 6, 0.1, 0.9), Some(&[0.4; 5]));
    let mut factors = [factor(1.0), factor(0.0), factor(-1.0)];
    factors[0].u[4] = 0.0;
    let storage = Masked::new(Dense::new(MatRef::from_column_major_slice(&values, 6, 5)));
    let view = ResidualView::new(&storage, &[], false);
    let errors = standard_errors(&view, &factors, NOISE, Threads::new(1));
    let known: Vec<usize> = (0..6).filter(|&row| !errors[0].u[row].is_nan()).collect();
    assert_eq!(known, [0, 1, 3, 5]);
    assert!(errors[0].d.is_finite());
    for none in &errors[1..] {
        assert!(none.d.is_nan() && none.u.iter().chain(none.v.iter().flatten()).all(|error| error.is_nan()));
    }
}

fn projected(values: &[f64], columns: &[Vec<f64>], scale: f64) -> Vec<Vec<f64>> {
    let params = ResidualParams { lambda: NOISE.lambda / scale, sigma: NOISE.sigma * scale };
    let patience = StopRule { tolerance: 1e-8, iterations: 1000 };
    let found =
        predict(Rows { values, scale, law: RemainderPrior::EXPONENTIAL }, columns, params, patience, &mut |_| {
            ControlFlow::Continue(())
        });
    let rows = found.expect("lengths agree");
    assert!(rows.iter().all(|row| row.status == Status::Converged));
    rows.iter().map(|row| row.loadings.iter().map(|loading| loading / scale).collect()).collect()
}

#[test]
fn projected_rows_are_as_likely_as_can_be() {
    let mut generator = generator(5);
    let columns: Vec<Vec<f64>> = (0..4)
        .map(|_| {
            let v = uniform(&mut generator, 30, -0.5, 1.0);
            let norm = v.iter().map(|x| x.max(0.0).powi(2)).sum::<f64>().sqrt();
            v.iter().map(|x| x.max(0.0) / norm).collect()
        })
        .collect();
    let mut values = uniform(&mut generator, 30 * 12, -0.5, 4.0);
    for missing in [3, 29, 30, 77] {
        values[missing] = f64::NAN;
    }
    values[60..90].fill(f64::NAN);
    let rows = projected(&values, &columns, 1.0);
    assert_eq!(rows[2], [0.0; 4]);
    for (row, loadings) in values.chunks(30).zip(&rows) {
        let log_likelihood = |loadings: &[f64]| -> f64 {
            let explained = |j: usize| -> f64 { loadings.iter().zip(&columns).map(|(l, v)| l * v[j]).sum() };
            let entries = row.iter().enumerate().filter(|(_, entry)| !entry.is_nan());
            entries.map(|(j, entry)| log_density(entry - explained(j), NOISE)).sum()
        };
        let best = log_likelihood(loadings);
        for factor in 0..4 {
            for step in [-1e-3, 1e-3] {
                let mut other = loadings.clone();
                other[factor] = (other[factor] + step).max(0.0);
                assert!(log_likelihood(&other) <= best + 1e-12 * best.abs(), "{loadings:?}, factor {factor}");
            }
        }
        // The same by itself, and in other units.
        assert_eq!(projected(row, &columns, 1.0)[0], *loadings);
        assert!(close(&projected(row, &columns, 0.125)[0], loadings, 1e-10));
    }
}

#[test]
fn projection_ends_when_told_to() {
    let patience = StopRule { tolerance: 1e-8, iterations: 1 };
    let columns = [vec![0.6, 0.8], vec![0.8, 0.6]];
    let rows = Rows { values: &[1.0, 2.0, 3.0, 1.0], scale: 1.0, law: RemainderPrior::EXPONENTIAL };
    let found =
        |patience, on_progress: &mut _| predict(rows, &columns, NOISE, patience, on_progress).expect("lengths agree");
    let short = found(patience, &mut |_| ControlFlow::Continue(()));
    assert!(short.iter().all(|row| row.status == Status::Maxiter));
    let interrupted = found(StopRule { iterations: 100, ..patience }, &mut |_| ControlFlow::Break(()));
    assert_eq!(interrupted.len(), 1);
    assert_eq!(interrupted[0].status, Status::Interrupted);
    let ragged = Rows { values: &[1.0; 3], scale: 1.0, law: RemainderPrior::EXPONENTIAL };
    assert!(predict(ragged, &columns, NOISE, patience, &mut |_| ControlFlow::Continue(())).is_err());
}
