//! Leading eigenvector of a symmetric operator by the thick-restart Lanczos method with full reorthogonalisation.
//!
//! K. Wu and H. Simon 2000, Thick-restart Lanczos method for large symmetric eigenvalue problems, *SIAM Journal on
//! Matrix Analysis and Applications* 22, 602-616. About ten products with the operator are enough if the leading
//! eigenvalues are well separated.

use crate::runtime::cancel;
use crate::vector::{add_scaled, column, dot, norm, normalise, Contiguous};
use faer::{Col, Mat, Side};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The definition of the leading eigenvalue.
#[derive(Clone, Copy)]
pub(crate) enum Leading {
    /// The eigenvalue of largest magnitude; of two, the positive one.
    Magnitude,
    /// The largest eigenvalue.
    Value,
}

/// The maximum size of the basis before a restart, and the size that is allowed for any order of the operator.
const MAX_BASIS: [usize; 2] = [48, 16];
/// The maximum number of values in a larger basis than that.
const MAX_BASIS_VALUES: usize = 20 << 20;
/// A restart keeps the maximum size of the basis divided by this number of Ritz vectors.
const RESTART_DIVISOR: usize = 4;
/// The number of rows that a restart processes at a time.
const BLOCK: usize = 1 << 10;
/// The maximum number of products with the operator.
const MAX_PRODUCTS: usize = 1000;
/// The residual `‖Ax − θx‖`, relative to the largest `|θ|`, at which the iteration ends.
const TOLERANCE: f64 = 1e-15;

/// Returns the unit eigenvector of the leading eigenvalue of a symmetric operator of order `n`.
///
/// `on_product` is called after each product unless the iteration has converged. A stop (see [`cancel`]) returns the
/// current approximation.
pub(crate) fn leading_eigenvector(
    n: usize,
    leading: Leading,
    apply: impl Fn(&[f64]) -> Vec<f64>,
    mut on_product: impl FnMut(),
) -> Col<f64> {
    let mut basis: Vec<Col<f64>> = Vec::new();
    let [largest, smallest] = MAX_BASIS;
    let max_basis = (MAX_BASIS_VALUES / n).clamp(smallest, largest);
    let mut projected = Mat::<f64>::zeros(max_basis, max_basis);
    let mut next = start_vector(n);
    for _ in 0..MAX_PRODUCTS {
        let mut image = apply(next.as_slice());
        basis.push(next);
        let order = basis.len();
        // Two Gram-Schmidt sweeps make the basis orthogonal to rounding error (Kahan).
        for _ in 0..2 {
            for (row, vector) in basis.iter().enumerate() {
                let overlap = dot(vector.as_slice(), &image);
                add_scaled(&mut image, -overlap, vector.as_slice());
                projected[(row, order - 1)] += overlap;
            }
        }
        for row in 0..order - 1 {
            projected[(order - 1, row)] = projected[(row, order - 1)];
        }
        let Some(ritz) = RitzPairs::new(&projected, order, leading) else {
            return combine(&basis, &vec![1.0; order]);
        };
        let residual_norm = norm(&image);
        let exhausted = residual_norm <= f64::MIN_POSITIVE || order == n;
        let converged = exhausted || residual_norm * ritz.last_weight() <= TOLERANCE * ritz.max_magnitude;
        if !converged {
            on_product();
        }
        if converged || cancel::is_stop_requested() {
            return combine(&basis, &ritz.vectors[0]);
        }
        if order == max_basis {
            let kept = max_basis / RESTART_DIVISOR;
            restart(&mut basis, &ritz.vectors[..kept]);
            projected.fill(0.0);
            for (index, &value) in ritz.values[..kept].iter().enumerate() {
                projected[(index, index)] = value;
            }
        }
        normalise(&mut image);
        next = column(&image);
    }
    basis.swap_remove(0)
}

/// Returns a start vector close to constant. Relative perturbations of at most half a percent keep symmetries of the
/// matrix from making it orthogonal to the leading eigenvector.
fn start_vector(n: usize) -> Col<f64> {
    let mut generator = ChaCha8Rng::seed_from_u64(0);
    let mut vector: Col<f64> = (0..n).map(|_| 1.0 + 0.01 * (generator.random::<f64>() - 0.5)).collect();
    normalise(vector.as_slice_mut());
    vector
}

/// Returns `Σ w_k q_k`, normalised.
fn combine(basis: &[Col<f64>], weights: &[f64]) -> Col<f64> {
    let mut sum = Col::zeros(basis[0].nrows());
    for (vector, &weight) in basis.iter().zip(weights) {
        add_scaled(sum.as_slice_mut(), weight, vector.as_slice());
    }
    normalise(sum.as_slice_mut());
    sum
}

