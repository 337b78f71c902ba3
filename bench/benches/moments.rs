//! Moments of the truncated normal distribution, one at a time, as in `truncnorm_moments()`.

use divan::counter::ItemsCount;
use divan::{black_box, Bencher};
use nmu_core::distributions::truncated_normal::moments;

const COUNT: usize = 4096;

/// Times the moments at `COUNT` means from `low` to `high` standard deviations.
fn bench_range(bencher: Bencher, low: f64, high: f64) {
    let means: Vec<f64> = (0..COUNT).map(|index| low + (high - low) * index as f64 / COUNT as f64).collect();
    bencher.counter(ItemsCount::new(COUNT)).bench(|| {
        for &mean in black_box(&means) {
            black_box(moments(mean, 1.0));
        }
    });
}

#[divan::bench(max_time = 0.2)]
fn far_left(bencher: Bencher) {
    bench_range(bencher, -1e4, -30.0);
}

#[divan::bench(max_time = 0.2)]
fn near_zero(bencher: Bencher) {
    bench_range(bencher, -5.0, 5.0);
}

#[divan::bench(max_time = 0.2)]
fn far_right(bencher: Bencher) {
    bench_range(bencher, 9.0, 1e4);
}
