//! The pass over a sparse matrix against that over the same matrix, dense.

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

/// A matrix by columns and its compressed columns.
struct Both {
    nrow: usize,
    ncol: usize,
    values: Vec<f64>,
    starts: Vec<i32>,
    rows: Vec<i32>,
    stored: Vec<f64>,
}

impl Both {
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
                // Now and then a zero is stored as well.
                if value != 0.0 || (row + 3 * column) % 97 == 0 {
                    rows.push(row as i32);
                    stored.push(value);
                }
            }
            starts.push(rows.len() as i32);
        }
        Self { nrow, ncol, values, starts, rows, stored }
    }

    /// The same, some of the stored entries missing, in mirrored places where symmetric.
    fn with_gaps(mut self, symmetric: bool) -> Self {
        let nrow = self.nrow;
        let gap = |row: usize, column: usize| {
            let (row, column) = if symmetric { (row.max(column), row.min(column)) } else { (row, column) };
            (31 * row + 17 * column) % 7 == 3
        };
        for column in 0..self.ncol {
            for index in self.starts[column] as usize..self.starts[column + 1] as usize {
                let row = self.rows[index] as usize;
                // Zeros are stored in places that are not mirrored.
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

/// Loadings of which `share` are not zero.
fn loadings(length: usize, share: f64, seed: u64) -> Vec<f64> {
    let random = &mut generator(seed);
    let size = uniform(random, length, 0.0, 0.3);
    size.into_iter().map(|x| if random.random::<f64>() < share { x } else { 0.0 }).collect()
}

fn factor(nrow: usize, ncol: Option<usize>, share: f64, seed: u64) -> Factor {
    Factor::new(1.7, &loadings(nrow, share, seed), ncol.map(|ncol| loadings(ncol, share, seed + 1)).as_deref())
}

fn same(found: &PassOutput, expected: &PassOutput, params: ResidualParams, what: &str) {
    const TOLERANCE: f64 = 1e-11;
    let pairs = [
        (found.products.rows(), expected.products.rows()),
        (found.products.columns(), expected.products.columns()),
        (found.curvatures.rows(), expected.curvatures.rows()),
        (found.curvatures.columns(), expected.curvatures.columns()),
    ];
    for (index, (found, expected)) in pairs.into_iter().enumerate() {
        assert!(close(found, expected, TOLERANCE), "{what}, margin {index}");
    }
    let count = expected.sums.count;
    let sums = |sweep: &PassOutput| {
        let sums = sweep.sums;
        let slopes = nmu_core::noise_derivatives::NoiseDerivatives::new(&sums, params);
        vec![
            sums.count,
            sums.mean_b,
            // Without curvatures, powers have an upper bound of it alone.
            if sweep.curvatures.rows().is_empty() { 0.0 } else { sums.square_difference },
            sums.maximum,
            sums.residual_mean() * sums.count,
            sums.residual_variance() * sums.count,
            sums.log_likelihood(params),
            slopes.gradient[0],
            slopes.gradient[1],
            slopes.hessian[0],
            slopes.hessian[1],
            slopes.hessian[2],
        ]
    };
    for (index, (found, expected)) in sums(found).into_iter().zip(sums(expected)).enumerate() {
        // Derivatives are differences of sums that are about as large as the number of entries times (λσ)².
        let scale = expected.abs().max(count * (params.lambda * params.sigma).powi(2).max(1.0));
        assert!((found - expected).abs() <= 1e-12 * scale, "{what}, sum {index}: {found} {expected}");
    }
}

/// A σ as large as the entries, and a mean of b far below it: what finds communities.
#[test]
fn powers_of_overlapping_loadings_tell_what_zeros_yield() {
    for symmetric in [true, false] {
        let (nrow, ncol) = if symmetric { (200, 200) } else { (190, 210) };
        let both = Both::new(nrow, ncol, symmetric, 6);
        let (dense, sparse) = (both.dense(), both.sparse());
        let columns = (!symmetric).then_some(ncol);
        for (subtracted, lambda, sigma) in [(1, 3.0, 2.0), (4, 0.4, 3.0), (6, 20.0, 1.5)] {
            let params = ResidualParams { lambda, sigma };
            let before: Vec<Factor> = (0..subtracted).map(|k| factor(nrow, columns, 0.9, 40 + k)).collect();
            let model = factor(nrow, columns, 0.9, 50);
            let depth = PassLevel::Curvature;
            let question = PassSpec {
                row_weights: ColRef::from_slice(model.u()),
                column_weights: ColRef::from_slice(model.v()),
                shift: 1.0 / lambda,
                level: depth,
            };
            let of = |storage: &dyn Storage, threads| {
                let view = ResidualView::new(storage, &before, symmetric);
                sweep(&view, Model { factor: &model, params }, &question, Threads::new(threads))
            };
            let found = of(&sparse, 1);
            same(&found, &of(&dense, 1), params, &format!("symmetric {symmetric}, {subtracted} taken"));
            assert_eq!(found, of(&sparse, 2));
        }
    }
}

const NOISE: ResidualParams = ResidualParams { lambda: 2.0, sigma: 0.3 };

#[test]
fn a_sweep_is_that_of_the_dense_matrix() {
    for symmetric in [true, false] {
        let (nrow, ncol) = if symmetric { (400, 400) } else { (430, 350) };
        let both = Both::new(nrow, ncol, symmetric, 5);
        let (dense, sparse) = (both.dense(), both.sparse());
        let columns = (!symmetric).then_some(ncol);
        for subtracted in 0..3 {
            for share in [1.0, 0.3, 0.0] {
                let before: Vec<Factor> = (0..subtracted).map(|k| factor(nrow, columns, share, 20 + k)).collect();
                let model = factor(nrow, columns, share, 10);
                let (p, q) = (loadings(nrow, 0.8, 30), loadings(ncol, 0.8, 31));
                let q = if symmetric { &p } else { &q };
                for depth in [PassLevel::Expectation, PassLevel::Likelihood, PassLevel::Curvature] {
                    let question = PassSpec {
                        row_weights: ColRef::from_slice(&p),
                        column_weights: ColRef::from_slice(q),
                        shift: 0.4,
                        level: depth,
                    };
                    let of = |storage: &dyn Storage, threads| {
                        let view = ResidualView::new(storage, &before, symmetric).scaled_by(0.5);
                        sweep(&view, Model { factor: &model, params: NOISE }, &question, Threads::new(threads))
                    };
                    let what = format!("symmetric {symmetric}, {subtracted} taken, share {share}, {depth:?}");
                    let found = of(&sparse, 1);
                    same(&found, &of(&dense, 1), NOISE, &what);
                    assert_eq!(found, of(&sparse, 3), "{what}");
                }
                let view = |storage| ResidualView::new(storage, &before, symmetric).scaled_by(0.5);
                let of =
                    |storage| product(&view(storage), ColRef::from_slice(&p), ColRef::from_slice(q), Threads::new(2));
                let (found, expected) = (of(&sparse), of(&dense));
                assert!(close(found.rows(), expected.rows(), 1e-12));
                assert!(close(found.columns(), expected.columns(), 1e-12));
            }
        }
    }
}

/// A sparse matrix that is gone over entry by entry, like any other.
struct Tiles<'a>(Sparse<'a>);

impl Storage for Tiles<'_> {
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
fn missing_entries_and_a_missing_diagonal_do_not_count() {
    for (symmetric, nrow, ncol) in [(true, 300, 300), (false, 300, 300), (false, 260, 310)] {
        let both = Both::new(nrow, ncol, symmetric, 6).with_gaps(symmetric);
        assert!(both.stored.iter().any(|value| value.is_nan()));
        let columns = (!symmetric).then_some(ncol);
        for hollow in [true, false] {
            if hollow && nrow != ncol {
                continue;
            }
            let sparse = if hollow { both.sparse().without_diagonal() } else { both.sparse() };
            let dense = if hollow { Masked::without_diagonal(both.dense()) } else { Masked::new(both.dense()) };
            for subtracted in 0..3 {
                let before: Vec<Factor> = (0..subtracted).map(|k| factor(nrow, columns, 0.5, 20 + k)).collect();
                let model = factor(nrow, columns, 0.5, 10);
                let (p, q) = (loadings(nrow, 0.8, 30), loadings(ncol, 0.8, 31));
                let q = if symmetric { &p } else { &q };
                let what = format!("symmetric {symmetric}, {subtracted} taken, hollow {hollow}");
                for depth in [PassLevel::Expectation, PassLevel::Likelihood, PassLevel::Curvature] {
                    let question = PassSpec {
                        row_weights: ColRef::from_slice(&p),
                        column_weights: ColRef::from_slice(q),
                        shift: 0.4,
                        level: depth,
                    };
                    let of = |storage: &dyn Storage| {
                        let view = ResidualView::new(storage, &before, symmetric).scaled_by(0.5);
                        sweep(&view, Model { factor: &model, params: NOISE }, &question, Threads::new(2))
                    };
                    same(&of(&sparse), &of(&dense), NOISE, &format!("{what}, {depth:?}"));
                }
                let of = |storage: &dyn Storage| {
                    let view = ResidualView::new(storage, &before, symmetric).scaled_by(0.5);
                    product(&view, ColRef::from_slice(&p), ColRef::from_slice(q), Threads::new(2))
                };
                let (found, expected) = (of(&sparse), of(&dense));
                assert!(close(found.rows(), expected.rows(), 1e-12), "{what}: products");
                assert!(close(found.columns(), expected.columns(), 1e-12), "{what}: products");
                let of = |storage: &dyn Storage| {
                    certificate(&Problem { storage, symmetric, scale: 0.5 }, &before, Threads::new(2))
                };
                let (found, expected) = (of(&sparse), of(&dense));
                assert!((found.error - expected.error).abs() <= 1e-12, "{what}: {found:?} {expected:?}");
                let counts = |found: Certificate| (found.violated, found.checked, found.negative);
                assert_eq!(counts(found), counts(expected), "{what}");
            }
        }
    }
}

/// The margins and sums of a sweep, and what each is to be compared with.
fn sizes(sweep: &PassOutput) -> Vec<(f64, f64)> {
    let margins =
        [sweep.products.rows(), sweep.products.columns(), sweep.curvatures.rows(), sweep.curvatures.columns()];
    let largest = |values: &[f64]| values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let margins = margins.into_iter().flat_map(|values| values.iter().map(move |value| (*value, largest(values))));
    let sums = [sweep.sums.mean_b, sweep.sums.square_difference, sweep.sums.log_likelihood(NOISE)];
    margins.chain(sums.map(|sum| (sum, sum.abs()))).collect()
}

fn largest_difference(found: &PassOutput, expected: &PassOutput) -> f64 {
    let pairs = sizes(found).into_iter().zip(sizes(expected));
    pairs.map(|((found, _), (expected, size))| (found - expected).abs() / size).fold(0.0, f64::max)
}

#[test]
fn interpolation_keeps_to_its_tolerance_however_far_factors_reach() {
    let (nrow, ncol) = (1500, 1200);
    let both = Both::new(nrow, ncol, false, 8);
    for subtracted in 0..2 {
        for reach in [1.0, 10.0, 100.0, 1000.0] {
            // The largest entry of a factor, in units of σ.
            let random = &mut generator(subtracted + 50);
            let mut part = |length| uniform(random, length, 0.0, 1.0);
            let mut new = || Factor::new(reach * NOISE.sigma, &part(nrow), Some(&part(ncol)));
            let (model, before) = (new(), vec![new(); subtracted as usize]);
            let question = PassSpec {
                row_weights: ColRef::from_slice(model.u()),
                column_weights: ColRef::from_slice(model.v()),
                shift: 0.4,
                level: PassLevel::Curvature,
            };
            let of = |storage: &dyn Storage| {
                let view = ResidualView::new(storage, &before, false);
                sweep(&view, Model { factor: &model, params: NOISE }, &question, Threads::new(2))
            };
            let expected = of(&Tiles(both.sparse()));
            let what = format!("{subtracted} taken, reach {reach}");
            // PassStats over all zeros lose some digits more to rounding than to interpolation.
            let found = of(&both.sparse());
            let off = largest_difference(&found, &expected);
            assert!(off <= 20.0 * DEFAULT_TOLERANCE, "{what}: {off:e}");
            for tolerance in [1e-9, 1e-6, 1e-4] {
                let loose = of(&both.sparse().with_tolerance(tolerance));
                let off = largest_difference(&loose, &expected);
                assert!(off <= tolerance, "{what}: {off:e} for {tolerance:e}");
                // It is the tolerance that is tested, where there is something to interpolate.
                assert!(
                    reach > 10.0 || tolerance < 1e-4 || loose != found,
                    "{what}, {tolerance:e}: nothing was interpolated"
                );
            }
        }
    }
}

/// Where almost every row has a pattern of its own, finding what each meets would take as long as all entries do, for every
/// factor once more.
#[test]
fn with_as_many_patterns_as_rows_all_entries_are_gone_over() {
    for symmetric in [true, false] {
        let (nrow, ncol) = if symmetric { (200, 200) } else { (190, 210) };
        let both = Both::new(nrow, ncol, symmetric, 9);
        let columns = (!symmetric).then_some(ncol);
        let before: Vec<Factor> = (0..12).map(|k| factor(nrow, columns, 0.5, 60 + 2 * k)).collect();
        let model = factor(nrow, columns, 0.5, 90);
        let question = Model { factor: &model, params: NOISE }.spec(PassLevel::Curvature);
        let of = |storage: &dyn Storage| {
            let view = ResidualView::new(storage, &before, symmetric);
            sweep(&view, Model { factor: &model, params: NOISE }, &question, Threads::new(1))
        };
        assert_eq!(of(&both.sparse()), of(&Tiles(both.sparse())));
    }
}

#[test]
fn columns_are_those_of_the_dense_matrix() {
    let both = Both::new(50, 30, false, 7);
    let (dense, sparse) = (both.dense(), both.sparse());
    assert_eq!((sparse.nrow(), sparse.ncol()), (50, 30));
    for column in 0..30 {
        for rows in [0..50, 0..1, 13..40, 49..50, 20..20] {
            let (mut one, mut other) = (vec![7.0; rows.len()], vec![7.0; rows.len()]);
            assert_eq!(sparse.column(column, rows.clone(), &mut one), dense.column(column, rows, &mut other));
        }
    }
}

#[test]
fn what_is_not_compressed_columns_is_refused() {
    let of = |starts: &[i32], rows: &[i32], values: &[f64]| Sparse::new(3, starts, rows, values).is_ok();
    assert!(of(&[0, 1, 3], &[2, 0, 1], &[1.0, 2.0, 3.0]));
    assert!(of(&[0, 0, 0], &[], &[]));
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
        assert!(!of(starts, rows, values), "{starts:?} {rows:?}");
    }
}

#[test]
fn the_certificate_is_that_of_the_dense_matrix() {
    for symmetric in [true, false] {
        let (nrow, ncol) = if symmetric { (120, 120) } else { (90, 140) };
        let both = Both::new(nrow, ncol, symmetric, 11);
        let (dense, sparse) = (both.dense(), both.sparse());
        for count in 0..4 {
            let factors: Vec<Factor> =
                (0..count).map(|k| factor(nrow, (!symmetric).then_some(ncol), 0.3, 40 + 2 * k)).collect();
            let of = |storage: &dyn Storage| {
                certificate(&Problem { storage, symmetric, scale: 0.5 }, &factors, Threads::new(2))
            };
            let (found, expected) = (of(&sparse), of(&dense));
            assert!((found.error - expected.error).abs() <= 1e-12, "{found:?} {expected:?}");
            assert!((found.largest_violation - expected.largest_violation).abs() <= 1e-15, "{found:?} {expected:?}");
            let counts = |found: Certificate| (found.violated, found.checked, found.negative, found.share);
            assert_eq!(counts(found), counts(expected));
        }
    }
}
