//! Complete fits: the notebook's iteration from its own initial loadings, and deflation.

use divan::{black_box, Bencher};
use nmu_bench::case::{Case, PARAMS};
use nmu_bench::matrix;
use nmu_core::deflation::{deflate, Plan};
use nmu_core::em::{iterate, NotebookEm};
use nmu_core::noise_estimators::Notebook;
use nmu_core::residual::Problem;
use nmu_core::runtime::parallel::Threads;
use nmu_core::runtime::progress::no_report;

const SIZES: [usize; 3] = [100, 500, 1000];

/// The method of the notebook's `nmu_em()` without an estimator, and with one that of `nmu_em_estlambda()`: five
/// rounds.
fn notebook(estimator: Option<&Notebook>, iterations: usize, trace: bool) -> NotebookEm<'_> {
    let rounds = if estimator.is_some() { 5 } else { 1 };
    let estimator = estimator.map(|estimator| estimator as _);
    NotebookEm { params: PARAMS, estimator, rounds, iterations, tolerance: 0.0, trace }
}

fn one_factor(bencher: Bencher, case: Case, method: &NotebookEm, threads: usize) {
    let threads = Threads::new(threads);
    bencher.bench_local(|| {
        let view = black_box(&case).view();
        iterate(&view, None, method, threads, &mut no_report).factor
    });
}

/// 100 iterations with λ and σ fixed.
#[divan::bench(args = SIZES, consts = [1, 2], max_time = 0.5)]
fn symmetric_fixed<const THREADS: usize>(bencher: Bencher, n: usize) {
    let case = Case::symmetric(matrix::tree(n), n, 0);
    one_factor(bencher, case, &notebook(None, 100, false), THREADS);
}

/// 5 rounds of 100 iterations, with the log-likelihood after each iteration.
#[divan::bench(args = SIZES, consts = [1, 2], max_time = 0.5)]
fn symmetric_estimated<const THREADS: usize>(bencher: Bencher, n: usize) {
    let estimator = Notebook { entries: (n * n) as f64 };
    let case = Case::symmetric(matrix::tree(n), n, 0);
    one_factor(bencher, case, &notebook(Some(&estimator), 100, true), THREADS);
}

/// 100 iterations on `n` rows and half as many columns.
#[divan::bench(args = SIZES, consts = [1, 2], max_time = 0.5)]
fn general_fixed<const THREADS: usize>(bencher: Bencher, n: usize) {
    let case = Case::general(matrix::general(n, n / 2), n, n / 2, 0);
    one_factor(bencher, case, &notebook(None, 100, false), THREADS);
}

/// Six factors, 5 rounds of 20 iterations each.
#[divan::bench(args = SIZES, consts = [1, 2], max_time = 0.5)]
fn symmetric_deflation<const THREADS: usize>(bencher: Bencher, n: usize) {
    let estimator = Notebook { entries: (n * n) as f64 };
    let method = notebook(Some(&estimator), 20, true);
    let case = Case::symmetric(matrix::tree(n), n, 0);
    bencher.bench_local(|| {
        let storage = black_box(&case).storage();
        let problem = Problem { storage, symmetric: true, scale: 1.0 };
        deflate(&problem, Plan::new(6), &method, Threads::new(THREADS), &mut no_report)
    });
}
