//! Comparison of the pass over a sparse matrix with the pass over the same matrix in dense storage.

use crate::common::{close, generator, uniform};
use faer::{ColRef, MatRef};
use nmu_core::factor::Factor;
use nmu_core::noise::ResidualParams;
use nmu_core::pass::{product, sweep, Model, PassLevel, PassOutput, PassSpec};
use nmu_core::residual::{Problem, ResidualView};
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::{Dense, Masked, Sparse, Storage, DEFAULT_TOLERANCE};
use nmu_core::underapprox::{certificate, Certificate};
use rand::Rng;

/// A matrix in column-major order and in compressed columns.
struct TestMatrix {
    nrow: usize,
    ncol: usize,
    values: Vec<f64>,
    starts: Vec<i32>,
    rows: Vec<i32>,
    stored: Vec<f64>,
}

impl TestMatrix {
    fn new(nrow: usize, ncol: usize, symmetric: bool, seed: u64) -> Self {
        let random = &mut generator(seed);
        let mut values = vec![0.0; nrow * ncol];
        for column in 0..ncol {
            for row in 0..if symmetric { column + 1 } else { nrow } {
                if random.random::<f64>() < 0.05 {
                    values[column * nrow + row] = random.random_range(-0.3..3.0);
                    if symmetric {
                        values[row * nrow + column] = values[column * nrow + row];
                    }
                }
            }
        }
        let (mut starts, mut rows, mut stored) = (vec![0], Vec::new(), Vec::new());
        for column in 0..ncol {
            for row in 0..nrow {
                let value = values[column * nrow + row];
                // A few zeros are stored as well.
                if value != 0.0 || (row + 3 * column) % 97 == 0 {
                    rows.push(row as i32);
                    stored.push(value);
                }
            }
            starts.push(rows.len() as i32);
        }
        Self { nrow, ncol, values, starts, rows, stored }
    }

    /// The same with some missing stored entries; symmetric if the matrix is.
    fn with_gaps(mut self, symmetric: bool) -> Self {
        let nrow = self.nrow;
        let gap = |row: usize, column: usize| {
            let (row, column) = if symmetric { (row.max(column), row.min(column)) } else { (row, column) };
            (31 * row + 17 * column) % 7 == 3
        };
        for column in 0..self.ncol {
            for index in self.starts[column] as usize..self.starts[column + 1] as usize {
                let row = self.rows[index] as usize;
                // The stored zeros are not symmetric.
                if self.stored[index] != 0.0 && gap(row, column) {
                    self.stored[index] = f64::NAN;
                    self.values[column * nrow + row] = f64::NAN;
                }
            }
        }
        self
    }

    fn dense(&self) -> Dense<'_> {
        Dense::new(MatRef::from_column_major_slice(&self.values, self.nrow, self.ncol))
    }

    fn sparse(&self) -> Sparse<'_> {
        Sparse::new(self.nrow, &self.starts, &self.rows, &self.stored).expect("a matrix")
    }
}

/// Loadings of which a fraction `density` is not zero.
fn loadings(length: usize, density: f64, seed: u64) -> Vec<f64> {
    let random = &mut generator(seed);
    let size = uniform(random, length, 0.0, 0.3);
    size.into_iter().map(|x| if random.random::<f64>() < density { x } else { 0.0 }).collect()
}

fn factor(nrow: usize, ncol: Option<usize>, density: f64, seed: u64) -> Factor {
    Factor::new(1.7, &loadings(nrow, density, seed), ncol.map(|ncol| loadings(ncol, density, seed + 1)).as_deref())
}