/// Replaces the basis by `Σ w_k q_k`, normalised, for each vector of weights: in place, as the basis may be large.
fn restart(basis: &mut Vec<Col<f64>>, weights: &[Vec<f64>]) {
    let length = basis[0].nrows();
    for first in (0..length).step_by(BLOCK) {
        let rows = first..(first + BLOCK).min(length);
        let old: Vec<Vec<f64>> = basis.iter().map(|vector| vector.as_slice()[rows.clone()].to_vec()).collect();
        for (vector, weights) in basis.iter_mut().zip(weights) {
            let sum = &mut vector.as_slice_mut()[rows.clone()];
            sum.fill(0.0);
            old.iter().zip(weights).for_each(|(old, weight)| add_scaled(sum, *weight, old));
        }
    }
    basis.truncate(weights.len());
    basis.iter_mut().for_each(|vector| normalise(vector.as_slice_mut()));
}

/// Eigenpairs of the projected operator, the leading one first; ties in magnitude put the positive eigenvalue first.
struct RitzPairs {
    /// The largest `|θ|`.
    max_magnitude: f64,
    values: Vec<f64>,
    vectors: Vec<Vec<f64>>,
}

impl RitzPairs {
    fn new(projected: &Mat<f64>, order: usize, leading: Leading) -> Option<Self> {
        let eigen = projected.as_ref().submatrix(0, 0, order, order).self_adjoint_eigen(Side::Lower).ok()?;
        let value = |index: usize| eigen.S()[index];
        let mut sorted: Vec<usize> = (0..order).collect();
        let key = |index: usize| match leading {
            Leading::Magnitude => value(index).abs(),
            Leading::Value => value(index),
        };
        sorted.sort_by(|&i, &j| key(j).total_cmp(&key(i)).then(value(j).total_cmp(&value(i))));
        let vector = |&index: &usize| (0..order).map(|row| eigen.U()[(row, index)]).collect();
        Some(Self {
            max_magnitude: (0..order).map(|index| value(index).abs()).fold(0.0, f64::max),
            values: sorted.iter().map(|&index| value(index)).collect(),
            vectors: sorted.iter().map(vector).collect(),
        })
    }

    /// Returns the weight of the last basis vector in the leading Ritz vector. Its product with the norm of the
    /// residual of the basis is the norm of the residual of the Ritz pair.
    fn last_weight(&self) -> f64 {
        self.vectors[0].last().map_or(0.0, |weight| weight.abs())
    }
}

#[cfg(test)]
mod tests {
    use crate::optim::lanczos::{leading_eigenvector, Leading};
    use crate::runtime::cancel::{install, Request};
    use crate::vector::{dot, norm, Contiguous};

    /// Minus the second difference, with eigenvectors `sin(π k i/(n + 1))` and slowly separating eigenvalues
    /// `2 − 2 cos(π k/(n + 1))`, all negated if `sign` is −1.
    fn second_difference(x: &[f64], sign: f64) -> Vec<f64> {
        let at = |i: usize| x.get(i).copied().unwrap_or(0.0);
        (0..x.len()).map(|i| sign * (2.0 * at(i) - at(i.wrapping_sub(1)) - at(i + 1))).collect()
    }

    fn eigenvector(n: usize, k: usize) -> Vec<f64> {
        let angle = std::f64::consts::PI * k as f64 / (n + 1) as f64;
        let vector: Vec<f64> = (1..=n).map(|i| (angle * i as f64).sin()).collect();
        let length = norm(&vector);
        vector.iter().map(|x| x / length).collect()
    }

    #[test]
    fn leading_eigenvectors_are_found_through_restarts() {
        let n = 200;
        for (leading, sign, k) in [(Leading::Magnitude, -1.0, n), (Leading::Value, 1.0, n), (Leading::Value, -1.0, 1)] {
            let mut products = 0;
            let found = leading_eigenvector(n, leading, |x| second_difference(x, sign), || products += 1);
            assert!(products > 48, "{products} products need no restart");
            let cosine = dot(found.as_slice(), &eigenvector(n, k)).abs();
            assert!((cosine - 1.0).abs() < 1e-9, "{cosine} for k = {k}");
        }
    }

    #[test]
    fn a_stop_returns_a_unit_vector() {
        let _installed = install(|| Request::Stop);
        let mut products = 0;
        let found = leading_eigenvector(50, Leading::Value, |x| second_difference(x, 1.0), || products += 1);
        assert_eq!(products, 1);
        assert!((norm(found.as_slice()) - 1.0).abs() < 1e-12);
    }
}
