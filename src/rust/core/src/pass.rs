//! The fused pass: one sweep over a matrix, from which every method takes what it needs.
//!
//! With `x = A − W` the residual and `b̄` its posterior mean of `b`, a sweep yields `(A − b̄) q` and `(A − b̄)ᵀ p` for two
//! weight vectors, and the [`Sums`]. `b̄` lives in registers only. Of a symmetric matrix each pair of entries is read
//! once. The matrix is cut into tiles by its shape alone, and the tiles' results are added in their order, so that the
//! bits do not depend on the number of threads.

use crate::column::{Kernel, Line};
use crate::noise::Noise;
use crate::parallel::Threads;
use crate::sums::Sums;
use crate::view::{Buffer, Factor, View};
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// The low-rank part and the noise that define the posterior of `b`.
#[derive(Clone, Copy)]
pub struct Model<'a> {
    /// The factor being fitted.
    pub factor: &'a Factor,
    /// λ and σ.
    pub noise: Noise,
}

/// What a sweep is to compute.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// What defines `b̄`; `None` for `b = 0`, a plain product with no sums.
    pub model: Option<Model<'a>>,
    /// `p`, a weight a row.
    pub row_weights: &'a [f64],
    /// `q`, a weight a column.
    pub column_weights: &'a [f64],
    /// A value near the mean of the residual, about which its moments are taken.
    pub shift: f64,
    /// Whether the log-likelihood is wanted.
    pub log_likelihood: bool,
}

/// What a sweep found.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// `(A − b̄) q`, an element a row.
    pub rows: Vec<f64>,
    /// `(A − b̄)ᵀ p`, an element a column; empty where the matrix is symmetric and this is `rows` with `p = q`.
    pub columns: Vec<f64>,
    /// The sums over the entries; `None` without a model.
    pub sums: Option<Sums>,
}

/// Sweeps over `view` once.
pub fn sweep(view: &View, question: &Question, threads: Threads) -> Sweep {
    let tiles = tiles(view);
    let arch = Arch::new();
    let parts = threads.map(tiles.len(), |index| {
        let tile = tiles[index].clone();
        match (question.model.is_some(), question.log_likelihood) {
            (false, _) => arch.dispatch(TilePass::<false, false> { view, question, tile }),
            (true, false) => arch.dispatch(TilePass::<true, false> { view, question, tile }),
            (true, true) => arch.dispatch(TilePass::<true, true> { view, question, tile }),
        }
    });
    let mut rows = vec![0.0; view.nrow()];
    let mut columns = vec![0.0; if view.is_symmetric() { 0 } else { view.ncol() }];
    let mut sums = Sums::empty(question.shift);
    for (tile, part) in tiles.iter().zip(&parts) {
        add_to(&mut rows[tile.rows.clone()], &part.rows);
        if view.is_symmetric() {
            add_to(&mut rows[tile.columns.clone()], &part.columns);
        } else {
            add_to(&mut columns[tile.columns.clone()], &part.columns);
        }
        sums.add(&part.sums, 1.0);
    }
    Sweep { rows, columns, sums: question.model.map(|_| sums) }
}

fn add_to(total: &mut [f64], part: &[f64]) {
    for (total, part) in total.iter_mut().zip(part) {
        *total += part;
    }
}

/// A rectangle of the matrix; of a symmetric matrix, its part on and above the diagonal.
#[derive(Clone, Debug)]
struct Tile {
    rows: Range<usize>,
    columns: Range<usize>,
}

/// The most tiles that a matrix is cut into: enough to keep threads busy, few enough that their vectors are small.
const MOST_TILES: usize = 64;
/// The least entries of a tile.
const LEAST_ENTRIES: usize = 1 << 14;

