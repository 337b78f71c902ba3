//! Contract of storages: each returns the entries of the dense storage, with NaN for missing entries; one that computes its
//! entries, up to rounding.

use crate::common::{close, expected_pass, generator, matrix, uniform, ExpectedPass};
use faer::{ColRef, MatRef};
use nmu_core::factor::Factor;
use nmu_core::noise::ResidualParams;
use nmu_core::pass::{product, sweep, Model, PassLevel, PassOutput, PassSpec};
use nmu_core::residual::ResidualView;
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::principal_components::leading_eigenpairs;
use nmu_core::storage::summary::{summarize, summarize_gram, Summary};
use nmu_core::storage::{Dense, Features, Gram, Masked, Sparse, Storage};

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
    let rounding = if storage.panel_ncol() > 1 { 1e-14 } else { 0.0 };
    let same = |(a, b): (&f64, &f64)| (a - b).abs() <= rounding || (a.is_nan() && b.is_nan());
    assert!(entries(storage).iter().zip(values).all(same), "{name}: the entries");
    let mut panel = vec![0.0; values.len()];
    storage.panel(0..ncol, 0..nrow, &mut panel);
    assert!(panel.iter().zip(values).all(same), "{name}: the entries of a panel");
    for column in 0..ncol {
        let mut ones = vec![0.0; nrow];
        storage.observed(column, 0..nrow, &mut ones);
        let entries = &values[column * nrow..(column + 1) * nrow];
        let known = |(one, entry): (&f64, &f64)| if entry.is_nan() { one.is_nan() } else { *one == 1.0 };
        assert!(ones.iter().zip(entries).all(known), "{name}: the observed entries");
    }
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
        agrees(&actual, &expected, symmetric, level, rounding, name);
    }
    check_products(&view.scaled_by(2.0), values, [&p, &q], name);
}

/// Checks the products without a model against plain sums over the observed entries, doubled.
fn check_products(view: &ResidualView, values: &[f64], [p, q]: [&[f64]; 2], name: &str) {
    let nrow = p.len();
    let observed = |entry: &f64| if entry.is_nan() { 0.0 } else { 2.0 * entry };
    let along = |row: usize| values.iter().skip(row).step_by(nrow).zip(q).map(|(entry, q)| observed(entry) * q).sum();
    let rows: Vec<f64> = (0..nrow).map(along).collect();
    let columns = values.chunks(nrow).map(|column| column.iter().zip(p).map(|(entry, p)| observed(entry) * p).sum());
    let actual = product(view, ColRef::from_slice(p), ColRef::from_slice(q), Threads::new(2));
    // Entries are of the order of 1.
    let agree = |found: &[f64], expected: &[f64]| {
        found.len() == expected.len()
            && found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-12 * b.abs().max(1.0))
    };
    assert!(agree(actual.rows(), &rows), "{name}: products without a model");
    if !view.is_symmetric() {
        assert!(agree(actual.columns(), &columns.collect::<Vec<f64>>()), "{name}: column products");
    }
}

fn agrees(actual: &PassOutput, expected: &ExpectedPass, symmetric: bool, level: PassLevel, rounding: f64, name: &str) {
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
        assert!((sums.maximum - expected.maximum).abs() <= rounding, "{name}: the maximum");
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

/// Features of some rows, a fifth of them zero, and their Gram matrix without and with centred features.
struct GramCase {
    nrow: usize,
    features: Vec<f64>,
    starts: Vec<i32>,
    positions: Vec<i32>,
    stored: Vec<f64>,
    offsets: Vec<f64>,
    plain: Vec<f64>,
    centred: Vec<f64>,
}

impl GramCase {
    fn new(nrow: usize, ncol: usize) -> Self {
        let mut features = matrix(&mut generator(26), nrow, ncol, false);
        features.iter_mut().filter(|value| (**value * 1e3) as i64 % 5 == 0).for_each(|value| *value = 0.0);
        let row = |row: usize| features.iter().skip(row).step_by(nrow).copied().collect::<Vec<f64>>();
        let rows: Vec<Vec<f64>> = (0..nrow).map(row).collect();
        let means: Vec<f64> = features.chunks(nrow).map(|column| column.iter().sum::<f64>() / nrow as f64).collect();
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>() / ncol as f64;
        let gram = |rows: &[Vec<f64>]| -> Vec<f64> {
            rows.iter().flat_map(|column| rows.iter().map(|row| dot(row, column))).collect()
        };
        let centre = |row: &Vec<f64>| row.iter().zip(&means).map(|(value, mean)| value - mean).collect();
        let centred: Vec<Vec<f64>> = rows.iter().map(centre).collect();
        let (mut starts, mut positions, mut stored) = (vec![0], Vec::new(), Vec::new());
        for row in &rows {
            for (position, value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                positions.push(position as i32);
                stored.push(*value);
            }
            starts.push(stored.len() as i32);
        }
        let offsets = rows.iter().map(|row| dot(row, &means) - dot(&means, &means) / 2.0).collect();
        let (plain, centred) = (gram(&rows), gram(&centred));
        Self { nrow, features, starts, positions, stored, offsets, plain, centred }
    }

    fn ncol(&self) -> usize {
        self.features.len() / self.nrow
    }

    /// The storages of dense and of sparse features.
    fn storages<'a>(&'a self, offsets: &'a [f64]) -> [Gram<'a>; 2] {
        let dense = Features::Dense(MatRef::from_column_major_slice(&self.features, self.nrow, self.ncol()));
        let sparse = Sparse::new(self.ncol(), &self.starts, &self.positions, &self.stored).expect("a valid matrix");
        [dense, Features::SparseTransposed(sparse)]
            .map(|features| Gram::new(features, 1.0 / self.ncol() as f64, offsets).expect("valid offsets"))
    }
}