fn same(actual: &PassOutput, expected: &PassOutput, params: ResidualParams, what: &str) {
    const TOLERANCE: f64 = 1e-11;
    let pairs = [
        (actual.products.rows(), expected.products.rows()),
        (actual.products.columns(), expected.products.columns()),
        (actual.curvatures.rows(), expected.curvatures.rows()),
        (actual.curvatures.columns(), expected.curvatures.columns()),
    ];
    for (index, (actual, expected)) in pairs.into_iter().enumerate() {
        assert!(close(actual, expected, TOLERANCE), "{what}, vector {index}");
    }
    let count = expected.sums.count;
    let sums = |sweep: &PassOutput| {
        let sums = sweep.sums;
        let derivatives = nmu_core::noise_derivatives::NoiseDerivatives::new(&sums, params);
        vec![
            sums.count,
            sums.mean_b,
            // Without curvatures, power series give an upper bound of it only.
            if sweep.curvatures.rows().is_empty() { 0.0 } else { sums.square_difference },
            sums.maximum,
            sums.residual_mean() * sums.count,
            sums.residual_variance() * sums.count,
            sums.log_likelihood(params),
            derivatives.gradient[0],
            derivatives.gradient[1],
            derivatives.hessian[0],
            derivatives.hessian[1],
            derivatives.hessian[2],
        ]
    };
    for (index, (actual, expected)) in sums(actual).into_iter().zip(sums(expected)).enumerate() {
        // Derivatives are differences of sums of about the size of the number of entries times (λσ)².
        let scale = expected.abs().max(count * (params.lambda * params.sigma).powi(2).max(1.0));
        assert!((actual - expected).abs() <= 1e-12 * scale, "{what}, sum {index}: {actual} {expected}");
    }
}

/// A σ as large as the entries and a mean of b far below it, as when communities are fitted.
#[test]
fn power_series_with_overlapping_factors_equal_dense_pass() {
    for symmetric in [true, false] {
        let (nrow, ncol) = if symmetric { (200, 200) } else { (190, 210) };
        let matrix = TestMatrix::new(nrow, ncol, symmetric, 6);
        let (dense, sparse) = (matrix.dense(), matrix.sparse());
        let columns = (!symmetric).then_some(ncol);
        for (subtracted, lambda, sigma) in [(1, 3.0, 2.0), (4, 0.4, 3.0), (6, 20.0, 1.5)] {
            let params = ResidualParams { lambda, sigma };
            let before: Vec<Factor> = (0..subtracted).map(|k| factor(nrow, columns, 0.9, 40 + k)).collect();
            let model = factor(nrow, columns, 0.9, 50);
            let level = PassLevel::Curvature;
            let spec = PassSpec {
                row_weights: ColRef::from_slice(model.u()),
                column_weights: ColRef::from_slice(model.v()),
                shift: 1.0 / lambda,
                level,
            };
            let evaluate = |storage: &dyn Storage, threads| {
                let view = ResidualView::new(storage, &before, symmetric);
                sweep(&view, Model { factor: &model, params }, &spec, Threads::new(threads))
            };
            let actual = evaluate(&sparse, 1);
            same(&actual, &evaluate(&dense, 1), params, &format!("symmetric {symmetric}, {subtracted} subtracted"));
            assert_eq!(actual, evaluate(&sparse, 2));
        }
    }
}

const NOISE: ResidualParams = ResidualParams { lambda: 2.0, sigma: 0.3 };

/// A sweep with the weights `p` of rows and `q` of columns.
fn pass_spec<'a>(p: &'a [f64], q: &'a [f64], level: PassLevel) -> PassSpec<'a> {
    PassSpec { row_weights: ColRef::from_slice(p), column_weights: ColRef::from_slice(q), shift: 0.4, level }
}

