//! Matrices to time the core on: the notebook's tree of any size, and a general one of the same kind.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The notebook's tree in `order` rows, `Σ_k x_k x_kᵀ` over the indicators of two halves and four quarters, plus
/// symmetric exponential noise of mean 0.2; column after column.
pub fn tree(order: usize) -> &'static [f64] {
    kept(Shape { nrow: order, ncol: order, symmetric: true })
}

/// Two halves and four quarters in rows and columns alike, plus exponential noise of mean 0.2; column after column.
pub fn general(nrow: usize, ncol: usize) -> &'static [f64] {
    kept(Shape { nrow, ncol, symmetric: false })
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Shape {
    nrow: usize,
    ncol: usize,
    symmetric: bool,
}

/// Each matrix is made once and lives as long as the program: many benches share it.
fn kept(shape: Shape) -> &'static [f64] {
    static MADE: Mutex<Option<HashMap<Shape, &'static [f64]>>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.get_or_insert_default().entry(shape).or_insert_with(|| make(shape).leak())
}

fn make(Shape { nrow, ncol, symmetric }: Shape) -> Vec<f64> {
    let mut params = Exponential(1);
    let mut values = vec![0.0; nrow * ncol];
    for column in 0..ncol {
        for row in 0..if symmetric { column + 1 } else { nrow } {
            let (row_quarter, column_quarter) = (4 * row / nrow, 4 * column / ncol);
            let shared =
                usize::from(row_quarter / 2 == column_quarter / 2) + usize::from(row_quarter == column_quarter);
            let value = shared as f64 + 0.1 * (params.draw() + params.draw());
            values[column * nrow + row] = value;
            if symmetric {
                values[row * nrow + column] = value;
            }
        }
    }
    values
}

/// Draws from Exp(1), by the splitmix64 generator of Steele, Lea and Flood (2014).
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
