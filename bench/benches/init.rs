//! Initial loadings: the truncated leading singular pair.

use divan::{black_box, Bencher};
use nmu_bench::case::Case;
use nmu_bench::matrix;
use nmu_core::init::leading_init;
use nmu_core::runtime::parallel::Threads;
use nmu_core::runtime::progress::no_report;

const SIZES: [usize; 3] = [500, 1000, 2000];

fn time(bencher: Bencher, case: Case, threads: usize) {
    bencher.bench(|| leading_init(&black_box(&case).view(), Threads::new(threads), &mut no_report).u);
}

#[divan::bench(args = SIZES, consts = [1, 2], max_time = 0.3)]
fn symmetric<const THREADS: usize>(bencher: Bencher, n: usize) {
    let case = Case::symmetric(matrix::tree(n), n, 0);
    time(bencher, case, THREADS);
}

/// `n` rows, half as many columns.
#[divan::bench(args = SIZES, consts = [1, 2], max_time = 0.3)]
fn general<const THREADS: usize>(bencher: Bencher, n: usize) {
    let case = Case::general(matrix::general(n, n / 2), n, n / 2, 0);
    time(bencher, case, THREADS);
}
