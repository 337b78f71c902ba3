//! The fused pass: one sweep over a matrix that yields every sum the methods need.
//!
//! The posterior of `b` is that under λ, σ and the view's [`crate::remainder_prior::RemainderPrior`].
//!
//! With `x = A − W` the residual and `b̄` the posterior mean of `b`, a sweep returns products of `A − b̄` or `x − b̄` with two
//! weight vectors, the [`PassStats`] over the entries and, if requested, curvatures. `b̄` is held in registers only. Each
//! pair of entries of a symmetric matrix is read once. The matrix is cut into tiles by its shape alone, and the results of
//! the tiles are added in a fixed order, so the result does not depend on the number of threads, to the bit.

pub(crate) mod gradient;
pub(crate) mod kernel;
pub(crate) mod mixture;
pub(crate) mod multi_factor;
pub mod remote;
pub(crate) mod sparse;
pub(crate) mod stats;
pub(crate) mod tile;

pub(crate) use multi_factor::multi_factor_sweep;
pub use remote::serve_request;
pub use stats::PassStats;

use crate::factor::Factor;
use crate::noise::ResidualParams;
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::vector::{column, Contiguous};
use faer::{Col, ColRef};
use kernel::kernel_level;
use remote::Request;
use std::borrow::Cow;
use tile::{cut, sweep_tile};

/// The factor and the parameters that define the posterior of `b`.
#[derive(Clone, Copy)]
pub struct Model<'a> {
    /// The factor being fitted.
    pub factor: &'a Factor,
    /// λ and σ.
    pub params: ResidualParams,
}

impl<'a> Model<'a> {
    /// A specification whose weights are the loadings of the model's factor and whose shift is the prior mean of `b`.
    pub fn spec(&self, level: PassLevel) -> PassSpec<'a> {
        let Self { factor, params } = *self;
        let (u, v) = (factor.u.as_ref(), factor.v.as_ref().unwrap_or(&factor.u).as_ref());
        PassSpec { row_weights: u, column_weights: v, shift: 1.0 / params.lambda, level }
    }
}

/// How much a sweep computes. Each level includes the sums of the levels before it; the meaning of the products differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassLevel {
    /// Products of `A` alone: `b = 0`, and the model does not matter.
    Product,
    /// Products of `A − b̄`, and all sums but the log-likelihood.
    Expectation,
    /// The log-likelihood as well.
    Likelihood,
    /// Derivatives and curvatures of the log-likelihood: products of `x − b̄` instead of `A − b̄`, curvatures by row and
    /// column, and the sums that the derivatives in λ and σ are made of.
    Curvature,
    /// For estimates of heteroscedastic noise: products of `E[(x − b)²]/σ²s²`, curvatures of 1. With weights of 1, their
    /// ratio is the variance of the noise of a row relative to the current one.
    NoiseScale,
}

/// What a sweep computes.
#[derive(Clone, Copy)]
pub struct PassSpec<'a> {
    /// `p`, one weight per row.
    pub row_weights: ColRef<'a, f64>,
    /// `q`, one weight per column; equal to `p` if the matrix is symmetric.
    pub column_weights: ColRef<'a, f64>,
    /// A value near the mean of the residual, about which its moments are taken.
    pub shift: f64,
    /// How much to compute.
    pub level: PassLevel,
}

/// A [`PassSpec`] with contiguous weights.
#[derive(Clone, Copy)]
pub(crate) struct KernelSpec<'a> {
    pub(crate) row_weights: &'a [f64],
    pub(crate) column_weights: &'a [f64],
    pub(crate) shift: f64,
    /// One of [`kernel_level`].
    pub(crate) level: u8,
}

/// A vector over the rows and one over the columns. For a symmetric matrix they coincide, and `columns` is empty.
#[derive(Clone, Debug, PartialEq)]
pub struct RowColSums {
    /// One element per row.
    pub rows: Col<f64>,
    /// One element per column, or none.
    pub columns: Col<f64>,
}

impl RowColSums {
    /// Zeros.
    pub(crate) fn zeros(nrow: usize, ncol: usize) -> Self {
        Self { rows: Col::zeros(nrow), columns: Col::zeros(ncol) }
    }

    /// Zeros of the shape of a view.
    pub(crate) fn zeros_of(view: &ResidualView) -> Self {
        Self::zeros(view.nrow(), if view.is_symmetric() { 0 } else { view.ncol() })
    }

    /// The sums with these elements.
    pub(crate) fn new(rows: &[f64], columns: &[f64]) -> Self {
        Self { rows: column(rows), columns: column(columns) }
    }

    /// The elements of the rows, contiguous.
    pub fn rows(&self) -> &[f64] {
        self.rows.as_slice()
    }

    /// The elements of the columns, contiguous.
    pub fn columns(&self) -> &[f64] {
        self.columns.as_slice()
    }

    /// The vector that sums over columns belong to: that of the rows if the matrix is symmetric.
    pub(crate) fn columns_or_rows_mut(&mut self) -> &mut [f64] {
        if self.columns.nrows() == 0 { &mut self.rows } else { &mut self.columns }.as_slice_mut()
    }
}

impl Default for RowColSums {
    fn default() -> Self {
        Self::zeros(0, 0)
    }
}

