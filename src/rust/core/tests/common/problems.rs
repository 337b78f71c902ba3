//! Random test problems of several kinds, each determined by its index.

use super::generator;
use nmu_core::noise::ResidualParams;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Exp1, StandardNormal};

/// A matrix in column-major order.
pub(crate) struct Data {
    pub(crate) kind: &'static str,
    /// Whether the matrix has low-rank structure.
    pub(crate) structured: bool,
    pub(crate) values: Vec<f64>,
    pub(crate) nrow: usize,
    pub(crate) ncol: usize,
    pub(crate) symmetric: bool,
}

impl Data {
    /// λ = 1/mean, and σ as a fraction of the standard deviation of the entries.
    pub(crate) fn noise(&self, fraction: f64) -> ResidualParams {
        let count = self.values.len() as f64;
        let mean = self.values.iter().sum::<f64>() / count;
        let sd = (self.values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
        ResidualParams { lambda: 1.0 / mean.max(0.1 * sd), sigma: fraction * sd }
    }
}

/// The number of kinds of problems.
pub(crate) const KINDS: usize = 8;

/// Problem number `index`.
pub(crate) fn problem(index: usize) -> Data {
    let random = &mut generator(1000 + index as u64);
    let size = random.random_range(5..50);
    match index % KINDS {
        0 => groups(random, size.max(20)),
        1 => tree(random),
        2 => entrywise("uniform, symmetric", random, size, size, true, |random| random.random::<f64>()),
        3 => entrywise("exponential, rectangular", random, size, 30, false, |random| random.sample(Exp1)),
        4 => blocks(random, size, 25),
        5 => entrywise("normal, symmetric", random, size, size, true, |random| {
            0.5 + random.sample::<f64, _>(StandardNormal)
        }),
        6 => entrywise("mostly zero", random, size, 20, false, |random| {
            f64::from(u8::from(random.random::<f64>() < 0.1))
        }),
        _ => entrywise("heavy tail, symmetric", random, size, size, true, |random| {
            random.sample::<f64, _>(Exp1) / (0.05 + random.random::<f64>())
        }),
    }
}

fn entrywise(
    kind: &'static str,
    random: &mut ChaCha8Rng,
    nrow: usize,
    ncol: usize,
    symmetric: bool,
    mut draw: impl FnMut(&mut ChaCha8Rng) -> f64,
) -> Data {
    let mut values: Vec<f64> = (0..nrow * ncol).map(|_| draw(random)).collect();
    if symmetric {
        for column in 0..ncol {
            for row in 0..column {
                values[row * nrow + column] = values[column * nrow + row];
            }
        }
    }
    Data { kind, structured: false, values, nrow, ncol, symmetric }
}

/// The sample covariance of 200 normal features with the given loadings, one vector per factor, and noise of unit
/// variance.
fn covariance(kind: &'static str, random: &mut ChaCha8Rng, loadings: &[Vec<f64>], sd: f64) -> Data {
    const FEATURES: usize = 200;
    let n = loadings[0].len();
    let mut values = vec![0.0; n * n];
    for _ in 0..FEATURES {
        let scores: Vec<f64> = loadings.iter().map(|_| sd * random.sample::<f64, _>(StandardNormal)).collect();
        let draw = |row: usize, noise: f64| noise + loadings.iter().zip(&scores).map(|(l, f)| l[row] * f).sum::<f64>();
        let feature: Vec<f64> = (0..n).map(|row| draw(row, random.sample(StandardNormal))).collect();
        for column in 0..n {
            for row in 0..n {
                values[column * n + row] += feature[row] * feature[column] / FEATURES as f64;
            }
        }
    }
    Data { kind, structured: true, values, nrow: n, ncol: n, symmetric: true }
}

/// Overlapping groups.
fn groups(random: &mut ChaCha8Rng, size: usize) -> Data {
    let mut member = || f64::from(u8::from(random.random::<f64>() < 0.3));
    let loadings: Vec<Vec<f64>> = (0..5).map(|_| (0..size).map(|_| member()).collect()).collect();
    covariance("overlapping groups", random, &loadings, 1.0)
}

/// A balanced tree with four populations of size ten.
pub(crate) fn tree(random: &mut ChaCha8Rng) -> Data {
    let branch = |from: usize, to: usize| -> Vec<f64> {
        (0..40).map(|row| f64::from(u8::from((from..to).contains(&row)))).collect()
    };
    let ends = [(0, 40), (0, 20), (20, 40), (0, 10), (10, 20), (20, 30), (30, 40)];
    let loadings: Vec<Vec<f64>> = ends.into_iter().map(|(from, to)| branch(from, to)).collect();
    covariance("tree", random, &loadings, 2.0)
}

/// Five rectangular blocks with normal noise.
fn blocks(random: &mut ChaCha8Rng, nrow: usize, ncol: usize) -> Data {
    let mut side = |length: usize| -> Vec<[f64; 5]> {
        let mut loading = || if random.random::<f64>() < 0.3 { random.sample(Exp1) } else { 0.0 };
        (0..length).map(|_| [(); 5].map(|()| loading())).collect()
    };
    let (rows, columns) = (side(nrow), side(ncol));
    let mut values = Vec::with_capacity(nrow * ncol);
    for column in &columns {
        for row in &rows {
            let product: f64 = row.iter().zip(column).map(|(u, v)| u * v).sum();
            values.push(product + 0.1 * random.sample::<f64, _>(StandardNormal));
        }
    }
    Data { kind: "blocks", structured: true, values, nrow, ncol, symmetric: false }
}
