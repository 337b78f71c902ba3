//! Leading eigenvector, or several leading eigenvalues, of a symmetric operator by the thick-restart Lanczos method with full
//! reorthogonalisation.
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
/// The relative change of a sum of eigenvalues at which its iteration ends.
const SUM_TOLERANCE: f64 = 1e-4;
/// The least number of steps from a new start before a sum of eigenvalues counts as unchanged.
const MIN_STEPS: usize = 4;
/// The maximum number of products for a sum of eigenvalues, and the number that each eigenvalue adds.
const MAX_SUM_PRODUCTS: [usize; 2] = [30, 2];
/// What an image adds to the basis, relative to the operator, at or below which it is rounding error.
const BREAKDOWN: f64 = 1e-12;

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
    let mut krylov = KrylovBasis::new(max_basis(n));
    let mut next = start_vector(n);
    for _ in 0..MAX_PRODUCTS {
        let mut image = krylov.extend(next, &apply);
        let order = krylov.order();
        let Some(ritz) = RitzPairs::new(&krylov.projected, order, leading) else {
            return combine(&krylov.vectors, &vec![1.0; order]);
        };
        let residual_norm = norm(&image);
        let exhausted = residual_norm <= f64::MIN_POSITIVE || order == n;
        let converged = exhausted || residual_norm * ritz.last_weight() <= TOLERANCE * ritz.max_magnitude;
        if !converged {
            on_product();
        }
        if converged || cancel::is_stop_requested() {
            return combine(&krylov.vectors, &ritz.vectors[0]);
        }
        if krylov.is_full() {
            krylov.restart(&ritz, krylov.max_order / RESTART_DIVISOR);
        }
        normalise(&mut image);
        next = column(&image);
    }
    krylov.vectors.swap_remove(0)
}

/// Returns the `count` leading eigenvalues `θ` of a symmetric operator of order `n`, the largest first: squared by
/// [`Leading::Magnitude`], and as they are by [`Leading::Value`], for which the operator must have no negative ones. `total` is the
/// sum of all of them.
///
/// These are Ritz values, so that each partial sum is a lower bound. The iteration ends when their sum no longer changes. The
/// Krylov space of one vector has one eigenvector of each eigenvalue, so the iteration then goes on from a random vector,
/// orthogonal to the basis, until that changes nothing either.
pub(crate) fn leading_eigenvalues(
    n: usize,
    count: usize,
    leading: Leading,
    total: f64,
    apply: impl Fn(&[f64]) -> Vec<f64>,
) -> Vec<f64> {
    let count = count.min(n);
    let [least, per_value] = MAX_SUM_PRODUCTS;
    let (max_products, kept) = (least + per_value * count, count + MIN_STEPS);
    let mut krylov = KrylovBasis::new(max_basis(n).max(2 * kept).min(n));
    let mut generator = ChaCha8Rng::seed_from_u64(1);
    let (scale, power) = match leading {
        Leading::Magnitude => (total.sqrt(), 2),
        Leading::Value => (total, 1),
    };
    let mut found = Vec::new();
    // Sums at the last test, and at the last new start.
    let (mut last_sum, mut first_sum) = (0.0, f64::NAN);
    let (mut steps, mut next_test) = (0, count);
    let mut next = start_vector(n);
    for product in 1..=max_products {
        let mut image = krylov.extend(next, &apply);
        steps += 1;
        let order = krylov.order();
        let exhausted = norm(&image) <= BREAKDOWN * scale;
        let mut new_start = exhausted;
        if order >= next_test || exhausted || order == n || krylov.is_full() || product == max_products {
            let Some(ritz) = RitzPairs::new(&krylov.projected, order, leading) else { break };
            let all: Vec<f64> = ritz.values.iter().map(|value| value.powi(power).max(0.0)).collect();
            found = all[..count.min(order)].to_vec();
            let (sum, rest) = (found.iter().sum::<f64>(), total - all.iter().sum::<f64>());
            let is_unchanged = |before: f64| sum - before <= SUM_TOLERANCE * sum;
            // What the basis leaves cannot add more than its own sum.
            if order == n || rest <= SUM_TOLERANCE * sum {
                break;
            }
            if steps >= MIN_STEPS && is_unchanged(last_sum) {
                if is_unchanged(first_sum) {
                    break;
                }
                first_sum = sum;
                new_start = true;
            }
            last_sum = sum;
            // Eigenvalues of the projected operator take time if there are many.
            next_test = order + 1 + order / 16;
            if krylov.is_full() {
                krylov.restart(&ritz, kept);
                next_test = kept + 1 + kept / 16;
            }
        }
        if new_start {
            steps = 0;
            image = (0..n).map(|_| generator.random::<f64>() - 0.5).collect();
            krylov.orthogonalise(&mut image);
        }
        normalise(&mut image);
        next = column(&image);
    }
    found.resize(count, 0.0);
    found
}

