//! Tests of posterior draws of `b`, standard errors and predictions for new rows.

use crate::common::{close, generator, matrix, uniform};
use faer::{Mat, MatRef};
use nmu_core::distributions::emg::log_density;
use nmu_core::distributions::mills::truncated_moments;
use nmu_core::distributions::truncated_normal::{draws, moments};
use nmu_core::factor::Factor;
use nmu_core::fit::StopRule;
use nmu_core::noise::ResidualParams;
use nmu_core::predict::{predict, NewRows};
use nmu_core::remainder_prior::RemainderPrior;
use nmu_core::residual::ResidualView;
use nmu_core::runtime::cancel::{install, Request};
use nmu_core::runtime::parallel::Threads;
use nmu_core::runtime::progress::no_report;
use nmu_core::standard_errors::standard_errors;
use nmu_core::storage::{Dense, Masked, Storage};
use nmu_core::trace::Status;

const COUNT: usize = 20_000;

#[test]
fn draws_follow_the_truncated_normal_distribution() {
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
        // Kolmogorov-Smirnov statistic; far out in the tail, the distribution is exponential to double precision.
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
fn draws_are_in_rounds_and_depend_on_the_seed() {
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

const PARAMS: ResidualParams = ResidualParams { lambda: 0.8, sigma: 0.5 };

/// The log-likelihood with one parameter changed by `step`: `side` 0 is the weight, 1 and 2 are loadings of rows and
/// columns.
fn perturbed(view: (&dyn Storage, bool), factors: &[Factor], parameter: (usize, usize, usize), step: f64) -> f64 {
    let (storage, symmetric) = view;
    let (side, index, at) = parameter;
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
            let low_rank: f64 = factors.iter().map(|factor| factor.d * factor.u[row] * factor.v()[column]).sum();
            if !entry.is_nan() {
                total += log_density(entry - low_rank, PARAMS);
            }
        }
    }
    if symmetric {
        0.5 * total
    } else {
        total
    }
}

fn check_standard_errors(storage: &dyn Storage, symmetric: bool, factors: &[Factor]) {
    let expected = |parameter: (usize, usize, usize)| {
        const STEP: f64 = 1e-3;
        let at = |step: f64| perturbed((storage, symmetric), factors, parameter, step);
        1.0 / ((2.0 * at(0.0) - at(STEP) - at(-STEP)) / (STEP * STEP)).sqrt()
    };
    let check = |error: f64, parameter: (usize, usize, usize)| {
        let expected = expected(parameter);
        assert!(
            (error / expected - 1.0).abs() < 1e-4,
            "{error}, not {expected}, at {parameter:?}, symmetric: {symmetric}"
        );
    };
    for scale in [1.0, 4.0] {
        let view = ResidualView::new(storage, &[], symmetric).scaled_by(scale);
        let scaled: Vec<Factor> =
            factors.iter().map(|factor| Factor { d: scale * factor.d, ..factor.clone() }).collect();
        let params = ResidualParams { lambda: PARAMS.lambda / scale, sigma: PARAMS.sigma * scale };
        let errors = standard_errors(&view, &scaled, params, Threads::new(2));
        for (index, errors) in errors.iter().enumerate() {
            check(errors.d / scale, (0, index, 0));
            errors.u.iter().enumerate().for_each(|(at, &error)| check(error, (1, index, at)));
            errors.v.iter().flat_map(|v| v.iter()).enumerate().for_each(|(at, &error)| check(error, (2, index, at)));
        }
    }
}

#[test]
fn standard_errors_equal_those_from_numerical_curvature() {
    let mut generator = generator(3);
    for (nrow, ncol, symmetric) in [(9, 9, true), (40, 40, true), (7, 12, false), (9, 9, false)] {
        let mut values = matrix(&mut generator, nrow, ncol, symmetric);
        let mut loadings = |length| uniform(&mut generator, length, 0.2, 0.9);
        let mut factor = |d| Factor::new(d, &loadings(nrow), (!symmetric).then(|| loadings(ncol)).as_deref());
        let factors = [factor(1.5), factor(0.7)];
        let dense = Dense::new(MatRef::from_column_major_slice(&values, nrow, ncol));
        check_standard_errors(&dense, symmetric, &factors);
        check_standard_errors(&dense, symmetric, &factors[..1]);
        if nrow == ncol {
            check_standard_errors(&Masked::without_diagonal(dense), symmetric, &factors);
        }
        for missing in [1, nrow, nrow + 1] {
            values[missing] = f64::NAN;
        }
        let masked = Masked::new(Dense::new(MatRef::from_column_major_slice(&values, nrow, ncol)));
        check_standard_errors(&masked, symmetric, &factors);
    }
}

