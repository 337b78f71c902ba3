//! Initial loadings: the leading singular pair, truncated to its nonnegative part.
//!
//! The pair is computed by the Lanczos method (`optim::lanczos`) on `A` if it is symmetric and on `AᵀA`
//! otherwise.

use crate::optim::lanczos::{leading_eigenvector, Leading};
use crate::pass::product;
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::runtime::progress::{Progress, ProgressCallback};
use crate::vector::{dot, normalise, truncate, Contiguous};
use faer::{Col, ColRef};

/// Initial loadings of a factor.
#[derive(Clone, Debug)]
pub struct InitialLoadings {
    /// Loadings of the rows, of unit norm, or zero.
    pub u: Col<f64>,
    /// Loadings of the columns; equal to `u` if the matrix is symmetric.
    pub v: Col<f64>,
}

impl InitialLoadings {
    /// Returns given loadings, truncated to their nonnegative part and scaled to unit norm.
    pub fn new(u: &[f64], v: &[f64]) -> Self {
        Self { u: truncate(u), v: truncate(v) }
    }

    /// Returns the loadings of the rows as a slice.
    pub fn u(&self) -> &[f64] {
        self.u.as_slice()
    }

    /// Returns the loadings of the columns as a slice.
    pub fn v(&self) -> &[f64] {
        self.v.as_slice()
    }
}

/// Returns initial loadings from the leading singular pair `(u, v)`: `(u₊, v₊)` or `((−u)₊, (−v)₊)`, whichever has the
/// larger `uᵀAv`.
///
/// The progress callback is called with iteration 0. A stop returns loadings from the current approximation.
pub fn leading_init(view: &ResidualView, threads: Threads, on_progress: &mut ProgressCallback) -> InitialLoadings {
    init(view, Leading::Magnitude, threads, on_progress)
}

/// Like [`leading_init`], but for a symmetric matrix from the eigenvector of the largest eigenvalue, where
/// [`leading_init`] may use a negative eigenvalue of larger magnitude.
pub fn largest_init(view: &ResidualView, threads: Threads, on_progress: &mut ProgressCallback) -> InitialLoadings {
    init(view, Leading::Value, threads, on_progress)
}

fn init(
    view: &ResidualView,
    leading: Leading,
    threads: Threads,
    on_progress: &mut ProgressCallback,
) -> InitialLoadings {
    let (u, v) = leading_pair(view, leading, threads, on_progress);
    let positive = nonnegative_part(&u, &v, 1.0);
    let negative = nonnegative_part(&u, &v, -1.0);
    if quadratic_form(view, &positive, threads) > quadratic_form(view, &negative, threads) {
        positive
    } else {
        negative
    }
}

/// Returns `((sign u)₊, (sign v)₊)`, normalised.
fn nonnegative_part(u: &Col<f64>, v: &Col<f64>, sign: f64) -> InitialLoadings {
    let part = |loadings: &Col<f64>| truncate(&loadings.iter().map(|loading| sign * loading).collect::<Vec<_>>());
    InitialLoadings { u: part(u), v: part(v) }
}

/// Returns `uᵀAv`.
fn quadratic_form(view: &ResidualView, init: &InitialLoadings, threads: Threads) -> f64 {
    dot(init.u(), product(view, init.u.as_ref(), init.v.as_ref(), threads).rows())
}

/// Returns the singular pair of the largest singular value, or twice the eigenvector of the leading eigenvalue if the
/// matrix is symmetric. The signs are arbitrary except that of the product.
fn leading_pair(
    view: &ResidualView,
    leading: Leading,
    threads: Threads,
    on_progress: &mut ProgressCallback,
) -> (Col<f64>, Col<f64>) {
    let on_product = || on_progress(Progress::new(0));
    if view.is_symmetric() {
        let image = |x: &[f64]| product(view, ColRef::from_slice(x), ColRef::from_slice(x), threads).rows().to_vec();
        let u = leading_eigenvector(view.nrow(), leading, image, on_product);
        (u.clone(), u)
    } else {
        let (zero_rows, zero_columns) = (Col::zeros(view.nrow()), Col::zeros(view.ncol()));
        let image = |x: &[f64]| product(view, zero_rows.as_ref(), ColRef::from_slice(x), threads).rows;
        let gram_product =
            |x: &[f64]| product(view, image(x).as_ref(), zero_columns.as_ref(), threads).columns().to_vec();
        let v = leading_eigenvector(view.ncol(), leading, gram_product, on_product);
        let mut u = image(v.as_slice());
        normalise(u.as_slice_mut());
        (u, v)
    }
}
