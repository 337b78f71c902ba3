//! Tests of certified underapproximation: the bounds hold for every order of evaluation, and exact solutions are found.

use crate::common::{close, generator, swimmer, uniform};
use faer::MatRef;
use nmu_core::factor::Factor;
use nmu_core::residual::Problem;
use nmu_core::runtime::cancel::{install, Request};
use nmu_core::runtime::parallel::Threads;
use nmu_core::runtime::progress::no_report;
use nmu_core::storage::{Dense, Masked};
use nmu_core::trace::Status;
use nmu_core::underapprox::{certificate, underapproximate, CertifiedFactor, UnderapproxOptions};
use std::cell::Cell;

/// A test matrix in column-major order.
struct Example {
    values: Vec<f64>,
    nrow: usize,
    symmetric: bool,
}

impl Example {
    fn new(values: Vec<f64>, nrow: usize, symmetric: bool) -> Self {
        Self { values, nrow, symmetric }
    }

    /// Creates a random nonnegative matrix in which the proportion `zeros` of the entries is zero.
    fn random(seed: u64, nrow: usize, ncol: usize, symmetric: bool, zeros: f64) -> Self {
        let mut generator = generator(seed);
        let draws = uniform(&mut generator, nrow * ncol, -zeros, 1.0 - zeros);
        let entry = |row: usize, column: usize| draws[column * nrow + row].max(0.0);
        let pair =
            |row: usize, column: usize| if symmetric { (row.min(column), row.max(column)) } else { (row, column) };
        let values = (0..nrow * ncol).map(|index| pair(index % nrow, index / nrow)).map(|(i, j)| entry(i, j)).collect();
        Self::new(values, nrow, symmetric)
    }

    fn ncol(&self) -> usize {
        self.values.len() / self.nrow
    }

    fn times(&self, scale: f64) -> Self {
        Self::new(self.values.iter().map(|value| value * scale).collect(), self.nrow, self.symmetric)
    }

    fn with_problem<T>(&self, scale: f64, f: impl FnOnce(&Problem) -> T) -> T {
        let dense = Dense::new(MatRef::from_column_major_slice(&self.values, self.nrow, self.ncol()));
        f(&Problem { storage: &Masked::new(dense), symmetric: self.symmetric, scale })
    }

    fn fit(&self, options: &UnderapproxOptions) -> Vec<CertifiedFactor> {
        let fit = |problem: &Problem| underapproximate(problem, options, Threads::new(1), &mut no_report);
        self.with_problem(1.0, fit).expect("memory for a small matrix")
    }

    /// Fits `count` factors and checks the guarantees that hold for every matrix.
    fn fit_and_check(&self, count: usize) -> Vec<CertifiedFactor> {
        let fits = self.fit(&UnderapproxOptions::new(count));
        assert_eq!(fits.len(), count);
        let factors = factors(&fits);
        self.assert_below(&factors);
        self.assert_loadings(&factors);
        let certificate = self.with_problem(1.0, |problem| certificate(problem, &factors, Threads::new(1)));
        assert_eq!((certificate.violated, certificate.largest_violation, certificate.share), (0.0, 0.0, 0.0));
        let mut before = 1.0;
        for fit in &fits {
            assert!(fit.error <= before * (1.0 + 1e-12), "{} after {before}", fit.error);
            assert_eq!(fit.factor.d == 0.0, fit.status == Status::Null);
            before = fit.error;
        }
        assert!(fits.last().is_none_or(|last| (last.error - certificate.error).abs() <= 1e-12 * certificate.error));
        fits
    }

    /// Asserts that no nonnegative entry is exceeded, for several orders of evaluation.
    fn assert_below(&self, factors: &[Factor]) {
        type Term = fn(f64, f64, f64) -> f64;
        let terms: [Term; 3] = [|d, u, v| d * (u * v), |d, u, v| (d * u) * v, |d, u, v| (d * v) * u];
        for (index, &entry) in self.values.iter().enumerate() {
            let (row, column) = (index % self.nrow, index / self.nrow);
            let parts = || factors.iter().map(|factor| (factor.d, factor.u[row], factor.v()[column]));
            let mut sums = Vec::new();
            for term in terms {
                sums.push(parts().map(|(d, u, v)| term(d, u, v)).sum::<f64>());
                sums.push(parts().rev().map(|(d, u, v)| term(d, u, v)).sum());
            }
            sums.push(parts().fold(0.0, |sum: f64, (d, u, v)| (d * u).mul_add(v, sum)));
            sums.push(parts().rev().fold(0.0, |sum: f64, (d, u, v)| (d * v).mul_add(u, sum)));
            // A missing entry sets no bound; at a negative entry the sum must be zero.
            assert!(
                sums.iter().all(|&sum| entry.is_nan() || sum <= entry.max(0.0)),
                "{sums:?} above {entry} at {index}"
            );
        }
    }