/// Cuts the matrix into tiles of near-equal work, by its shape alone.
fn tiles(view: &View) -> Vec<Tile> {
    let (nrow, ncol) = (view.nrow(), view.ncol());
    let wanted = (view.count() as usize / LEAST_ENTRIES).clamp(1, MOST_TILES);
    if view.is_symmetric() {
        // A triangle: the area up to column j grows with j².
        let cuts = cuts(wanted, |share| (ncol as f64 * share.sqrt()).round() as usize);
        return cuts.into_iter().map(|columns| Tile { rows: 0..columns.end, columns }).collect();
    }
    let across = wanted.min(ncol);
    let down = (wanted / across).clamp(1, nrow.div_ceil(512));
    let bands = cuts(down, |share| (nrow as f64 * share).round() as usize);
    let strips = cuts(across, |share| (ncol as f64 * share).round() as usize);
    let band = |rows: &Range<usize>| {
        let rows = rows.clone();
        strips.iter().map(move |columns| Tile { rows: rows.clone(), columns: columns.clone() }).collect::<Vec<_>>()
    };
    bands.iter().flat_map(band).collect()
}

/// The non-empty ranges between `place(0/parts), place(1/parts), …`.
fn cuts(parts: usize, place: impl Fn(f64) -> usize) -> Vec<Range<usize>> {
    let cut = |part: usize| place(part as f64 / parts as f64);
    (0..parts).map(|part| cut(part)..cut(part + 1)).filter(|range| !range.is_empty()).collect()
}

/// The pass over one tile, compiled for each instruction set.
struct TilePass<'a, const EXPECT: bool, const LIKELIHOOD: bool> {
    view: &'a View<'a>,
    question: &'a Question<'a>,
    tile: Tile,
}

/// What one tile adds.
struct Part {
    rows: Vec<f64>,
    columns: Vec<f64>,
    sums: Sums,
}

impl<const EXPECT: bool, const LIKELIHOOD: bool> WithSimd for TilePass<'_, EXPECT, LIKELIHOOD> {
    type Output = Part;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Part {
        let Self { view, question, tile } = self;
        let zero = Factor { d: 0.0, u: Vec::new(), v: None };
        let silent = Noise { lambda: 1.0, sigma: 1.0 };
        let (factor, noise) = question.model.map_or((&zero, silent), |model| (model.factor, model.noise));
        let symmetric = view.is_symmetric();
        let mut kernel = Kernel::<S, EXPECT, LIKELIHOOD>::new(simd, noise, question.shift);
        let mut buffer = Buffer::new(tile.rows.len());
        let mut rows = vec![0.0; tile.rows.len()];
        let mut columns = vec![0.0; tile.columns.len()];
        let mut diagonal = vec![0.0; if symmetric { tile.columns.len() } else { 0 }];

        for (index, column) in tile.columns.clone().enumerate() {
            let range = tile.rows.start..if symmetric { column + 1 } else { tile.rows.end };
            let entries = view.column(column, range.clone(), &mut buffer);
            let range = if symmetric {
                diagonal[index] = entries[column];
                0..column
            } else {
                range
            };
            columns[index] = kernel.line(Line {
                entries: &entries[..range.len()],
                loadings: if EXPECT { &factor.u[range.clone()] } else { entries },
                weights: &question.row_weights[range.clone()],
                products: &mut rows[..range.len()],
                loading: if EXPECT { factor.d * factor.v()[column] } else { 0.0 },
                weight: question.column_weights[column],
            });
        }
        let mut sums = kernel.sums();
        if symmetric {
            let explained: Vec<f64> = if EXPECT {
                factor.u[tile.columns.clone()].iter().map(|loading| factor.d * loading * loading).collect()
            } else {
                vec![0.0; diagonal.len()]
            };
            sums.add(&self::diagonal(kernel.fresh(), &mut diagonal, &explained), 0.5);
            for (index, column) in tile.columns.clone().enumerate() {
                rows[column] += diagonal[index] * question.column_weights[column];
            }
        }
        Part { rows, columns, sums }
    }
}

/// The sums over diagonal entries, of which `explained` is the part in W; the entries become `a − b̄`.
#[inline(always)]
fn diagonal<S: Simd, const EXPECT: bool, const LIKELIHOOD: bool>(
    mut kernel: Kernel<S, EXPECT, LIKELIHOOD>,
    entries: &mut [f64],
    explained: &[f64],
) -> Sums {
    let residual: Vec<f64> = entries.iter().zip(explained).map(|(entry, part)| entry - part).collect();
    entries.copy_from_slice(explained);
    kernel.line(Line {
        entries: &residual,
        loadings: explained,
        weights: explained,
        products: entries,
        loading: 0.0,
        weight: 1.0,
    });
    kernel.sums()
}