#[test]
fn sweep_equals_that_of_dense_matrix() {
    for symmetric in [true, false] {
        let (nrow, ncol) = if symmetric { (400, 400) } else { (430, 350) };
        let matrix = TestMatrix::new(nrow, ncol, symmetric, 5);
        let (dense, sparse) = (matrix.dense(), matrix.sparse());
        let columns = (!symmetric).then_some(ncol);
        for subtracted in 0..3 {
            for density in [1.0, 0.3, 0.0] {
                let before: Vec<Factor> = (0..subtracted).map(|k| factor(nrow, columns, density, 20 + k)).collect();
                let model = factor(nrow, columns, density, 10);
                let (p, q) = (loadings(nrow, 0.8, 30), loadings(ncol, 0.8, 31));
                let q = if symmetric { &p } else { &q };
                for level in [PassLevel::Expectation, PassLevel::Likelihood, PassLevel::Curvature] {
                    let spec = pass_spec(&p, q, level);
                    let evaluate = |storage: &dyn Storage, threads| {
                        let view = ResidualView::new(storage, &before, symmetric).scaled_by(0.5);
                        sweep(&view, Model { factor: &model, params: NOISE }, &spec, Threads::new(threads))
                    };
                    let what = format!("symmetric {symmetric}, {subtracted} subtracted, density {density}, {level:?}");
                    let actual = evaluate(&sparse, 1);
                    same(&actual, &evaluate(&dense, 1), NOISE, &what);
                    assert_eq!(actual, evaluate(&sparse, 3), "{what}");
                }
                let view = |storage| ResidualView::new(storage, &before, symmetric).scaled_by(0.5);
                let evaluate =
                    |storage| product(&view(storage), ColRef::from_slice(&p), ColRef::from_slice(q), Threads::new(2));
                let (actual, expected) = (evaluate(&sparse), evaluate(&dense));
                assert!(close(actual.rows(), expected.rows(), 1e-12));
                assert!(close(actual.columns(), expected.columns(), 1e-12));
            }
        }
    }
}

/// A sparse matrix whose pass visits every entry.
struct EntryByEntry<'a>(Sparse<'a>);

impl Storage for EntryByEntry<'_> {
    fn nrow(&self) -> usize {
        self.0.nrow()
    }

    fn ncol(&self) -> usize {
        self.0.ncol()
    }

    fn column<'a>(&'a self, column: usize, rows: std::ops::Range<usize>, buffer: &'a mut [f64]) -> &'a [f64] {
        self.0.column(column, rows, buffer)
    }
}

#[test]
fn missing_entries_and_missing_diagonal_are_excluded() {
    for (symmetric, nrow, ncol) in [(true, 300, 300), (false, 300, 300), (false, 260, 310)] {
        let matrix = TestMatrix::new(nrow, ncol, symmetric, 6).with_gaps(symmetric);
        assert!(matrix.stored.iter().any(|value| value.is_nan()));
        let columns = (!symmetric).then_some(ncol);
        for without_diagonal in [true, false] {
            if without_diagonal && nrow != ncol {
                continue;
            }
            let sparse = if without_diagonal { matrix.sparse().without_diagonal() } else { matrix.sparse() };
            let dense =
                if without_diagonal { Masked::without_diagonal(matrix.dense()) } else { Masked::new(matrix.dense()) };
            for subtracted in 0..3 {
                let before: Vec<Factor> = (0..subtracted).map(|k| factor(nrow, columns, 0.5, 20 + k)).collect();
                let model = factor(nrow, columns, 0.5, 10);
                let (p, q) = (loadings(nrow, 0.8, 30), loadings(ncol, 0.8, 31));
                let q = if symmetric { &p } else { &q };
                let what =
                    format!("symmetric {symmetric}, {subtracted} subtracted, without_diagonal {without_diagonal}");
                for level in [PassLevel::Expectation, PassLevel::Likelihood, PassLevel::Curvature] {
                    let spec = pass_spec(&p, q, level);
                    let evaluate = |storage: &dyn Storage| {
                        let view = ResidualView::new(storage, &before, symmetric).scaled_by(0.5);
                        sweep(&view, Model { factor: &model, params: NOISE }, &spec, Threads::new(2))
                    };
                    same(&evaluate(&sparse), &evaluate(&dense), NOISE, &format!("{what}, {level:?}"));
                }
                let evaluate = |storage: &dyn Storage| {
                    let view = ResidualView::new(storage, &before, symmetric).scaled_by(0.5);
                    product(&view, ColRef::from_slice(&p), ColRef::from_slice(q), Threads::new(2))
                };
                let (actual, expected) = (evaluate(&sparse), evaluate(&dense));
                assert!(close(actual.rows(), expected.rows(), 1e-12), "{what}: products");
                assert!(close(actual.columns(), expected.columns(), 1e-12), "{what}: products");
                let evaluate = |storage: &dyn Storage| {
                    certificate(&Problem { storage, symmetric, scale: 0.5 }, &before, Threads::new(2))
                };
                let (actual, expected) = (evaluate(&sparse), evaluate(&dense));
                assert!((actual.error - expected.error).abs() <= 1e-12, "{what}: {actual:?} {expected:?}");
                let counts = |actual: Certificate| (actual.violated, actual.checked, actual.negative);
                assert_eq!(counts(actual), counts(expected), "{what}");
            }
        }
    }
}