    /// Asserts that loadings are nonnegative and of unit norm, or zero for a null factor.
    fn assert_loadings(&self, factors: &[Factor]) {
        for factor in factors {
            assert_eq!(factor.v.is_none(), self.symmetric);
            for loadings in [factor.u(), factor.v()] {
                let norm = loadings.iter().map(|loading| loading * loading).sum::<f64>().sqrt();
                assert!(loadings.iter().all(|&loading| loading >= 0.0));
                assert!(if factor.d > 0.0 { (norm - 1.0).abs() < 1e-14 } else { norm == 0.0 });
            }
        }
    }
}

/// The factors without their diagnostics.
fn factors(fits: &[CertifiedFactor]) -> Vec<Factor> {
    fits.iter().map(|fit| fit.factor.clone()).collect()
}

/// The relative error with all factors.
fn error(fits: &[CertifiedFactor]) -> f64 {
    fits.last().map_or(1.0, |last| last.error)
}

/// The covariance of a balanced tree with `leaves · 2^levels` tips: the length of the path from the root that two tips
/// share.
fn tree(levels: u32, leaves: usize) -> Example {
    let order = leaves << levels;
    let shared = |i: usize, j: usize| -> f64 {
        (0..=levels)
            .filter(|level| i / (leaves << level) == j / (leaves << level))
            .map(|level| 1.0 + 0.3 * f64::from(level))
            .sum()
    };
    Example::new((0..order * order).map(|index| shared(index % order, index / order)).collect(), order, true)
}

#[test]
fn swimmer_is_solved_exactly() {
    let (values, nrow, _) = swimmer();
    let fits = Example::new(values, nrow, false).fit_and_check(17);
    assert!(error(&fits) < 1e-12, "{}", error(&fits));
    assert!(fits.iter().all(|fit| fit.status == Status::Converged));
}

#[test]
fn no_entry_is_exceeded() {
    for (nrow, ncol) in [(1, 1), (1, 9), (9, 1), (33, 5), (40, 60), (64, 64)] {
        for (seed, zeros) in [(1, 0.0), (2, 0.3), (3, 0.7)] {
            for count in [1, 3, 8] {
                Example::random(seed, nrow, ncol, false, zeros).fit_and_check(count);
            }
        }
    }
}

#[test]
fn no_entry_of_a_symmetric_matrix_is_exceeded() {
    for order in [1, 2, 17, 50] {
        for (seed, zeros) in [(4, 0.0), (5, 0.3), (6, 0.7)] {
            for count in [1, 3, 8] {
                Example::random(seed, order, order, true, zeros).fit_and_check(count);
            }
        }
    }
}

#[test]
fn more_factors_reduce_the_error() {
    for symmetric in [false, true] {
        let example = Example::random(7, 40, 40, symmetric, 0.2);
        let errors = [1, 4, 12, 30].map(|count| error(&example.fit_and_check(count)));
        assert!(errors.windows(2).all(|pair| pair[1] < pair[0]), "{errors:?}");
    }
}

#[test]
fn rank_one_matrix_has_one_factor() {
    let mut generator = generator(8);
    let (mut u, v) = (uniform(&mut generator, 30, 0.0, 1.0), uniform(&mut generator, 20, 0.0, 1.0));
    u[3] = 0.0;
    let rectangular = v.iter().flat_map(|v| u.iter().map(move |u| u * v)).collect();
    let symmetric = u.iter().flat_map(|v| u.iter().map(move |u| u * v)).collect();
    for example in [Example::new(rectangular, 30, false), Example::new(symmetric, 30, true)] {
        let fits = example.fit_and_check(4);
        assert!(fits[0].error < 1e-12, "{}", fits[0].error);
        assert!(fits[1..].iter().all(|fit| fit.status == Status::Null));
    }
}

