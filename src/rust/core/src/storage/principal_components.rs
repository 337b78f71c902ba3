//! Leading eigenpairs of a Gram matrix by a block Krylov method with restarts, which give the leading principal components.
//!
//! C. Musco and C. Musco 2015, Randomized block Krylov methods for stronger and faster approximate singular value
//! decomposition, *Advances in Neural Information Processing Systems* 28. The start is pseudorandom with a fixed seed.

use crate::runtime::cancel;
use crate::runtime::parallel::Threads;
use crate::storage::{Gram, Storage};
use faer::{Mat, MatRef, Side};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The number of columns of a block beyond the number of eigenpairs.
const OVERSAMPLING: usize = 8;
/// The number of blocks of a basis.
const DEPTH: usize = 4;
/// The maximum number of restarts.
const MAX_RESTARTS: usize = 100;
/// The relative change of the sum of the leading eigenvalues at which the iteration ends.
const TOLERANCE: f64 = 1e-12;

/// Eigenvalues, the largest first, and their unit eigenvectors, one per column.
pub struct Eigenpairs {
    /// The eigenvalues, none of which is negative.
    pub values: Vec<f64>,
    /// The eigenvectors.
    pub vectors: Mat<f64>,
}

/// Returns the `count` leading eigenpairs of a Gram matrix, or `None` if the decomposition of a small matrix fails, which
/// finite features exclude. The iteration ends when the sum of these eigenvalues no longer changes; eigenvectors of values that
/// are close to each other may be mixed.
pub fn leading_eigenpairs(gram: &Gram, count: usize, threads: Threads) -> Option<Eigenpairs> {
    let order = gram.nrow();
    let count = count.min(order);
    let width = count + OVERSAMPLING;
    if order <= DEPTH * width {
        return ritz_pairs(Mat::identity(order, order).as_ref(), gram, count, threads);
    }
    let mut generator = ChaCha8Rng::seed_from_u64(1);
    let mut block = Mat::from_fn(order, width, |_, _| generator.random_range(-1.0..1.0));
    let mut last_sum = 0.0;
    for _ in 0..MAX_RESTARTS {
        let pairs = krylov_pairs(block, gram, width, threads)?;
        let sum: f64 = pairs.values[..count].iter().sum();
        block = pairs.vectors;
        if sum - last_sum <= TOLERANCE * sum {
            break;
        }
        last_sum = sum;
    }
    ritz_pairs(block.as_ref(), gram, count, threads)
}

/// The leading eigenpairs of the matrix within the space of a block and of its products with powers of the matrix.
fn krylov_pairs(mut block: Mat<f64>, gram: &Gram, count: usize, threads: Threads) -> Option<Eigenpairs> {
    let width = block.ncols();
    let mut basis = Mat::zeros(block.nrows(), DEPTH * width);
    for step in 0..DEPTH {
        cancel::check();
        let (before, after) = basis.as_mut().split_at_col_mut(step * width);
        let next = orthonormal(block, before.as_ref());
        block = gram.multiply(next.as_ref(), threads);
        after.subcols_mut(0, width).copy_from(next);
    }
    ritz_pairs(basis.as_ref(), gram, count, threads)
}

/// An orthonormal basis of the columns of `block` in the complement of `basis`. The second pass removes what rounding errors
/// leave of `basis`.
fn orthonormal(block: Mat<f64>, basis: MatRef<f64>) -> Mat<f64> {
    (0..2).fold(block, |block, _| {
        let rest = &block - basis * (basis.transpose() * &block);
        rest.qr().compute_thin_Q()
    })
}

/// The leading eigenpairs of the matrix within the space of an orthonormal basis.
fn ritz_pairs(basis: MatRef<f64>, gram: &Gram, count: usize, threads: Threads) -> Option<Eigenpairs> {
    let projected = basis.transpose() * gram.multiply(basis, threads);
    let eigen = projected.self_adjoint_eigen(Side::Lower).ok()?;
    // In increasing order.
    let (all, order) = (eigen.S().column_vector(), basis.ncols());
    let values = (0..count).map(|index| all[order - 1 - index].max(0.0)).collect();
    let vectors = basis * Mat::from_fn(order, count, |row, index| eigen.U()[(row, order - 1 - index)]);
    Some(Eigenpairs { values, vectors })
}
