//! Where an iteration starts: the leading singular pair, truncated to its nonnegative side.
//!
//! The pair comes from a Lanczos process with full orthogonalisation and thick restarts (Wu & Simon 2000), on `A` where
//! it is symmetric and otherwise on `AᵀA`: some ten products with the matrix where the leading values are well apart.

use crate::pass::product;
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::runtime::progress::{Progress, ProgressCallback};
use crate::vector::{add_scaled, dot, norm, normalise, truncate, Contiguous};
use faer::ColRef;
use faer::{Col, Mat, Side};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The loadings that an iteration starts from.
#[derive(Clone, Debug)]
pub struct InitialLoadings {
    /// The loadings of the rows, of unit norm, or zero.
    pub u: Col<f64>,
    /// The loadings of the columns; those of the rows where the matrix is symmetric.
    pub v: Col<f64>,
}

impl InitialLoadings {
    /// A start at given loadings, scaled to unit norm.
    pub fn new(u: &[f64], v: &[f64]) -> Self {
        Self { u: truncate(u), v: truncate(v) }
    }

    /// Loadings of the rows, contiguous.
    pub fn u(&self) -> &[f64] {
        self.u.as_slice()
    }

    /// Loadings of the columns, contiguous.
    pub fn v(&self) -> &[f64] {
        self.v.as_slice()
    }
}

/// The start from the leading singular pair `(u, v)`: `(u₊, v₊)` or `((−u)₊, (−v)₊)`, by the larger `uᵀAv`. The observer is
/// told of iteration 0.
pub fn leading_init(view: &ResidualView, threads: Threads, on_progress: &mut ProgressCallback) -> InitialLoadings {
    start_from(view, Leading::Size, threads, on_progress)
}

/// The same from the pair that explains most as it stands: of a symmetric matrix that of the largest eigenvalue, where
/// [`leading_init`] may take one that is far below zero.
pub fn largest_init(view: &ResidualView, threads: Threads, on_progress: &mut ProgressCallback) -> InitialLoadings {
    start_from(view, Leading::Value, threads, on_progress)
}

/// Which eigenvalue leads.
#[derive(Clone, Copy)]
enum Leading {
    /// The largest in size.
    Size,
    /// The largest.
    Value,
}

fn start_from(
    view: &ResidualView,
    leading: Leading,
    threads: Threads,
    on_progress: &mut ProgressCallback,
) -> InitialLoadings {
    let (u, v) = leading_pair(view, leading, threads, on_progress);
    let positive = side(&u, &v, 1.0);
    let negative = side(&u, &v, -1.0);
    if value(view, &positive, threads) > value(view, &negative, threads) {
        positive
    } else {
        negative
    }
}

fn side(u: &[f64], v: &[f64], sign: f64) -> InitialLoadings {
    let side = |loadings: &[f64]| truncate(&loadings.iter().map(|loading| sign * loading).collect::<Vec<_>>());
    InitialLoadings { u: side(u), v: side(v) }
}

fn value(view: &ResidualView, start: &InitialLoadings, threads: Threads) -> f64 {
    dot(start.u(), product(view, start.u.as_ref(), start.v.as_ref(), threads).rows())
}

/// The singular pair with the largest singular value, or the eigenvector of the leading eigenvalue twice. Signs are
/// arbitrary but for their product.
fn leading_pair(
    view: &ResidualView,
    leading: Leading,
    threads: Threads,
    on_progress: &mut ProgressCallback,
) -> (Vec<f64>, Vec<f64>) {
    let (zero_rows, zero_columns) = (vec![0.0; view.nrow()], vec![0.0; view.ncol()]);
    let with = |p: &[f64], q: &[f64]| product(view, ColRef::from_slice(p), ColRef::from_slice(q), threads);
    if view.is_symmetric() {
        let u = leading_eigenvector(view.nrow(), leading, |x| with(x, x).rows().to_vec(), on_progress);
        (u.clone(), u)
    } else {
        let image = |x: &[f64]| with(&zero_rows, x).rows().to_vec();
        let square = |x: &[f64]| with(&image(x), &zero_columns).columns().to_vec();
        let v = leading_eigenvector(view.ncol(), leading, square, on_progress);
        let mut u = image(&v);
        normalise(&mut u);
        (u, v)
    }
}

/// The longest basis before a restart, and the shortest that a large matrix has to do with.
const LONGEST_BASIS: [usize; 2] = [48, 16];
/// The numbers that a basis beyond the shortest may have.
const MAX_NUMBERS: usize = 20 << 20;
/// A restart keeps one in so many Ritz vectors.
const SHRINKAGE: usize = 4;
/// The rows that a restart takes at a time.
const BLOCK: usize = 1 << 10;
/// The most products with the operator.
const MAX_PRODUCTS: usize = 1000;
/// The residual `‖Ax − θx‖`, as a share of the largest `|θ|`, that ends the process.
const TOLERANCE: f64 = 1e-15;