#[test]
fn trees_and_blocks_are_solved_exactly() {
    assert!(error(&tree(3, 5).fit_and_check(15)) < 1e-12);
    // Four disjoint blocks of ones.
    let block = |index: usize| f64::from(u8::from(index % 40 / 10 == index / 40 / 10));
    let blocks = Example::new((0..1600).map(block).collect(), 40, true);
    let fits = blocks.fit_and_check(5);
    assert!(fits[3].error < 1e-12);
    assert_eq!(fits[4].status, Status::Null);
    assert!(close(&fits.iter().map(|fit| fit.factor.d).collect::<Vec<_>>(), &[10.0, 10.0, 10.0, 10.0, 0.0], 1e-12));
}

#[test]
fn negative_entries_are_counted_and_not_fitted() {
    for symmetric in [false, true] {
        let mut example = tree(2, 6);
        example.symmetric = symmetric;
        for (index, noise) in uniform(&mut generator(9), 24 * 24, -2.5, 0.5).into_iter().enumerate() {
            let (row, column) = (index % 24, index / 24);
            example.values[index] += noise;
            if symmetric && row < column {
                example.values[row * 24 + column] = example.values[index];
            }
        }
        let negative = example.values.iter().filter(|&&value| value < 0.0).count();
        assert!(negative > 0);
        let fits = example.fit_and_check(6);
        let certificate = example.with_problem(1.0, |problem| certificate(problem, &factors(&fits), Threads::new(1)));
        assert_eq!((certificate.negative, certificate.checked), (negative as f64, (24 * 24 - negative) as f64));
    }
    let negative = Example::new(vec![-1.0; 12], 3, false);
    assert!(negative.fit_and_check(2).iter().all(|fit| fit.status == Status::Null));
}

#[test]
fn missing_entries_set_no_bound() {
    let mut example = Example::new(vec![1.0; 60], 10, false);
    // Zeros would be bounds, missing entries are not, and the observed entries have rank one.
    for index in [0, 17, 23, 41] {
        example.values[index] = f64::NAN;
    }
    let fits = example.fit_and_check(2);
    assert!(fits[0].error < 1e-12);
    for (seed, symmetric) in [(10, false), (11, true)] {
        let mut example = Example::random(seed, 25, 25, symmetric, 0.3);
        for index in (0..25).map(|row| (7 * row % 25) * 25 + row).chain([3, 75]) {
            example.values[index] = f64::NAN;
        }
        example.fit_and_check(5);
    }
    assert!(Example::new(vec![f64::NAN; 6], 2, false).fit_and_check(2).iter().all(|fit| fit.status == Status::Null));
    // A matrix of ones with a zero diagonal has rank one if the diagonal is ignored.
    let hollow: Vec<f64> = (0..100).map(|index| f64::from(u8::from(index % 11 != 0))).collect();
    let storage = Masked::without_diagonal(Dense::new(MatRef::from_column_major_slice(&hollow, 10, 10)));
    let problem = Problem { storage: &storage, symmetric: true, scale: 1.0 };
    let fits = underapproximate(&problem, &UnderapproxOptions::new(1), Threads::new(1), &mut no_report);
    assert!(error(&fits.expect("memory for a small matrix")) < 1e-12);
}

#[test]
fn pair_with_overlap_only_at_missing_entries_is_found() {
    let missing = f64::NAN;
    // Graphs: one edge; three edges with a common vertex; two edges without one.
    let edge = vec![missing, 1.0, 1.0, missing];
    let star = vec![missing, 2.0, 3.0, 1.0, 2.0, missing, 0.0, 0.0, 3.0, 0.0, missing, 0.0, 1.0, 0.0, 0.0, missing];
    let disjoint = vec![missing, 2.0, 0.0, 0.0, 2.0, missing, 0.0, 0.0, 0.0, 0.0, missing, 5.0, 0.0, 0.0, 5.0, missing];
    for (values, order, count) in [(edge, 2, 1), (star, 4, 3), (disjoint, 4, 2)] {
        let fits = Example::new(values, order, true).fit_and_check(count);
        assert!(error(&fits) < 1e-12, "{order}: {}", error(&fits));
    }
    // An observed diagonal entry is attained.
    let bounded = Example::new(vec![missing, 1.0, 1.0, 0.25], 2, true).fit_and_check(1);
    assert!(close(&[bounded[0].factor.u[0] / bounded[0].factor.u[1]], &[4.0], 1e-12));
}

