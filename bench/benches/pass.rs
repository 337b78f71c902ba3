//! The fused pass. Items are the entries read; for a symmetric matrix, half of them.

use divan::counter::ItemsCount;
use divan::{black_box, Bencher};
use nmu_bench::case::Case;
use nmu_bench::{matrix, total};
use nmu_core::noise::NoiseScales;
use nmu_core::pass::{PassLevel, RowColSums};
use nmu_core::remainder_prior::RemainderPrior;
use std::fmt;

/// Parameters of a benchmark: size, threads, and number of subtracted factors.
#[derive(Clone, Copy)]
struct Setting {
    n: usize,
    threads: usize,
    subtracted: usize,
}

impl fmt::Display for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { n, threads, subtracted } = self;
        write!(formatter, "n {n}, threads {threads}, subtracted {subtracted}")
    }
}

fn settings() -> impl Iterator<Item = Setting> {
    let sizes = [500, 1000, 2000, 4000];
    sizes.into_iter().flat_map(|n| {
        [(1, 0), (2, 0), (1, 5), (2, 5)].into_iter().map(move |(threads, subtracted)| Setting {
            n,
            threads,
            subtracted,
        })
    })
}

fn expectation(case: &Case, threads: usize) -> RowColSums {
    case.pass(PassLevel::Expectation, threads)
}

fn symmetric(
    bencher: Bencher,
    Setting { n, threads, subtracted }: Setting,
    pass: impl Fn(&Case, usize) -> RowColSums + Sync,
) {
    let case = Case::symmetric(matrix::tree(n), n, subtracted);
    bencher.counter(ItemsCount::new(case.count())).bench(|| pass(black_box(&case), threads));
}

#[divan::bench(args = settings(), max_time = 0.2)]
fn symmetric_product(bencher: Bencher, setting: Setting) {
    symmetric(bencher, setting, |case, threads| case.product(threads));
}

#[divan::bench(args = settings(), max_time = 0.2)]
fn symmetric_pass(bencher: Bencher, setting: Setting) {
    symmetric(bencher, setting, expectation);
}

#[divan::bench(args = settings(), max_time = 0.2)]
fn symmetric_pass_with_likelihood(bencher: Bencher, setting: Setting) {
    symmetric(bencher, setting, |case, threads| case.pass(PassLevel::Likelihood, threads));
}

#[divan::bench(args = settings(), max_time = 0.2)]
fn symmetric_pass_with_curvature(bencher: Bencher, setting: Setting) {
    symmetric(bencher, setting, |case, threads| case.pass(PassLevel::Curvature, threads));
}

/// A mixture of a point mass at zero and a number of exponentials.
fn mixture(exponentials: u32) -> RemainderPrior {
    let means = (0..exponentials).map(|k| (0.5 / f64::from(exponentials), 2_f64.powi(k as i32)));
    match RemainderPrior::new(means.chain([(0.5, 0.0)])) {
        Ok(prior) => prior,
        Err(error) => panic!("{error}"),
    }
}

/// A mixture with a number of exponentials as the prior of `b`.
#[divan::bench(args = [1, 2, 4, 8, 12], max_time = 0.2)]
fn symmetric_pass_under_a_mixture(bencher: Bencher, exponentials: u32) {
    let setting = Setting { n: 1000, threads: 1, subtracted: 0 };
    symmetric(bencher, setting, |case, threads| {
        case.pass_with_prior(mixture(exponentials), PassLevel::Curvature, threads)
    });
}

/// Heteroscedastic noise: a scale per row and column.
#[divan::bench(max_time = 0.2)]
fn symmetric_pass_with_noise_scales(bencher: Bencher) {
    let setting = Setting { n: 1000, threads: 1, subtracted: 0 };
    match NoiseScales::outer(vec![1.5; 1000], vec![1.5; 1000]) {
        Ok(scales) => symmetric(bencher, setting, |case, threads| {
            case.pass_with_noise_scales(&scales, PassLevel::Curvature, threads)
        }),
        Err(error) => panic!("{error}"),
    }
}

/// Only the sum of the entries that the symmetric pass reads.
#[divan::bench(args = settings().filter(|setting| setting.subtracted == 0), max_time = 0.2)]
fn symmetric_total(bencher: Bencher, setting: Setting) {
    let Setting { n, threads, .. } = setting;
    let values = matrix::tree(n);
    let bencher = bencher.counter(ItemsCount::new(n * (n + 1) / 2));
    bencher.bench(|| total::upper_triangle(black_box(values), n, threads));
}

fn general(
    bencher: Bencher,
    Setting { n, threads, subtracted }: Setting,
    pass: impl Fn(&Case, usize) -> RowColSums + Sync,
) {
    let case = Case::general(matrix::general(n, n / 2), n, n / 2, subtracted);
    bencher.counter(ItemsCount::new(case.count())).bench(|| pass(black_box(&case), threads));
}

/// `n` rows, half as many columns.
#[divan::bench(args = settings().filter(|setting| setting.n != 4000), max_time = 0.2)]
fn general_product(bencher: Bencher, setting: Setting) {
    general(bencher, setting, |case, threads| case.product(threads));
}

/// `n` rows, half as many columns.
#[divan::bench(args = settings().filter(|setting| setting.n != 4000), max_time = 0.2)]
fn general_pass(bencher: Bencher, setting: Setting) {
    general(bencher, setting, expectation);
}
