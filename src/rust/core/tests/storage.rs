//! Contract of storages: each returns the entries of the dense storage, with NaN for missing entries.

use crate::common::{close, expected_pass, generator, matrix, uniform, ExpectedPass};
use faer::{ColRef, MatRef};
use nmu_core::factor::Factor;
use nmu_core::noise::ResidualParams;
use nmu_core::pass::{sweep, Model, PassLevel, PassOutput, PassSpec};
use nmu_core::residual::ResidualView;
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::summary::{summarize, Summary};
use nmu_core::storage::{Dense, Masked, Storage};

/// Shapes of one tile and of many.
const SHAPES: [(usize, usize, bool); 5] =
    [(1, 1, false), (9, 9, true), (40, 23, false), (301, 301, true), (90, 700, false)];

const LEVELS: [PassLevel; 3] = [PassLevel::Expectation, PassLevel::Likelihood, PassLevel::Curvature];

/// All entries of a storage, column by column, read in pieces.
fn entries(storage: &dyn Storage) -> Vec<f64> {
    let (nrow, middle) = (storage.nrow(), storage.nrow() / 3);
    let mut values = Vec::new();
    for column in 0..storage.ncol() {
        for rows in [0..middle, middle..nrow] {
            let mut buffer = vec![0.0; rows.len()];
            values.extend_from_slice(storage.column(column, rows, &mut buffer));
        }
    }
    values
}

/// Checks a storage against `values`, the entries of the dense matrix that it represents.
fn check(storage: &dyn Storage, values: &[f64], symmetric: bool, name: &str) {
    let (nrow, ncol) = (storage.nrow(), storage.ncol());
    assert_eq!(nrow * ncol, values.len(), "{name}: the shape");
    let same = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan());
    assert!(entries(storage).iter().zip(values).all(same), "{name}: the entries");
    assert!(
        storage.has_missing() || values.iter().all(|value| !value.is_nan()),
        "{name}: missing entries are reported"
    );

    let p = uniform(&mut generator(21), nrow, 0.0, 1.0);
    let q = if symmetric { p.clone() } else { uniform(&mut generator(22), ncol, 0.0, 1.0) };
    let factor = Factor::new(0.7, &p, (!symmetric).then_some(&q[..]));
    let model = Model { factor: &factor, params: ResidualParams { lambda: 1.5, sigma: 0.4 } };
    let view = ResidualView::new(storage, &[], symmetric);
    for level in LEVELS {
        let spec =
            PassSpec { row_weights: ColRef::from_slice(&p), column_weights: ColRef::from_slice(&q), shift: 0.2, level };
        let actual = sweep(&view, model, &spec, Threads::new(2));
        let expected = expected_pass(values, nrow, model, &p, &q, level == PassLevel::Curvature);
        agrees(&actual, &expected, symmetric, level, name);
    }
}

fn agrees(actual: &PassOutput, expected: &ExpectedPass, symmetric: bool, level: PassLevel, name: &str) {
    let weight = if symmetric { 0.5 } else { 1.0 };
    assert!(close(actual.products.rows(), &expected.rows, 1e-12), "{name}: products, {level:?}");
    if !symmetric {
        assert!(close(actual.products.columns(), &expected.columns, 1e-12), "{name}: column products, {level:?}");
    }
    if level == PassLevel::Curvature {
        assert!(close(actual.curvatures.rows(), &expected.row_curvatures, 1e-12), "{name}: curvatures");
    }
    let sums = &actual.sums;
    assert_eq!(sums.count, weight * expected.count, "{name}: the count");
    if expected.count > 0.0 {
        assert_eq!(sums.maximum, expected.maximum, "{name}: the maximum");
        let pairs = [
            (sums.mean_b, weight * expected.mean_b),
            (sums.residual_mean(), expected.mean),
            (sums.residual_variance(), expected.variance),
        ];
        assert!(pairs.iter().all(|(a, b)| (a - b).abs() <= 1e-11 * b.abs().max(1e-3)), "{name}: sums {pairs:?}");
    }
}