/// The sums by row and column and all sums of a sweep, each with the size that it is compared with.
fn sizes(sweep: &PassOutput) -> Vec<(f64, f64)> {
    let vectors =
        [sweep.products.rows(), sweep.products.columns(), sweep.curvatures.rows(), sweep.curvatures.columns()];
    let largest = |values: &[f64]| values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let vectors = vectors.into_iter().flat_map(|values| values.iter().map(move |value| (*value, largest(values))));
    let sums = [sweep.sums.mean_b, sweep.sums.square_difference, sweep.sums.log_likelihood(NOISE)];
    vectors.chain(sums.map(|sum| (sum, sum.abs()))).collect()
}

fn largest_difference(actual: &PassOutput, expected: &PassOutput) -> f64 {
    let pairs = sizes(actual).into_iter().zip(sizes(expected));
    pairs.map(|((actual, _), (expected, size))| (actual - expected).abs() / size).fold(0.0, f64::max)
}

#[test]
fn interpolation_attains_its_tolerance_for_factors_of_any_size() {
    let (nrow, ncol) = (1500, 1200);
    let matrix = TestMatrix::new(nrow, ncol, false, 8);
    for subtracted in 0..2 {
        for size in [1.0, 10.0, 100.0, 1000.0] {
            // The largest entry of a factor, in units of σ.
            let random = &mut generator(subtracted + 50);
            let mut part = |length| uniform(random, length, 0.0, 1.0);
            let mut new = || Factor::new(size * NOISE.sigma, &part(nrow), Some(&part(ncol)));
            let (model, before) = (new(), vec![new(); subtracted as usize]);
            let spec = PassSpec {
                row_weights: ColRef::from_slice(model.u()),
                column_weights: ColRef::from_slice(model.v()),
                shift: 0.4,
                level: PassLevel::Curvature,
            };
            let evaluate = |storage: &dyn Storage| {
                let view = ResidualView::new(storage, &before, false);
                sweep(&view, Model { factor: &model, params: NOISE }, &spec, Threads::new(2))
            };
            let expected = evaluate(&EntryByEntry(matrix.sparse()));
            let what = format!("{subtracted} subtracted, size {size}");
            // Sums over all zeros lose a few more digits to rounding than to interpolation.
            let actual = evaluate(&matrix.sparse());
            let off = largest_difference(&actual, &expected);
            assert!(off <= 20.0 * DEFAULT_TOLERANCE, "{what}: {off:e}");
            for tolerance in [1e-9, 1e-6, 1e-4] {
                let loose = evaluate(&matrix.sparse().with_tolerance(tolerance));
                let off = largest_difference(&loose, &expected);
                assert!(off <= tolerance, "{what}: {off:e} for {tolerance:e}");
                // The tolerance must have an effect wherever sums are interpolated.
                assert!(
                    size > 10.0 || tolerance < 1e-4 || loose != actual,
                    "{what}, {tolerance:e}: nothing was interpolated"
                );
            }
        }
    }
}

