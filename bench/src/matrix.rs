//! Matrices for the benchmarks: the notebook's tree at any size, and a general matrix with the same structure.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The notebook's tree with `order` rows, `Σ_k x_k x_kᵀ` over the indicators of two halves and four quarters, plus a
/// symmetric remainder of mean 0.2; in column-major order.
pub fn tree(order: usize) -> &'static [f64] {
    cached(Shape { nrow: order, ncol: order, symmetric: true })
}

/// Two halves and four quarters in both rows and columns, plus a remainder of mean 0.2; in column-major order.
pub fn general(nrow: usize, ncol: usize) -> &'static [f64] {
    cached(Shape { nrow, ncol, symmetric: false })
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Shape {
    nrow: usize,
    ncol: usize,
    symmetric: bool,
}

/// Each matrix is generated once and lives as long as the program, because many benchmarks share it.
fn cached(shape: Shape) -> &'static [f64] {
    static CACHE: Mutex<Option<HashMap<Shape, &'static [f64]>>> = Mutex::new(None);
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    cache.get_or_insert_default().entry(shape).or_insert_with(|| generate(shape).leak())
}

fn generate(Shape { nrow, ncol, symmetric }: Shape) -> Vec<f64> {
    let mut exponential = Exponential(1);
    let mut values = vec![0.0; nrow * ncol];
    for column in 0..ncol {
        for row in 0..if symmetric { column + 1 } else { nrow } {
            let (row_quarter, column_quarter) = (4 * row / nrow, 4 * column / ncol);
            let shared =
                usize::from(row_quarter / 2 == column_quarter / 2) + usize::from(row_quarter == column_quarter);
            let value = shared as f64 + 0.1 * (exponential.draw() + exponential.draw());
            values[column * nrow + row] = value;
            if symmetric {
                values[row * nrow + column] = value;
            }
        }
    }
    values
}

/// Draws from Exp(1), with the splitmix64 generator of Steele, Lea and Flood (2014).
struct Exponential(u64);

impl Exponential {
    fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        -(((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64).ln()
    }
}
