//! Times single passes over a symmetric sparse matrix in a file, for `bench/sparse.R`.
//!
//! ```text
//! sparse FILE THREADS         prints a line `work,loadings,seconds` for each pass
//! ```
//!
//! FILE contains the order and the number of stored entries as doubles, the column starts and row indices of compressed
//! columns as `i32`, and the values as doubles. Each pass is for a first factor in which all rows, or a fifth of them,
//! have a positive loading.

use nmu_core::factor::Factor;
use nmu_core::noise::ResidualParams;
use nmu_core::pass::{sweep, Model, PassLevel};
use nmu_core::residual::ResidualView;
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::Sparse;
use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

/// The number of repeats; the minimum is reported, since other programs may be running.
const REPEATS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, threads] = &arguments[..] else { return Err("usage: sparse FILE THREADS".into()) };
    let matrix = SparseMatrix::read(file)?;
    let storage =
        Sparse::new(matrix.order, &matrix.starts, &matrix.rows, &matrix.values).map_err(|error| error.to_string())?;
    let entries = (matrix.order as f64).powi(2);
    let square: f64 = matrix.values.iter().map(|value| value * value).sum();
    let params =
        ResidualParams { lambda: entries / matrix.values.iter().sum::<f64>(), sigma: (square / entries).sqrt() };
    println!("work,loadings,seconds");
    for (loadings, divisor) in [("of all rows", 1), ("of a fifth of them", 5)] {
        let factor = factor(matrix.order, divisor);
        for (work, level) in [("products", PassLevel::Expectation), ("with curvatures", PassLevel::Curvature)] {
            let seconds = (0..REPEATS)
                .map(|_| pass(&storage, &factor, params, level, Threads::new(threads.parse().unwrap_or(1))));
            println!("{work},{loadings},{:e}", seconds.fold(f64::INFINITY, f64::min));
        }
    }
    Ok(())
}

fn pass(storage: &Sparse, factor: &Factor, params: ResidualParams, level: PassLevel, threads: Threads) -> f64 {
    let view = ResidualView::new(storage, &[], true);
    let model = Model { factor, params };
    let start = Instant::now();
    black_box(sweep(&view, model, &model.spec(level), threads));
    start.elapsed().as_secs_f64()
}

/// A factor with positive, varying loadings in the first `order / divisor` rows, and a weight typical of a group in a
/// graph.
fn factor(order: usize, divisor: usize) -> Factor {
    let mut u: Vec<f64> =
        (0..order).map(|row| if row < order / divisor { 1.0 + (row as f64).sin().abs() } else { 0.0 }).collect();
    let norm = u.iter().map(|x| x * x).sum::<f64>().sqrt();
    u.iter_mut().for_each(|x| *x /= norm);
    Factor::new(15.0, &u, None)
}

struct SparseMatrix {
    order: usize,
    starts: Vec<i32>,
    rows: Vec<i32>,
    values: Vec<f64>,
}

impl SparseMatrix {
    fn read(file: &str) -> Result<Self, Box<dyn Error>> {
        let bytes = std::fs::read(file)?;
        let (header, rest) = bytes.split_at_checked(16).ok_or("the file is too short")?;
        let [order, stored] = [0, 8].map(|from| double(&header[from..from + 8]) as usize);
        let (starts, rest) = rest.split_at_checked(4 * (order + 1)).ok_or("the file is too short")?;
        let (rows, values) = rest.split_at_checked(4 * stored).ok_or("the file is too short")?;
        let integers = |bytes: &[u8]| -> Vec<i32> {
            bytes.chunks_exact(4).map(|word| i32::from_le_bytes(std::array::from_fn(|index| word[index]))).collect()
        };
        let values = values.chunks_exact(8).map(double).collect();
        Ok(Self { order, starts: integers(starts), rows: integers(rows), values })
    }
}

fn double(word: &[u8]) -> f64 {
    f64::from_le_bytes(std::array::from_fn(|index| word[index]))
}
