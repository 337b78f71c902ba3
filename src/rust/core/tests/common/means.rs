//! Simulated data of the normal-means problem.

use super::generator;
use rand::Rng;
use rand_distr::{Exp1, StandardNormal};

/// Simulates observations `x` and their standard deviations `s`, between half and twice `noise_sd`. Each `w` is 0 or,
/// with probability `weight`, a draw.
pub(crate) fn simulate(
    seed: u64,
    count: usize,
    noise_sd: f64,
    weight: f64,
    draw: impl Fn(f64, f64) -> f64,
) -> (Vec<f64>, Vec<f64>) {
    let mut generator = generator(seed);
    let one = |_| {
        let s = noise_sd * generator.random_range(0.5..2.0);
        let nonzero = generator.random_range(0.0..1.0) < weight;
        let w = draw(generator.sample(Exp1), generator.sample(StandardNormal));
        let e: f64 = generator.sample(StandardNormal);
        (if nonzero { w } else { 0.0 } + s * e, s)
    };
    (0..count).map(one).unzip()
}

/// Data sets with exponential and nearly binary loadings, sparse and dense, with high and low signal-to-noise ratios.
pub(crate) fn data_sets() -> Vec<(Vec<f64>, Vec<f64>)> {
    let mut sets = Vec::new();
    for seed in 0..2 {
        for (count, noise_sd, weight) in [(50, 0.3, 0.3), (120, 1.0, 0.5), (200, 0.02, 0.9), (80, 3.0, 1.0)] {
            sets.push(simulate(seed, count, noise_sd, weight, |exponential, _| exponential));
            sets.push(simulate(seed + 100, count, noise_sd, weight, |_, normal| 2.0 + 0.04 * normal));
        }
        sets.push(simulate(seed + 200, 60, 0.5, 0.0, |exponential, _| exponential));
    }
    sets
}