#[test]
fn loadings_at_zero_or_without_observations_have_no_standard_error() {
    let mut generator = generator(4);
    let mut values = matrix(&mut generator, 6, 5, false);
    values.iter_mut().skip(2).step_by(6).for_each(|entry| *entry = f64::NAN);
    let mut factor = |d| Factor::new(d, &uniform(&mut generator, 6, 0.1, 0.9), Some(&[0.4; 5]));
    let mut factors = [factor(1.0), factor(0.0), factor(-1.0)];
    factors[0].u[4] = 0.0;
    let storage = Masked::new(Dense::new(MatRef::from_column_major_slice(&values, 6, 5)));
    let view = ResidualView::new(&storage, &[], false);
    let errors = standard_errors(&view, &factors, PARAMS, Threads::new(1));
    let finite: Vec<usize> = (0..6).filter(|&row| !errors[0].u[row].is_nan()).collect();
    assert_eq!(finite, [0, 1, 3, 5]);
    assert!(errors[0].d.is_finite());
    for errors in &errors[1..] {
        assert!(
            errors.d.is_nan()
                && errors.u.iter().chain(errors.v.iter().flat_map(|v| v.iter())).all(|error| error.is_nan())
        );
    }
}

fn columns_of(columns: &[Vec<f64>]) -> Mat<f64> {
    Mat::from_fn(columns[0].len(), columns.len(), |row, column| columns[column][row])
}

fn predicted(values: &[f64], columns: &[Vec<f64>], scale: f64) -> Vec<Vec<f64>> {
    let params = ResidualParams { lambda: PARAMS.lambda / scale, sigma: PARAMS.sigma * scale };
    let stop = StopRule::new(1e-8, 1000);
    let v = columns_of(columns);
    let entries = MatRef::from_column_major_slice(values, v.nrows(), values.len() / v.nrows());
    let rows = NewRows { entries, scale, largest_entry: 0.0, remainder_prior: RemainderPrior::EXPONENTIAL };
    let rows = predict(rows, v.as_ref(), params, stop, &mut no_report).expect("lengths agree");
    assert!(rows.iter().all(|row| row.status == Status::Converged));
    rows.iter().map(|row| row.loadings.iter().map(|loading| loading / scale).collect()).collect()
}

#[test]
fn predicted_loadings_maximize_the_likelihood() {
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
    let rows = predicted(&values, &columns, 1.0);
    assert_eq!(rows[2], [0.0; 4]);
    for (row, loadings) in values.chunks(30).zip(&rows) {
        let log_likelihood = |loadings: &[f64]| -> f64 {
            let low_rank = |j: usize| -> f64 { loadings.iter().zip(&columns).map(|(l, v)| l * v[j]).sum() };
            let entries = row.iter().enumerate().filter(|(_, entry)| !entry.is_nan());
            entries.map(|(j, entry)| log_density(entry - low_rank(j), PARAMS)).sum()
        };
        let best = log_likelihood(loadings);
        for factor in 0..4 {
            for step in [-1e-3, 1e-3] {
                let mut other = loadings.clone();
                other[factor] = (other[factor] + step).max(0.0);
                assert!(log_likelihood(&other) <= best + 1e-12 * best.abs(), "{loadings:?}, factor {factor}");
            }
        }
        // A row alone gives the same loadings, and so do other units.
        assert_eq!(predicted(row, &columns, 1.0)[0], *loadings);
        assert!(close(&predicted(row, &columns, 0.125)[0], loadings, 1e-10));
    }
}

#[test]
fn predictions_at_missing_entries_are_in_range() {
    // The observed entry is where the factor is small: it alone would give 10 and 30 at the missing ones.
    let columns = [vec![0.1, 0.3, 0.9], vec![0.05, 0.6, 0.5]];
    for largest_entry in [0.0, 5.0] {
        let v = columns_of(&columns);
        let entries = MatRef::from_column_major_slice(&[4.0, f64::NAN, f64::NAN], 3, 1);
        let rows = NewRows { entries, scale: 1.0, largest_entry, remainder_prior: RemainderPrior::EXPONENTIAL };
        let stop = StopRule::new(1e-8, 1000);
        let rows = predict(rows, v.as_ref(), PARAMS, stop, &mut no_report).expect("lengths agree");
        let fitted = |j: usize| -> f64 { rows[0].loadings.iter().zip(&columns).map(|(l, v)| l * v[j]).sum() };
        let largest = fitted(1).max(fitted(2));
        assert!(largest > 0.5 * largest_entry.max(4.0) && largest <= 2.0 * largest_entry.max(4.0), "{largest}");
        assert_eq!(rows[0].status, Status::Converged);
    }
}

#[test]
fn prediction_stops_at_the_iteration_limit_or_when_interrupted() {
    let stop = StopRule::new(1e-8, 1);
    let v = columns_of(&[vec![0.6, 0.8], vec![0.8, 0.6]]);
    let new_rows =
        |entries| NewRows { entries, scale: 1.0, largest_entry: 0.0, remainder_prior: RemainderPrior::EXPONENTIAL };
    let entries = MatRef::from_column_major_slice(&[1.0, 2.0, 3.0, 1.0], 2, 2);
    let run = |stop| predict(new_rows(entries), v.as_ref(), PARAMS, stop, &mut no_report).expect("lengths agree");
    let limited = run(stop);
    assert!(limited.iter().all(|row| row.status == Status::Maxiter));
    let interrupted = {
        let _installed = install(|| Request::Stop);
        run(StopRule { max_iterations: 100, ..stop })
    };
    assert_eq!(interrupted.len(), 1);
    assert_eq!(interrupted[0].status, Status::Interrupted);
    let long = new_rows(MatRef::from_column_major_slice(&[1.0; 3], 3, 1));
    assert!(predict(long, v.as_ref(), PARAMS, stop, &mut no_report).is_err());
}