/// With almost as many supports as rows, matching supports would take as long as a sweep over all entries for every factor.
#[test]
fn with_as_many_supports_as_rows_all_entries_are_visited() {
    for symmetric in [true, false] {
        let (nrow, ncol) = if symmetric { (200, 200) } else { (190, 210) };
        let matrix = TestMatrix::new(nrow, ncol, symmetric, 9);
        let columns = (!symmetric).then_some(ncol);
        let before: Vec<Factor> = (0..12).map(|k| factor(nrow, columns, 0.5, 60 + 2 * k)).collect();
        let model = factor(nrow, columns, 0.5, 90);
        let spec = Model { factor: &model, params: NOISE }.spec(PassLevel::Curvature);
        let evaluate = |storage: &dyn Storage| {
            let view = ResidualView::new(storage, &before, symmetric);
            sweep(&view, Model { factor: &model, params: NOISE }, &spec, Threads::new(1))
        };
        assert_eq!(evaluate(&matrix.sparse()), evaluate(&EntryByEntry(matrix.sparse())));
    }
}

#[test]
fn columns_equal_those_of_dense_matrix() {
    let matrix = TestMatrix::new(50, 30, false, 7);
    let (dense, sparse) = (matrix.dense(), matrix.sparse());
    assert_eq!((sparse.nrow(), sparse.ncol()), (50, 30));
    for column in 0..30 {
        for rows in [0..50, 0..1, 13..40, 49..50, 20..20] {
            let (mut one, mut other) = (vec![7.0; rows.len()], vec![7.0; rows.len()]);
            assert_eq!(sparse.column(column, rows.clone(), &mut one), dense.column(column, rows, &mut other));
        }
    }
}

#[test]
fn invalid_compressed_columns_are_rejected() {
    let evaluate = |starts: &[i32], rows: &[i32], values: &[f64]| Sparse::new(3, starts, rows, values).is_ok();
    assert!(evaluate(&[0, 1, 3], &[2, 0, 1], &[1.0, 2.0, 3.0]));
    assert!(evaluate(&[0, 0, 0], &[], &[]));
    for (starts, rows, values) in [
        (&[0, 1, 3][..], &[2, 0][..], &[1.0, 2.0, 3.0][..]),
        (&[0, 1, 2], &[2, 0, 1], &[1.0, 2.0, 3.0]),
        (&[1, 1, 3], &[2, 0, 1], &[1.0, 2.0, 3.0]),
        (&[0, 2, 1, 3], &[0, 1, 2], &[1.0, 2.0, 3.0]),
        (&[0, 1, 3], &[2, 1, 0], &[1.0, 2.0, 3.0]),
        (&[0, 1, 3], &[2, 1, 1], &[1.0, 2.0, 3.0]),
        (&[0, 1, 3], &[3, 0, 1], &[1.0, 2.0, 3.0]),
        (&[0, 1, 3], &[-1, 0, 1], &[1.0, 2.0, 3.0]),
        (&[], &[], &[]),
    ] {
        assert!(!evaluate(starts, rows, values), "{starts:?} {rows:?}");
    }
}

#[test]
fn certificate_equals_that_of_dense_matrix() {
    for symmetric in [true, false] {
        let (nrow, ncol) = if symmetric { (120, 120) } else { (90, 140) };
        let matrix = TestMatrix::new(nrow, ncol, symmetric, 11);
        let (dense, sparse) = (matrix.dense(), matrix.sparse());
        for count in 0..4 {
            let factors: Vec<Factor> =
                (0..count).map(|k| factor(nrow, (!symmetric).then_some(ncol), 0.3, 40 + 2 * k)).collect();
            let evaluate = |storage: &dyn Storage| {
                certificate(&Problem { storage, symmetric, scale: 0.5 }, &factors, Threads::new(2))
            };
            let (actual, expected) = (evaluate(&sparse), evaluate(&dense));
            assert!((actual.error - expected.error).abs() <= 1e-12, "{actual:?} {expected:?}");
            assert!((actual.largest_violation - expected.largest_violation).abs() <= 1e-15, "{actual:?} {expected:?}");
            let counts = |actual: Certificate| (actual.violated, actual.checked, actual.negative, actual.share);
            assert_eq!(counts(actual), counts(expected));
        }
    }
}
