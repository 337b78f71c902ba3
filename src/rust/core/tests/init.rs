//! Initial loadings from the leading singular pair, for well separated, close, negative and degenerate spectra.

use crate::common::{close, generator, matrix, uniform};
use faer::MatRef;
use nmu_core::init::leading_init;
use nmu_core::residual::ResidualView;
use nmu_core::runtime::parallel::Threads;
use nmu_core::runtime::progress::no_report;
use nmu_core::storage::Dense;

/// Returns the initial loadings of a matrix given by columns.
fn init(values: &[f64], nrow: usize, symmetric: bool) -> (Vec<f64>, Vec<f64>) {
    let storage = Dense::new(MatRef::from_column_major_slice(values, nrow, values.len() / nrow));
    let init = leading_init(&ResidualView::new(&storage, &[], symmetric), Threads::new(1), &mut no_report);
    (init.u().to_vec(), init.v().to_vec())
}

/// Returns `Q diag(values) Qᵀ` and the columns of `Q`, a Householder reflection.
fn with_spectrum(values: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = values.len();
    let normal = uniform(&mut generator(11), n, 0.1, 1.0);
    let square: f64 = normal.iter().map(|x| x * x).sum();
    let column = |j: usize| -> Vec<f64> {
        (0..n).map(|i| f64::from(u8::from(i == j)) - 2.0 * normal[i] * normal[j] / square).collect()
    };
    let columns: Vec<_> = (0..n).map(column).collect();
    let entry = |i: usize, j: usize| (0..n).map(|k| values[k] * columns[k][i] * columns[k][j]).sum::<f64>();
    let matrix = (0..n * n).map(|index| entry(index % n, index / n)).collect();
    (matrix, columns)
}

fn positive_part(vector: &[f64], sign: f64) -> Vec<f64> {
    let part: Vec<f64> = vector.iter().map(|x| (sign * x).max(0.0)).collect();
    let norm = part.iter().map(|x| x * x).sum::<f64>().sqrt();
    part.iter().map(|x| if norm > 0.0 { x / norm } else { 0.0 }).collect()
}

#[test]
fn the_initial_loadings_are_a_truncated_leading_eigenvector() {
    let decay = |ratio: f64| -> Vec<f64> { (0..60).map(|k| ratio.powi(k)).collect() };
    let mut close_pair = decay(0.9);
    close_pair[1] = 1.0 - 1e-4;
    let mut negative_second = decay(0.7);
    negative_second[1] = -0.999;
    let mut negative_first = decay(0.7);
    negative_first[0] = -1.0;
    for spectrum in [decay(0.5), decay(0.99), close_pair, negative_second, negative_first] {
        let (values, vectors) = with_spectrum(&spectrum);
        let (u, _) = init(&values, 60, true);
        let sides = [1.0, -1.0].map(|sign| positive_part(&vectors[0], sign));
        assert!(sides.iter().any(|side| close(&u, side, 1e-9)), "spectrum from {spectrum:?}");
    }
}

#[test]
fn the_initial_loadings_of_a_rectangular_matrix_are_a_singular_pair() {
    let (nrow, ncol) = (50, 20);
    let values = matrix(&mut generator(12), nrow, ncol, false);
    let (u, v) = init(&values, nrow, false);
    // A positive mean dominates this matrix, so nothing is truncated.
    let image: Vec<f64> =
        (0..nrow).map(|row| (0..ncol).map(|column| values[column * nrow + row] * v[column]).sum()).collect();
    assert!(close(&positive_part(&image, 1.0), &u, 1e-12));
}

#[test]
fn degenerate_matrices_have_initial_loadings() {
    assert_eq!(init(&[3.0], 1, true), (vec![1.0], vec![1.0]));
    let (u, _) = init(&[0.0; 16], 4, true);
    assert!(u.iter().all(|x| x.is_finite()));
    let (u, _) = init(&[1.0, -1.0, -1.0, 1.0], 2, true);
    assert!(close(&u, &[1.0, 0.0], 1e-12) || close(&u, &[0.0, 1.0], 1e-12));
    let tiny: Vec<f64> = [2.0, 1.0, 1.0, 2.0].iter().map(|x| x * 1e-200).collect();
    let huge: Vec<f64> = [2.0, 1.0, 1.0, 2.0].iter().map(|x| x * 1e200).collect();
    for values in [tiny, huge] {
        let (u, _) = init(&values, 2, true);
        assert!(close(&u, &[0.5_f64.sqrt(), 0.5_f64.sqrt()], 1e-12), "{u:?}");
    }
}