/// A copy in which every seventh entry is missing; symmetric if the matrix is.
fn with_gaps(values: &[f64], nrow: usize, symmetric: bool) -> Vec<f64> {
    let gap = |index: usize| {
        let (row, column) = (index % nrow, index / nrow);
        let index = if symmetric { row.max(column) * 31 + row.min(column) * 17 } else { index };
        index % 7 == 3
    };
    values.iter().enumerate().map(|(index, value)| if gap(index) { f64::NAN } else { *value }).collect()
}

/// A copy with a missing diagonal.
fn without_diagonal(values: &[f64], nrow: usize) -> Vec<f64> {
    values.iter().enumerate().map(|(index, value)| if index % (nrow + 1) == 0 { f64::NAN } else { *value }).collect()
}

/// The entries of the transpose, column by column.
fn transpose(values: &[f64], nrow: usize) -> Vec<f64> {
    let ncol = values.len() / nrow;
    (0..values.len()).map(|index| values[(index % ncol) * nrow + index / ncol]).collect()
}

/// The matrix with one row above, two below, and one column on either side, of other values.
fn padded(values: &[f64], nrow: usize) -> Vec<f64> {
    let ncol = values.len() / nrow;
    let mut padded = vec![7.0; (nrow + 3) * (ncol + 2)];
    for (index, value) in values.iter().enumerate() {
        padded[(index / nrow + 1) * (nrow + 3) + index % nrow + 1] = *value;
    }
    padded
}

#[test]
fn every_storage_keeps_the_contract() {
    for (nrow, ncol, symmetric) in SHAPES {
        let full = matrix(&mut generator(23), nrow, ncol, symmetric);
        let gaps = with_gaps(&full, nrow, symmetric);
        let dense = |values| Dense::new(MatRef::from_column_major_slice(values, nrow, ncol));
        check(&dense(&full), &full, symmetric, "dense");
        let transposed = transpose(&full, nrow);
        let view = MatRef::from_column_major_slice(&transposed, ncol, nrow).transpose();
        check(&Dense::new(view), &full, symmetric, "transposed view");
        let padded = padded(&full, nrow);
        let block = MatRef::from_column_major_slice(&padded, nrow + 3, ncol + 2).submatrix(1, 1, nrow, ncol);
        check(&Dense::new(block), &full, symmetric, "submatrix");
        check(&Masked::new(Dense::new(block)), &full, symmetric, "masked submatrix");
        check(&Masked::new(dense(&full)), &full, symmetric, "masked, nothing missing");
        check(&Masked::new(dense(&gaps)), &gaps, symmetric, "masked");
        if nrow == ncol && nrow > 1 {
            check(&Masked::without_diagonal(dense(&full)), &without_diagonal(&full, nrow), symmetric, "no diagonal");
            check(
                &Masked::without_diagonal(dense(&gaps)),
                &without_diagonal(&gaps, nrow),
                symmetric,
                "masked, no diagonal",
            );
        }
    }
}

#[test]
fn summary_does_not_depend_on_strides() {
    let (nrow, ncol) = (40, 23);
    let mut values = matrix(&mut generator(24), nrow, ncol, false);
    values[..5].copy_from_slice(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -f64::NAN, -3.0]);
    let dense = MatRef::from_column_major_slice(&values, nrow, ncol);
    let is_missing = |value: f64| value.is_sign_negative();
    let expected = summarize(dense, is_missing);
    assert_eq!((expected.missing, expected.nan, expected.infinite), (1, 1, 2));
    assert_eq!(expected.negative, values.iter().filter(|value| **value < 0.0).count());
    assert_eq!(expected.max_abs, 3.0);
    let transposed = transpose(&values, nrow);
    let actual = summarize(MatRef::from_column_major_slice(&transposed, ncol, nrow).transpose(), is_missing);
    assert_eq!(actual, expected);
    let actual = summarize(dense.transpose(), is_missing);
    assert!((actual.rms - expected.rms).abs() <= 1e-14 * expected.rms);
    assert_eq!(actual, Summary { rms: actual.rms, ..expected });
    let symmetric = matrix(&mut generator(25), ncol, ncol, true);
    assert!(summarize(MatRef::from_column_major_slice(&symmetric, ncol, ncol), is_missing).symmetric);
}