/// The result of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct PassOutput {
    /// `(A − b̄) q` and `(A − b̄)ᵀ p`, or `(x − b̄) q` and `(x − b̄)ᵀ p`, depending on the [`PassLevel`]. With heteroscedastic
    /// noise (see [`crate::noise::NoiseScales`]), `x − b̄` and `m` are divided by `s²`. At a missing entry `A − b̄` is its
    /// expectation under the model, `W`, and `x − b̄` is zero.
    pub products: RowColSums,
    /// `Σ_j m_ij q_j²` and `Σ_i m_ij p_i²` with `m = h (z + h)`, minus σ² times the curvature of the log-likelihood of an
    /// entry in its W: positive and at most 1. Empty below [`PassLevel::Curvature`].
    pub curvatures: RowColSums,
    /// The sums over the entries.
    pub sums: PassStats,
}

/// Computes `A q` and `Aᵀ p`.
pub fn product(view: &ResidualView, p: ColRef<f64>, q: ColRef<f64>, threads: Threads) -> RowColSums {
    let spec = PassSpec { row_weights: p, column_weights: q, shift: 0.0, level: PassLevel::Product };
    sweep(view, None, &spec, threads).products
}

/// Computes `E q` and `Eᵀ p` with the excess `E = (X − τ)₊` of a sparse matrix over a threshold; `None` unless stored entries alone
/// exceed it.
pub(crate) fn excess_product(
    view: &ResidualView,
    threshold: f64,
    p: ColRef<f64>,
    q: ColRef<f64>,
    threads: Threads,
) -> Option<RowColSums> {
    let (p, q) = (contiguous(p), contiguous(q));
    let spec = KernelSpec { row_weights: &p, column_weights: &q, shift: 0.0, level: kernel_level::PRODUCT };
    sparse::excess_product(view, threshold, &spec, threads)
}

/// Sweeps over `view` once, with `b̄` under `model`, which is needed unless the level is that of products.
pub fn sweep<'a>(
    view: &ResidualView,
    model: impl Into<Option<Model<'a>>>,
    spec: &PassSpec,
    threads: Threads,
) -> PassOutput {
    let (p, q, model) = (contiguous(spec.row_weights), contiguous(spec.column_weights), model.into());
    let spec = &KernelSpec { row_weights: &p, column_weights: &q, shift: spec.shift, level: spec.level as u8 };
    if let Some(output) = sparse::sweep(view, model, spec, threads).or_else(|| linear_sweep(view, spec, threads)) {
        return output;
    }
    let tiles = cut(view);
    let parts = Request::One { model, spec: *spec }
        .evaluate_remotely(view, &tiles)
        .unwrap_or_else(|| threads.map(tiles.len(), |index| sweep_tile(view, model, spec, tiles[index].clone())));
    let curved = spec.level >= kernel_level::CURVATURE;
    let mut total = PassOutput {
        products: RowColSums::zeros_of(view),
        curvatures: if curved { RowColSums::zeros_of(view) } else { RowColSums::default() },
        sums: PassStats::empty(spec.shift),
    };
    for (tile, part) in tiles.iter().zip(&parts) {
        tile.add_to(&mut total.products, &part.products);
        tile.add_to(&mut total.curvatures, &part.curvatures);
        total.sums.add(&part.sums, 1.0);
    }
    total
}

/// Computes products without a model by those of the storage, if it has a faster way than to visit all entries.
fn linear_sweep(view: &ResidualView, spec: &KernelSpec, threads: Threads) -> Option<PassOutput> {
    if spec.level != kernel_level::PRODUCT {
        return None;
    }
    let (p, q) = (spec.row_weights, spec.column_weights);
    let mut products = RowColSums::zeros_of(view);
    products.rows = column(&view.symmetric_product(q, threads)?);
    if !view.is_symmetric() {
        products.columns = column(&view.symmetric_product(p, threads)?);
    }
    let subtracted: Vec<&Factor> = view.subtracted().filter(|factor| factor.d != 0.0).collect();
    sparse::subtract(&subtracted, spec, &mut products);
    if view.has_missing() {
        // The factors are not subtracted from the missing diagonal either.
        for factor in subtracted {
            for (index, (u, v)) in factor.u().iter().zip(factor.v()).enumerate() {
                let fitted = factor.d * u * v;
                products.rows.as_slice_mut()[index] += fitted * q[index];
                if let Some(sum) = products.columns.as_slice_mut().get_mut(index) {
                    *sum += fitted * p[index];
                }
            }
        }
    }
    Some(PassOutput { products, curvatures: RowColSums::default(), sums: PassStats::empty(spec.shift) })
}

/// Returns the log-likelihood of the entries of `view` at `params`, and the number of entries it is a sum over.
pub fn log_likelihood(view: &ResidualView, params: ResidualParams, threads: Threads) -> (f64, f64) {
    let model = Model { factor: &view.zero_factor(), params };
    let sums = sweep(view, model, &model.spec(PassLevel::Likelihood), threads).sums;
    (sums.log_likelihood(params), sums.count)
}

/// The elements of a column: the column itself if it is contiguous, a copy otherwise.
fn contiguous(column: ColRef<'_, f64>) -> Cow<'_, [f64]> {
    match column.try_as_col_major() {
        Some(column) => Cow::Borrowed(column.as_slice()),
        None => column.iter().copied().collect(),
    }
}