#[test]
fn gram_matrices_keep_the_contract() {
    for (nrow, ncol) in [(1, 1), (1, 9), (9, 1), (40, 23), (301, 7), (160, 1500)] {
        let case = GramCase::new(nrow, ncol);
        for (offsets, values) in [(&[][..], &case.plain), (&case.offsets, &case.centred)] {
            for gram in case.storages(offsets) {
                for symmetric in [true, false] {
                    check(&gram, values, symmetric, &format!("Gram matrix of {nrow} x {ncol}"));
                    if nrow > 1 {
                        let masked = Masked::without_diagonal(gram.clone());
                        let name = format!("Gram matrix of {nrow} x {ncol}, no diagonal");
                        check(&masked, &without_diagonal(values, nrow), symmetric, &name);
                    }
                }
                let dense = summarize(MatRef::from_column_major_slice(values, nrow, nrow), |_| false);
                let found = summarize_gram(&gram);
                let close = |a: f64, b: f64| (a - b).abs() <= 1e-14 * b.abs().max(1.0);
                assert!(close(found.rms, dense.rms) && close(found.largest, dense.largest), "{found:?} {dense:?}");
                assert!(close(found.max_abs, dense.max_abs) && found.symmetric);
                // Centred features of a single row are zero up to rounding.
                assert!(found.negative == dense.negative || dense.max_abs < 1e-14);
            }
        }
    }
}

#[test]
fn factors_are_subtracted_from_products_of_gram_matrices() {
    let (nrow, ncol) = (60, 11);
    let case = GramCase::new(nrow, ncol);
    let [gram, _] = case.storages(&[]);
    let u = uniform(&mut generator(27), nrow, 0.0, 1.0);
    let factor = [Factor::new(0.3, &u, None)];
    let dense = Dense::new(MatRef::from_column_major_slice(&case.plain, nrow, nrow));
    let q = uniform(&mut generator(28), nrow, -1.0, 1.0);
    let image = |storage: &dyn Storage| {
        let view = ResidualView::new(storage, &factor, true);
        product(&view, ColRef::from_slice(&q), ColRef::from_slice(&q), Threads::new(1)).rows().to_vec()
    };
    assert!(close(&image(&gram), &image(&dense), 1e-12));
    let (gram, dense) = (Masked::without_diagonal(gram), Masked::without_diagonal(dense));
    assert!(close(&image(&gram), &image(&dense), 1e-12));
}

#[test]
fn gram_matrices_have_the_same_bits_for_any_number_of_threads() {
    let case = GramCase::new(2100, 9);
    for gram in case.storages(&case.offsets) {
        let u = uniform(&mut generator(29), 2100, 0.0, 1.0);
        let factor = Factor::new(0.7, &u, None);
        let model = Model { factor: &factor, params: ResidualParams { lambda: 1.5, sigma: 0.4 } };
        let view = ResidualView::new(&gram, &[], true);
        let pass = |threads| {
            let threads = Threads::new(threads);
            let products = product(&view, ColRef::from_slice(&u), ColRef::from_slice(&u), threads);
            (products, sweep(&view, model, &model.spec(PassLevel::Curvature), threads))
        };
        let one = pass(1);
        assert!((2..5).all(|threads| pass(threads) == one));
    }
}

#[test]
fn leading_eigenpairs_are_those_of_a_dense_decomposition() {
    // The second case is large enough for the Krylov iteration.
    for (nrow, ncol, count) in [(40, 23, 5), (300, 200, 4), (300, 3, 5)] {
        let case = GramCase::new(nrow, ncol);
        for gram in case.storages(&case.offsets) {
            let pairs = leading_eigenpairs(&gram, count, Threads::new(2)).expect("a decomposition");
            let dense = MatRef::from_column_major_slice(&case.centred, nrow, nrow);
            let eigen = dense.self_adjoint_eigenvalues(faer::Side::Lower).expect("a decomposition");
            for index in 0..count {
                let expected = eigen[nrow - 1 - index];
                assert!((pairs.values[index] - expected).abs() <= 1e-9 * eigen[nrow - 1], "{index} of {nrow} x {ncol}");
                let vector = pairs.vectors.col(index);
                let rest = dense * vector - expected * vector;
                assert!(rest.norm_l2() <= 1e-4 * eigen[nrow - 1], "{index} of {nrow} x {ncol}: {}", rest.norm_l2());
                assert!((vector.norm_l2() - 1.0).abs() <= 1e-12);
            }
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