/// The maximum size of a basis of vectors of length `n`.
fn max_basis(n: usize) -> usize {
    let [largest, smallest] = MAX_BASIS;
    (MAX_BASIS_VALUES / n).clamp(smallest, largest)
}

/// An orthonormal basis and the projection of the operator on it.
struct KrylovBasis {
    vectors: Vec<Col<f64>>,
    projected: Mat<f64>,
    max_order: usize,
}

impl KrylovBasis {
    fn new(max_order: usize) -> Self {
        Self { vectors: Vec::new(), projected: Mat::zeros(max_order, max_order), max_order }
    }

    fn order(&self) -> usize {
        self.vectors.len()
    }

    fn is_full(&self) -> bool {
        self.order() == self.max_order
    }

    /// Adds a unit vector orthogonal to the basis, and returns the part of its image that is orthogonal to the basis.
    fn extend(&mut self, next: Col<f64>, apply: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
        let mut image = apply(next.as_slice());
        self.vectors.push(next);
        let last = self.order() - 1;
        for (row, overlap) in self.orthogonalise(&mut image).into_iter().enumerate() {
            self.projected[(row, last)] += overlap;
        }
        for row in 0..last {
            self.projected[(last, row)] = self.projected[(row, last)];
        }
        image
    }

    /// Makes a vector orthogonal to the basis; returns its products with the vectors of the basis.
    fn orthogonalise(&self, image: &mut [f64]) -> Vec<f64> {
        let mut overlaps = vec![0.0; self.order()];
        // Two Gram-Schmidt sweeps make the basis orthogonal to rounding error (Kahan).
        for _ in 0..2 {
            for (vector, total) in self.vectors.iter().zip(&mut overlaps) {
                let overlap = dot(vector.as_slice(), image);
                add_scaled(image, -overlap, vector.as_slice());
                *total += overlap;
            }
        }
        overlaps
    }

    /// Replaces the basis by the first `kept` Ritz vectors.
    fn restart(&mut self, ritz: &RitzPairs, kept: usize) {
        restart(&mut self.vectors, &ritz.vectors[..kept]);
        self.projected.fill(0.0);
        for (index, &value) in ritz.values[..kept].iter().enumerate() {
            self.projected[(index, index)] = value;
        }
    }
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
    use crate::optim::lanczos::{leading_eigenvalues, leading_eigenvector, Leading};
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

    /// The leading eigenvalues of a diagonal operator.
    fn of_diagonal(diagonal: &[f64], count: usize, leading: Leading) -> Vec<f64> {
        let power = if matches!(leading, Leading::Magnitude) { 2 } else { 1 };
        let total = diagonal.iter().map(|value| value.powi(power)).sum();
        let apply = |x: &[f64]| x.iter().zip(diagonal).map(|(x, value)| x * value).collect();
        leading_eigenvalues(diagonal.len(), count, leading, total, apply)
    }

    #[test]
    fn sums_of_leading_eigenvalues_are_lower_bounds_within_the_tolerance() {
        let decaying: Vec<f64> = (0..150).map(|k| 0.85_f64.powi(k) * if k % 3 == 1 { -1.0 } else { 1.0 }).collect();
        let squares: Vec<f64> = decaying.iter().map(|value| value * value).collect();
        for count in [1, 2, 5, 40] {
            let exact: f64 = squares[..count].iter().sum();
            for found in
                [of_diagonal(&decaying, count, Leading::Magnitude), of_diagonal(&squares, count, Leading::Value)]
            {
                let sum: f64 = found.iter().sum();
                assert_eq!(found.len(), count);
                assert!(sum <= exact * (1.0 + 1e-12) && sum >= exact * (1.0 - 1e-3), "{sum} {exact} for {count}");
            }
        }
    }

    #[test]
    fn repeated_eigenvalues_are_found() {
        let mut diagonal = vec![0.1; 80];
        diagonal[10..13].fill(3.0);
        diagonal[40] = -3.0;
        let found = of_diagonal(&diagonal, 5, Leading::Magnitude);
        assert!(found[..4].iter().all(|value| (value - 9.0).abs() < 1e-8), "{found:?}");
        assert!((found[4] - 0.01).abs() < 1e-8, "{found:?}");
        assert_eq!(of_diagonal(&[1.0; 30], 3, Leading::Value).len(), 3);
        assert!(of_diagonal(&[1.0; 30], 3, Leading::Value).iter().all(|value| (value - 1.0).abs() < 1e-12));
        assert_eq!(of_diagonal(&[2.0], 3, Leading::Magnitude), [4.0]);
    }
}
