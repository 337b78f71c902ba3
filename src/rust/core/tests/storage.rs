//! The contract of storages: each gives what the dense storage gives of the same entries, with NaN where they are missing.

use crate::common::{close, generator, matrix, plain, uniform, Plain};
use faer::{ColRef, MatRef};
use nmu_core::factor::Factor;
use nmu_core::noise::ResidualParams;
use nmu_core::pass::{sweep, Model, PassLevel, PassOutput, PassSpec};
use nmu_core::residual::ResidualView;
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::{Dense, Masked, Storage};

/// Shapes of one tile and of many.
const SHAPES: [(usize, usize, bool); 5] =
    [(1, 1, false), (9, 9, true), (40, 23, false), (301, 301, true), (90, 700, false)];

const DEPTHS: [PassLevel; 3] = [PassLevel::Expectation, PassLevel::Likelihood, PassLevel::Curvature];

/// Every entry of a storage, column by column, read in pieces.
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

/// Holds a storage to `values`, the dense matrix that it stands for.
fn holds(storage: &dyn Storage, values: &[f64], symmetric: bool, name: &str) {
    let (nrow, ncol) = (storage.nrow(), storage.ncol());
    assert_eq!(nrow * ncol, values.len(), "{name}: the shape");
    let same = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan());
    assert!(entries(storage).iter().zip(values).all(same), "{name}: the entries");
    assert!(storage.has_missing() || values.iter().all(|value| !value.is_nan()), "{name}: says when some are missing");

    let p = uniform(&mut generator(21), nrow, 0.0, 1.0);
    let q = if symmetric { p.clone() } else { uniform(&mut generator(22), ncol, 0.0, 1.0) };
    let factor = Factor::new(0.7, &p, (!symmetric).then_some(&q[..]));
    let model = Model { factor: &factor, params: ResidualParams { lambda: 1.5, sigma: 0.4 } };
    let view = ResidualView::new(storage, &[], symmetric);
    for depth in DEPTHS {
        let question = PassSpec {
            row_weights: ColRef::from_slice(&p),
            column_weights: ColRef::from_slice(&q),
            shift: 0.2,
            level: depth,
        };
        let found = sweep(&view, model, &question, Threads::new(2));
        let expected = plain(values, nrow, model, &p, &q, depth == PassLevel::Curvature);
        agrees(&found, &expected, symmetric, depth, name);
    }
}

fn agrees(found: &PassOutput, expected: &Plain, symmetric: bool, depth: PassLevel, name: &str) {
    let share = if symmetric { 0.5 } else { 1.0 };
    assert!(close(found.products.rows(), &expected.rows, 1e-12), "{name}: products, {depth:?}");
    if !symmetric {
        assert!(close(found.products.columns(), &expected.columns, 1e-12), "{name}: column products, {depth:?}");
    }
    if depth == PassLevel::Curvature {
        assert!(close(found.curvatures.rows(), &expected.row_curvatures, 1e-12), "{name}: curvatures");
    }
    let sums = &found.sums;
    assert_eq!(sums.count, share * expected.count, "{name}: the count");
    if expected.count > 0.0 {
        assert_eq!(sums.maximum, expected.maximum, "{name}: the maximum");
        let pairs = [
            (sums.mean_b, share * expected.mean_b),
            (sums.residual_mean(), expected.mean),
            (sums.residual_variance(), expected.variance),
        ];
        assert!(pairs.iter().all(|(a, b)| (a - b).abs() <= 1e-11 * b.abs().max(1e-3)), "{name}: sums {pairs:?}");
    }
}

/// A copy with every seventh entry missing, and in mirrored places where symmetric.
fn with_gaps(values: &[f64], nrow: usize, symmetric: bool) -> Vec<f64> {
    let gap = |index: usize| {
        let (row, column) = (index % nrow, index / nrow);
        let place = if symmetric { row.max(column) * 31 + row.min(column) * 17 } else { index };
        place % 7 == 3
    };
    values.iter().enumerate().map(|(index, value)| if gap(index) { f64::NAN } else { *value }).collect()
}

/// A copy without its diagonal.
fn without_diagonal(values: &[f64], nrow: usize) -> Vec<f64> {
    values.iter().enumerate().map(|(index, value)| if index % (nrow + 1) == 0 { f64::NAN } else { *value }).collect()
}

#[test]
fn every_storage_keeps_the_contract() {
    for (nrow, ncol, symmetric) in SHAPES {
        let full = matrix(&mut generator(23), nrow, ncol, symmetric);
        let gaps = with_gaps(&full, nrow, symmetric);
        let dense = |values| Dense::new(MatRef::from_column_major_slice(values, nrow, ncol));
        holds(&dense(&full), &full, symmetric, "dense");
        holds(&Masked::new(dense(&full)), &full, symmetric, "masked, nothing missing");
        holds(&Masked::new(dense(&gaps)), &gaps, symmetric, "masked");
        if nrow == ncol && nrow > 1 {
            holds(&Masked::without_diagonal(dense(&full)), &without_diagonal(&full, nrow), symmetric, "no diagonal");
            holds(
                &Masked::without_diagonal(dense(&gaps)),
                &without_diagonal(&gaps, nrow),
                symmetric,
                "masked, no diagonal",
            );
        }
    }
}
