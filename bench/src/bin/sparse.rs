//! Times single passes over a symmetric sparse matrix in a file, for `bench/sparse.R`.
//!
//! ```text
//! sparse FILE THREADS         a line `work,loadings,seconds` for each pass
//! ```
//!
//! FILE holds the order and the number of stored entries as doubles, the starts and rows of compressed columns as `i32`, and
//! the values as doubles. Each pass is that for a first factor, on which all rows have a loading, or a fifth of them.

use nmu_core::factor::Factor;
use nmu_core::faer::ColRef;
use nmu_core::noise::ResidualParams;
use nmu_core::pass::{sweep, Model, PassLevel, PassSpec};
use nmu_core::residual::ResidualView;
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::Sparse;
use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

/// The least of so many times is reported: others may be at work.
const REPEATS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, threads] = &arguments[..] else { return Err("usage: sparse FILE THREADS".into()) };
    let held = Held::read(file)?;
    let storage = Sparse::new(held.order, &held.starts, &held.rows, &held.values).map_err(|error| error.to_string())?;
    let entries = (held.order as f64).powi(2);
    let square: f64 = held.values.iter().map(|value| value * value).sum();
    let params = ResidualParams { lambda: entries / held.values.iter().sum::<f64>(), sigma: (square / entries).sqrt() };
    println!("work,loadings,seconds");
    for (loadings, share) in [("of all rows", 1), ("of a fifth of them", 5)] {
        let factor = factor(held.order, share);
        for (work, depth) in [("products", PassLevel::Expectation), ("with curvatures", PassLevel::Curvature)] {
            let seconds = (0..REPEATS)
                .map(|_| pass(&storage, &factor, params, depth, Threads::new(threads.parse().unwrap_or(1))));
            println!("{work},{loadings},{:e}", seconds.fold(f64::INFINITY, f64::min));
        }
    }
    Ok(())
}

fn pass(storage: &Sparse, factor: &Factor, params: ResidualParams, depth: PassLevel, threads: Threads) -> f64 {
    let view = ResidualView::new(storage, &[], true);
    let question = PassSpec {
        row_weights: ColRef::from_slice(factor.u()),
        column_weights: ColRef::from_slice(factor.v()),
        shift: 1.0 / params.lambda,
        level: depth,
    };
    let start = Instant::now();
    black_box(sweep(&view, Model { factor, params }, &question, threads));
    start.elapsed().as_secs_f64()
}

/// Loadings of one row in `share`, side by side, that differ from row to row; as much weight as a group of a graph has.
fn factor(order: usize, share: usize) -> Factor {
    let mut u: Vec<f64> =
        (0..order).map(|row| if row < order / share { 1.0 + (row as f64).sin().abs() } else { 0.0 }).collect();
    let length = u.iter().map(|x| x * x).sum::<f64>().sqrt();
    u.iter_mut().for_each(|x| *x /= length);
    Factor::new(15.0, &u, None)
}

struct Held {
    order: usize,
    starts: Vec<i32>,
    rows: Vec<i32>,
    values: Vec<f64>,
}

impl Held {
    fn read(file: &str) -> Result<Self, Box<dyn Error>> {
        let bytes = std::fs::read(file)?;
        let (head, rest) = bytes.split_at_checked(16).ok_or("the file is too short")?;
        let [order, stored] = [0, 8].map(|from| double(&head[from..from + 8]) as usize);
        let (starts, rest) = rest.split_at_checked(4 * (order + 1)).ok_or("the file is too short")?;
        let (rows, values) = rest.split_at_checked(4 * stored).ok_or("the file is too short")?;
        let whole = |bytes: &[u8]| -> Vec<i32> {
            bytes.chunks_exact(4).map(|word| i32::from_le_bytes(std::array::from_fn(|index| word[index]))).collect()
        };
        let values = values.chunks_exact(8).map(double).collect();
        Ok(Self { order, starts: whole(starts), rows: whole(rows), values })
    }
}

fn double(word: &[u8]) -> f64 {
    f64::from_le_bytes(std::array::from_fn(|index| word[index]))
}