/// The unit eigenvector of the leading `θ` of a symmetric operator of order `n`, as far as it is known where the observer
/// ends the process.
fn leading_eigenvector(
    n: usize,
    leading: Leading,
    apply: impl Fn(&[f64]) -> Vec<f64>,
    on_progress: &mut ProgressCallback,
) -> Vec<f64> {
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let [most, least] = LONGEST_BASIS;
    let longest = (MAX_NUMBERS / n).clamp(least, most);
    let mut projected = Mat::<f64>::zeros(longest, longest);
    let mut next = first_vector(n);
    for _ in 0..MAX_PRODUCTS {
        let mut image = apply(&next);
        basis.push(next);
        let order = basis.len();
        // Twice is enough (Kahan): the basis stays orthogonal to rounding level.
        for _ in 0..2 {
            for (row, vector) in basis.iter().enumerate() {
                let overlap = dot(vector, &image);
                add_scaled(&mut image, -overlap, vector);
                projected[(row, order - 1)] += overlap;
            }
        }
        for row in 0..order - 1 {
            projected[(order - 1, row)] = projected[(row, order - 1)];
        }
        let Some(ritz) = RitzPairs::new(&projected, order, leading) else {
            return combine(&basis, &vec![1.0; order]);
        };
        let remainder = norm(&image);
        let exhausted = remainder <= f64::MIN_POSITIVE || order == n;
        let found = exhausted || remainder * ritz.last_weight() <= TOLERANCE * ritz.largest;
        if found || on_progress(Progress::new(0)).is_break() {
            return combine(&basis, &ritz.vectors[0]);
        }
        if order == longest {
            let kept = longest / SHRINKAGE;
            restart(&mut basis, &ritz.vectors[..kept]);
            projected.fill(0.0);
            for (index, &value) in ritz.values[..kept].iter().enumerate() {
                projected[(index, index)] = value;
            }
        }
        next = image;
        normalise(&mut next);
    }
    basis.swap_remove(0)
}

/// A start that favours no row but for a part of a hundredth, without which a symmetry of the matrix could hide the
/// leading vector from the whole process.
fn first_vector(n: usize) -> Vec<f64> {
    let mut generator = ChaCha8Rng::seed_from_u64(0);
    let mut vector: Vec<f64> = (0..n).map(|_| 1.0 + 0.01 * (generator.random::<f64>() - 0.5)).collect();
    normalise(&mut vector);
    vector
}

/// `Σ w_k q_k`, normalised.
fn combine(basis: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; basis[0].len()];
    for (vector, &weight) in basis.iter().zip(weights) {
        add_scaled(&mut sum, weight, vector);
    }
    normalise(&mut sum);
    sum
}

/// Leaves `Σ w_k q_k`, normalised, for each of some weights: in the place of the basis, which may be large.
fn restart(basis: &mut Vec<Vec<f64>>, weights: &[Vec<f64>]) {
    let length = basis[0].len();
    for first in (0..length).step_by(BLOCK) {
        let rows = first..(first + BLOCK).min(length);
        let old: Vec<Vec<f64>> = basis.iter().map(|vector| vector[rows.clone()].to_vec()).collect();
        for (vector, weights) in basis.iter_mut().zip(weights) {
            let sum = &mut vector[rows.clone()];
            sum.fill(0.0);
            old.iter().zip(weights).for_each(|(old, weight)| add_scaled(sum, *weight, old));
        }
    }
    basis.truncate(weights.len());
    basis.iter_mut().for_each(|vector| normalise(vector));
}

/// The eigenpairs of the projected operator, the leading first; of two that are equal in size the positive.
struct RitzPairs {
    /// The largest `|θ|`.
    largest: f64,
    values: Vec<f64>,
    vectors: Vec<Vec<f64>>,
}

impl RitzPairs {
    fn new(projected: &Mat<f64>, order: usize, leading: Leading) -> Option<Self> {
        let eigen = projected.as_ref().submatrix(0, 0, order, order).self_adjoint_eigen(Side::Lower).ok()?;
        let value = |index: usize| eigen.S()[index];
        let mut sorted: Vec<usize> = (0..order).collect();
        let key = |index: usize| match leading {
            Leading::Size => value(index).abs(),
            Leading::Value => value(index),
        };
        sorted.sort_by(|&i, &j| key(j).total_cmp(&key(i)).then(value(j).total_cmp(&value(i))));
        let column = |&index: &usize| (0..order).map(|row| eigen.U()[(row, index)]).collect();
        Some(Self {
            largest: (0..order).map(|index| value(index).abs()).fold(0.0, f64::max),
            values: sorted.iter().map(|&index| value(index)).collect(),
            vectors: sorted.iter().map(column).collect(),
        })
    }

    /// The weight of the last basis vector in the leading Ritz vector: times the remainder, its residual.
    fn last_weight(&self) -> f64 {
        self.vectors[0].last().map_or(0.0, |weight| weight.abs())
    }
}
