//! Whole fits: the notebook's iteration from its own start, and factor after factor.

use divan::{black_box, Bencher};
use nmu_bench::case::{Case, NOISE};
use nmu_bench::matrix;
use nmu_core::deflation::{deflate, Plan};
use nmu_core::em::{iterate, Settings};
use nmu_core::noise_estimators::Notebook;
use nmu_core::residual::Problem;
use nmu_core::runtime::parallel::Threads;
use std::ops::ControlFlow;

const SIZES: [usize; 3] = [100, 500, 1000];

/// Without an estimator, `nmu_em()`'s way; with one, five rounds as in `nmu_em_estlambda()`.
fn settings(estimator: Option<&Notebook>, iterations: usize, trace: bool) -> Settings<'_> {
    let rounds = if estimator.is_some() { 5 } else { 1 };
    let estimator = estimator.map(|rule| rule as _);
    Settings { params: NOISE, estimator, rounds, iterations, tolerance: 0.0, trace }
}

fn one_factor(bencher: Bencher, case: Case, settings: &Settings, threads: usize) {
    let threads = Threads::new(threads);
    bencher.bench_local(|| {
        let view = black_box(&case).view();
        iterate(&view, None, settings, threads, &mut |_| ControlFlow::Continue(())).factor
    });
}

/// 100 iterations with λ and σ fixed.
#[divan::bench(args = SIZES, consts = [1, 2], max_time = 0.5)]
fn symmetric_fixed<const THREADS: usize>(bencher: Bencher, n: usize) {
    match Case::symmetric(matrix::tree(n), n, 0) {
        Ok(case) => one_factor(bencher, case, &settings(None, 100, false), THREADS),
        Err(error) => panic!("{error}"),
    }
}

/// 5 rounds of 100 iterations, with the log-likelihood of each.
#[divan::bench(args = SIZES, consts = [1, 2], max_time = 0.5)]
fn symmetric_estimated<const THREADS: usize>(bencher: Bencher, n: usize) {
    let rule = Notebook { entries: (n * n) as f64 };
    match Case::symmetric(matrix::tree(n), n, 0) {
        Ok(case) => one_factor(bencher, case, &settings(Some(&rule), 100, true), THREADS),
        Err(error) => panic!("{error}"),
    }
}

/// 100 iterations on `n` rows and half as many columns.
#[divan::bench(args = SIZES, consts = [1, 2], max_time = 0.5)]
fn general_fixed<const THREADS: usize>(bencher: Bencher, n: usize) {
    match Case::general(matrix::general(n, n / 2), n, n / 2, 0) {
        Ok(case) => one_factor(bencher, case, &settings(None, 100, false), THREADS),
        Err(error) => panic!("{error}"),
    }
}

/// Six factors, 5 rounds of 20 iterations each.
#[divan::bench(args = SIZES, consts = [1, 2], max_time = 0.5)]
fn symmetric_deflation<const THREADS: usize>(bencher: Bencher, n: usize) {
    let rule = Notebook { entries: (n * n) as f64 };
    let settings = settings(Some(&rule), 20, true);
    match Case::symmetric(matrix::tree(n), n, 0) {
        Ok(case) => bencher.bench_local(|| {
            let storage = black_box(&case).storage();
            let problem = Problem { storage, symmetric: true, scale: 1.0 };
            deflate(&problem, Plan::of(6), &settings, Threads::new(THREADS), &mut |_| ControlFlow::Continue(()))
        }),
        Err(error) => panic!("{error}"),
    }
}