#[test]
fn zero_matrix_has_null_factors() {
    for symmetric in [false, true] {
        let fits = Example::new(vec![0.0; 16], 4, symmetric).fit_and_check(3);
        assert!(fits.iter().all(|fit| fit.status == Status::Null && fit.error == 0.0));
    }
    assert!(Example::new(vec![1.0], 1, true).fit_and_check(0).is_empty());
    let one = Example::new(vec![3.0], 1, true).fit_and_check(2);
    assert!(close(&[one[0].factor.d, one[1].factor.d], &[3.0, 0.0], 1e-13));
}

#[test]
fn results_do_not_depend_on_the_scale() {
    for symmetric in [false, true] {
        let example = Example::random(12, 30, 30, symmetric, 0.3);
        let fits = example.fit_and_check(5);
        for scale in [2.0_f64.powi(40), 2.0_f64.powi(-333)] {
            for (fit, scaled) in fits.iter().zip(example.times(scale).fit_and_check(5)) {
                assert_eq!(fit.factor.d * scale, scaled.factor.d);
                assert_eq!((&fit.factor.u, &fit.factor.v), (&scaled.factor.u, &scaled.factor.v));
            }
            let fit = |problem: &Problem| {
                underapproximate(problem, &UnderapproxOptions::new(5), Threads::new(1), &mut no_report)
            };
            let scaled_by = example.with_problem(scale, fit).expect("memory for a small matrix");
            assert_eq!(scaled_by, example.times(scale).fit(&UnderapproxOptions::new(5)));
        }
        for scale in [3e100, 1e-100] {
            assert!(error(&example.times(scale).fit_and_check(5)) < 1.1 * error(&fits));
        }
    }
}

#[test]
fn entries_of_very_different_sizes_are_not_exceeded() {
    let mut example = Example::random(13, 20, 20, false, 0.3);
    for (index, value) in example.values.iter_mut().enumerate() {
        *value *= 10.0_f64.powi(-(index as i32 * 37 % 200));
    }
    example.fit_and_check(6);
}

#[test]
fn triangles_that_differ_by_rounding_are_not_exceeded() {
    let mut example = Example::random(14, 20, 20, true, 0.0);
    for (index, value) in example.values.iter_mut().enumerate() {
        *value *= 1.0 + 1e-15 * (index % 7) as f64;
    }
    example.fit_and_check(5);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for symmetric in [false, true] {
        let example = Example::random(15, 40, 40, symmetric, 0.3);
        let fit = |threads: usize| {
            example.with_problem(1.0, |problem| {
                let threads = Threads::new(threads);
                let fits =
                    underapproximate(problem, &UnderapproxOptions::new(4), threads, &mut no_report).expect("memory");
                let certificate = certificate(problem, &factors(&fits), threads);
                (fits, certificate)
            })
        };
        let reference = fit(1);
        assert!([2, 3, 8].into_iter().all(|threads| fit(threads) == reference));
    }
}

thread_local! {
    /// The number of polls left before a stop is requested.
    static POLLS_LEFT: Cell<usize> = const { Cell::new(0) };
}

fn stop_after_polls() -> Request {
    POLLS_LEFT.set(POLLS_LEFT.get().saturating_sub(1));
    if POLLS_LEFT.get() == 0 {
        Request::Stop
    } else {
        Request::Continue
    }
}

#[test]
fn factors_are_feasible_after_an_interrupt() {
    for symmetric in [false, true] {
        let example = Example::random(16, 30, 30, symmetric, 0.3);
        for last in [1, 5, 20, 60, 400, 1100, 3000, 9000] {
            POLLS_LEFT.set(last);
            let _installed = install(stop_after_polls);
            let fit = |problem: &Problem| {
                underapproximate(problem, &UnderapproxOptions::new(6), Threads::new(1), &mut no_report)
            };
            let fits = example.with_problem(1.0, fit).expect("memory for a small matrix");
            example.assert_below(&factors(&fits));
            assert_eq!(fits.last().map(|fit| fit.status), Some(Status::Interrupted));
        }
    }
}

#[test]
fn certificate_counts_violations() {
    let example = Example::new(vec![2.0, 0.5, -1.0, f64::NAN, 1.0, 0.0], 3, false);
    let factor = Factor::new(1.0, &[1.0; 3], Some(&[1.0; 2]));
    let certificate = example.with_problem(1.0, |problem| certificate(problem, &[factor], Threads::new(1)));
    assert_eq!((certificate.checked, certificate.negative, certificate.violated), (4.0, 1.0, 2.0));
    assert_eq!((certificate.largest_violation, certificate.share), (1.0, 0.5));
    assert!(close(&[certificate.error], &[(6.25_f64 / 6.25).sqrt()], 1e-15));
}
