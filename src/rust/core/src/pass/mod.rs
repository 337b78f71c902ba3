//! The fused pass: one sweep over a matrix, from which every method takes what it needs.
//!
//! The posterior is that under λ, σ and the view's [`crate::noise::Law`].
//!
//! With `x = A − W` the residual and `b̄` its posterior mean of `b`, a sweep yields products of `A − b̄` or `x − b̄` with
//! two weight vectors, [`Sums`] over the entries and, where asked, curvatures. `b̄` lives in registers only. Of a
//! symmetric matrix each pair of entries is read once. The matrix is cut into tiles by its shape alone, and the tiles'
//! results are added in their order, so that the bits do not depend on the number of threads.

mod answer;
mod chebyshev;
mod correction;
mod errand;
mod grid;
mod joint;
mod line;
mod margin;
mod message;
mod mixed;
mod mixed_sums;
mod monomials;
mod overlap;
mod panels;
mod polynomials;
mod powers;
mod slopes;
mod sparse;
mod sums;
mod tally;
mod tile;
mod zero_row;
mod zeros;

pub use answer::answer;
pub(crate) use joint::joint_sweep;
pub(crate) use slopes::slopes;
pub use sums::Sums;

use crate::noise::Noise;
use crate::parallel::Threads;
use crate::view::{Factor, View};
use errand::Errand;
use line::level;
use tile::{cut, sweep_tile};

/// The low-rank part and the noise that define the posterior of `b`.
#[derive(Clone, Copy)]
pub struct Model<'a> {
    /// The factor being fitted.
    pub factor: &'a Factor,
    /// λ and σ.
    pub noise: Noise,
}

impl<'a> Model<'a> {
    /// A question with the weights of the model's own factor, about the mean of its `b`.
    pub fn question(&self, depth: Depth) -> Question<'a> {
        let Self { factor, noise } = *self;
        Question { row_weights: &factor.u, column_weights: factor.v(), shift: 1.0 / noise.lambda, depth }
    }
}

/// How much a sweep computes. The sums of each depth include those of the depths before it; what the products are of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Products of `A − b̄`, and the sums but for the log-likelihood.
    Expectation,
    /// The log-likelihood as well.
    Likelihood,
    /// The slopes and curvatures of the log-likelihood: products of `x − b̄` in the place of `A − b̄`, curvatures by row
    /// and column, and what the derivatives in λ and σ are made of.
    Curvature,
    /// For estimates of how the noise differs: products are of `E[(x − b)²]/σ²s²`, curvatures of 1. Both with weights of 1 tell
    /// what the noise of a row is, beside what it was taken for.
    Deviation,
}

/// What a sweep is to compute.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// `p`, a weight a row.
    pub row_weights: &'a [f64],
    /// `q`, a weight a column; the same as `p` where the matrix is symmetric.
    pub column_weights: &'a [f64],
    /// A value near the mean of the residual, about which its moments are taken.
    pub shift: f64,
    /// How much to compute.
    pub depth: Depth,
}

/// A vector over the rows and one over the columns; of a symmetric matrix these are one, and `columns` is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Margins {
    /// An element a row.
    pub rows: Vec<f64>,
    /// An element a column, or none.
    pub columns: Vec<f64>,
}

/// What a sweep found.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// `(A − b̄) q` and `(A − b̄)ᵀ p`, or `(x − b̄) q` and `(x − b̄)ᵀ p`, as [`Depth`] says. Where the noise of entries
    /// differs (see [`crate::noise::Scales`]), `x − b̄` and `m` are divided by `s²`. At a missing entry `A − b̄` is
    /// what the model expects, `W`, and `x − b̄` is zero.
    pub products: Margins,
    /// `Σ_j m_ij q_j²` and `Σ_i m_ij p_i²` with `m = h (z + h)`, minus σ² times the curvature of the log-likelihood of an
    /// entry in its W: positive, at most 1. Empty where not asked for.
    pub curvatures: Margins,
    /// The sums over the entries.
    pub sums: Sums,
}

/// `A q` and `Aᵀ p`.
pub fn product(view: &View, row_weights: &[f64], column_weights: &[f64], threads: Threads) -> Margins {
    let question = Question { row_weights, column_weights, shift: 0.0, depth: Depth::Expectation };
    run::<{ level::PRODUCT }>(view, None, &question, threads).products
}

/// Sweeps over `view` once, with `b̄` under `model`.
pub fn sweep(view: &View, model: Model, question: &Question, threads: Threads) -> Sweep {
    let run = match question.depth {
        Depth::Expectation => run::<{ level::EXPECTATION }>,
        Depth::Likelihood => run::<{ level::LIKELIHOOD }>,
        Depth::Curvature => run::<{ level::CURVATURE }>,
        Depth::Deviation => run::<{ level::DEVIATION }>,
    };
    run(view, Some(model), question, threads)
}

/// The log-likelihood of the entries of `view`, under its law and the noise given, and how many it is a sum over.
pub fn log_likelihood(view: &View, noise: Noise, threads: Threads) -> (f64, f64) {
    let model = Model { factor: &Factor::zero(view), noise };
    let sums = sweep(view, model, &model.question(Depth::Likelihood), threads).sums;
    (sums.log_likelihood(noise), sums.count)
}

fn run<const LEVEL: u8>(view: &View, model: Option<Model>, question: &Question, threads: Threads) -> Sweep {
    if let Some(found) = sparse::sweep::<LEVEL>(view, model, question, threads) {
        return found;
    }
    let tiles = cut(view);
    let parts = Errand::One { level: LEVEL, model, question: *question }.elsewhere(view, &tiles).unwrap_or_else(|| {
        threads.map(tiles.len(), |index| sweep_tile::<LEVEL>(view, model, question, tiles[index].clone()))
    });
    let mut total = Sweep {
        products: margins(view),
        curvatures: if LEVEL >= level::CURVATURE { margins(view) } else { Margins::default() },
        sums: Sums::empty(question.shift),
    };
    for (tile, part) in tiles.iter().zip(&parts) {
        tile.add_to(&mut total.products, &part.products);
        tile.add_to(&mut total.curvatures, &part.curvatures);
        total.sums.add(&part.sums, 1.0);
    }
    total
}

fn margins(view: &View) -> Margins {
    Margins { rows: vec![0.0; view.nrow()], columns: vec![0.0; if view.is_symmetric() { 0 } else { view.ncol() }] }
}
