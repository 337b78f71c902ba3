//! The fused pass: one sweep over a matrix, from which every method takes what it needs.
//!
//! The posterior is that under λ, σ and the view's [`crate::remainder_prior::RemainderPrior`].
//!
//! With `x = A − W` the residual and `b̄` its posterior mean of `b`, a sweep yields products of `A − b̄` or `x − b̄` with
//! two weight vectors, [`PassStats`] over the entries and, where asked, curvatures. `b̄` lives in registers only. Of a
//! symmetric matrix each pair of entries is read once. The matrix is cut into tiles by its shape alone, and the tiles'
//! results are added in their order, so that the bits do not depend on the number of threads.

pub(crate) mod accumulator;
pub(crate) mod factor_sums;
pub(crate) mod gradient;
pub(crate) mod kernel;
pub(crate) mod mixture;
pub(crate) mod mixture_sums;
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
use kernel::level;
use remote::protocol::Request;
use tile::{cut, sweep_tile};

/// The low-rank part and the noise that define the posterior of `b`.
#[derive(Clone, Copy)]
pub struct Model<'a> {
    /// The factor being fitted.
    pub factor: &'a Factor,
    /// λ and σ.
    pub params: ResidualParams,
}

impl<'a> Model<'a> {
    /// A question with the weights of the model's own factor, about the mean of its `b`.
    pub fn question(&self, depth: PassLevel) -> PassSpec<'a> {
        let Self { factor, params } = *self;
        PassSpec { row_weights: factor.u(), column_weights: factor.v(), shift: 1.0 / params.lambda, depth }
    }
}

/// How much a sweep computes. The sums of each depth include those of the depths before it; what the products are of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassLevel {
    /// Products of `A − b̄`, and the sums but for the log-likelihood.
    Expectation,
    /// The log-likelihood as well.
    Likelihood,
    /// The slopes and curvatures of the log-likelihood: products of `x − b̄` in the place of `A − b̄`, curvatures by row
    /// and column, and what the derivatives in λ and σ are made of.
    Curvature,
    /// For estimates of how the noise differs: products are of `E[(x − b)²]/σ²s²`, curvatures of 1. Both with weights of 1 tell
    /// what the noise of a row is, beside what it was taken for.
    NoiseScale,
}

/// What a sweep is to compute.
#[derive(Clone, Copy)]
pub struct PassSpec<'a> {
    /// `p`, a weight a row.
    pub row_weights: &'a [f64],
    /// `q`, a weight a column; the same as `p` where the matrix is symmetric.
    pub column_weights: &'a [f64],
    /// A value near the mean of the residual, about which its moments are taken.
    pub shift: f64,
    /// How much to compute.
    pub depth: PassLevel,
}

/// A vector over the rows and one over the columns; of a symmetric matrix these are one, and `columns` is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowColSums {
    /// An element a row.
    pub rows: Vec<f64>,
    /// An element a column, or none.
    pub columns: Vec<f64>,
}

/// What a sweep found.
#[derive(Clone, Debug, PartialEq)]
pub struct PassOutput {
    /// `(A − b̄) q` and `(A − b̄)ᵀ p`, or `(x − b̄) q` and `(x − b̄)ᵀ p`, as [`PassLevel`] says. Where the noise of entries
    /// differs (see [`crate::noise::NoiseScales`]), `x − b̄` and `m` are divided by `s²`. At a missing entry `A − b̄` is
    /// what the model expects, `W`, and `x − b̄` is zero.
    pub products: RowColSums,
    /// `Σ_j m_ij q_j²` and `Σ_i m_ij p_i²` with `m = h (z + h)`, minus σ² times the curvature of the log-likelihood of an
    /// entry in its W: positive, at most 1. Empty where not asked for.
    pub curvatures: RowColSums,
    /// The sums over the entries.
    pub sums: PassStats,
}

/// `A q` and `Aᵀ p`.
pub fn product(view: &ResidualView, row_weights: &[f64], column_weights: &[f64], threads: Threads) -> RowColSums {
    let question = PassSpec { row_weights, column_weights, shift: 0.0, depth: PassLevel::Expectation };
    run::<{ level::PRODUCT }>(view, None, &question, threads).products
}

/// Sweeps over `view` once, with `b̄` under `model`.
pub fn sweep(view: &ResidualView, model: Model, question: &PassSpec, threads: Threads) -> PassOutput {
    let run = match question.depth {
        PassLevel::Expectation => run::<{ level::EXPECTATION }>,
        PassLevel::Likelihood => run::<{ level::LIKELIHOOD }>,
        PassLevel::Curvature => run::<{ level::CURVATURE }>,
        PassLevel::NoiseScale => run::<{ level::NOISE_SCALE }>,
    };
    run(view, Some(model), question, threads)
}

/// The log-likelihood of the entries of `view`, under its law and the noise given, and how many it is a sum over.
pub fn log_likelihood(view: &ResidualView, params: ResidualParams, threads: Threads) -> (f64, f64) {
    let model = Model { factor: &view.zero_factor(), params };
    let sums = sweep(view, model, &model.question(PassLevel::Likelihood), threads).sums;
    (sums.log_likelihood(params), sums.count)
}

fn run<const LEVEL: u8>(
    view: &ResidualView,
    model: Option<Model>,
    question: &PassSpec,
    threads: Threads,
) -> PassOutput {
    if let Some(found) = sparse::sweep::<LEVEL>(view, model, question, threads) {
        return found;
    }
    let tiles = cut(view);
    let parts =
        Request::One { level: LEVEL, model, question: *question }.elsewhere(view, &tiles).unwrap_or_else(|| {
            threads.map(tiles.len(), |index| sweep_tile::<LEVEL>(view, model, question, tiles[index].clone()))
        });
    let mut total = PassOutput {
        products: margins(view),
        curvatures: if LEVEL >= level::CURVATURE { margins(view) } else { RowColSums::default() },
        sums: PassStats::empty(question.shift),
    };
    for (tile, part) in tiles.iter().zip(&parts) {
        tile.add_to(&mut total.products, &part.products);
        tile.add_to(&mut total.curvatures, &part.curvatures);
        total.sums.add(&part.sums, 1.0);
    }
    total
}

fn margins(view: &ResidualView) -> RowColSums {
    RowColSums { rows: vec![0.0; view.nrow()], columns: vec![0.0; if view.is_symmetric() { 0 } else { view.ncol() }] }
}
