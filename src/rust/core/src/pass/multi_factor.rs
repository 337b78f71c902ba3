//! The pass for several factors at once: what they leave is worked out once, and then multiplied with the loadings of each.
//!
//! The residual of a few columns at a time is written down, so that all products are those of matrices.

use crate::factor::Factor;
use crate::noise::ResidualParams;
use crate::pass::factor_sums::{shift, FactorSums, MultiFactorOutput};
use crate::pass::kernel::{level, Kernel, Line};
use crate::pass::remote::protocol::Request;
use crate::pass::tile::{cut, diagonal_part, Tile};
use crate::pass::PassStats;
use crate::residual::{Buffer, ResidualView};
use crate::runtime::parallel::Threads;
use faer::linalg::matmul::matmul;
use faer::reborrow::{Reborrow, ReborrowMut};
use faer::{Accum, Mat, MatMut, MatRef, Par};
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// The columns whose residuals are written down at a time.
const WIDTH: usize = 8;

/// Sweeps over `view` minus `factors`, with curvatures in each loading where `curved`.
pub(crate) fn multi_factor_sweep(
    view: &ResidualView,
    factors: &[Factor],
    params: ResidualParams,
    curved: bool,
    threads: Threads,
) -> MultiFactorOutput {
    let tiles = cut(view);
    let parts = Request::MultiFactor { factors, params, curved }
        .elsewhere(view, &tiles)
        .unwrap_or_else(|| sweep_tiles(view, factors, params, curved, &tiles, threads));
    let count = factors.len();
    let columns = if view.is_symmetric() { 0 } else { view.ncol() };
    let mut total = MultiFactorOutput {
        products: FactorSums::zeros(view.nrow(), columns, count),
        curvatures: FactorSums::zeros(view.nrow(), columns, if curved { count } else { 0 }),
        sums: PassStats::empty(shift(params)),
    };
    for (tile, part) in tiles.iter().zip(&parts) {
        total.products.add(tile, &part.products);
        total.curvatures.add(tile, &part.curvatures);
        total.sums.add(&part.sums, 1.0);
    }
    total
}

/// The sweeps over tiles of the view.
pub(crate) fn sweep_tiles(
    view: &ResidualView,
    factors: &[Factor],
    params: ResidualParams,
    curved: bool,
    tiles: &[Tile],
    threads: Threads,
) -> Vec<MultiFactorOutput> {
    let loadings =
        |of: &dyn Fn(&Factor) -> &[f64], length| Mat::from_fn(length, factors.len(), |i, k| of(&factors[k])[i]);
    let u = loadings(&|factor| factor.u(), view.nrow());
    let v = loadings(&|factor| factor.v(), view.ncol());
    let weighted = Mat::from_fn(v.nrows(), v.ncols(), |i, k| factors[k].d * v[(i, k)]);
    let square = |x: &Mat<f64>| Mat::from_fn(x.nrows(), x.ncols(), |i, k| x[(i, k)] * x[(i, k)]);
    let squares = curved.then(|| (square(&u), square(&v)));
    let task = Task {
        view,
        weighted: weighted.as_ref(),
        params,
        shift: shift(params),
        products: Weights { u: u.as_ref(), v: v.as_ref() },
        curvatures: squares.as_ref().map(|(u, v)| Weights { u: u.as_ref(), v: v.as_ref() }),
    };
    let arch = Arch::new();
    threads.map(tiles.len(), |index| {
        let (task, tile) = (&task, tiles[index].clone());
        if !view.is_plain() {
            arch.dispatch(JointPass::<true, true> { task, tile })
        } else if view.has_missing() {
            arch.dispatch(JointPass::<true, false> { task, tile })
        } else {
            arch.dispatch(JointPass::<false, false> { task, tile })
        }
    })
}

/// What the residuals (or their curvatures) are multiplied with.
#[derive(Clone, Copy)]
struct Weights<'a> {
    u: MatRef<'a, f64>,
    v: MatRef<'a, f64>,
}

/// What the pass over every tile is made of.
struct Task<'a> {
    view: &'a ResidualView<'a>,
    /// `d_k v_k`.
    weighted: MatRef<'a, f64>,
    params: ResidualParams,
    shift: f64,
    products: Weights<'a>,
    curvatures: Option<Weights<'a>>,
}

/// The pass over one tile of what the factors leave.
struct JointPass<'a, const MASKED: bool, const MIXED: bool> {
    task: &'a Task<'a>,
    tile: Tile,
}

impl<const MASKED: bool, const MIXED: bool> WithSimd for JointPass<'_, MASKED, MIXED> {
    type Output = MultiFactorOutput;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> MultiFactorOutput {
        let Self { task, tile } = self;
        let Task { view, weighted, params, shift, products: weights, curvatures: squares } = *task;
        let symmetric = view.is_symmetric();
        let mut kernel = Kernel::<S, { level::CURVATURE }, MASKED, MIXED>::new(simd, params, view.law(), shift);
        let factors = weights.u.ncols();
        let mut products = FactorSums::zeros(tile.rows.len(), tile.columns.len(), factors);
        let mut curvatures =
            FactorSums::zeros(tile.rows.len(), tile.columns.len(), squares.map_or(0, |squares| squares.u.ncols()));
        let nothing = vec![0.0; tile.rows.len()];
        let mut diagonal = Vec::new();
        let mut buffer = Buffer::new(tile.rows.len());
        let mut room = [(); 3].map(|()| Mat::<f64>::zeros(tile.rows.len(), WIDTH));
        for first in tile.columns.clone().step_by(WIDTH) {
            let panel = first..(first + WIDTH).min(tile.columns.end);
            let rows = if symmetric { 0..panel.end } else { tile.rows.clone() };
            let [mut left, mut rest, mut curvature] =
                room.each_mut().map(|room| room.as_mut().submatrix_mut(0, 0, rows.len(), panel.len()));
            rest.fill(0.0);
            curvature.fill(0.0);
            for (index, column) in panel.clone().enumerate() {
                let read = if symmetric { 0..column + 1 } else { rows.clone() };
                let entries = view.column(column, read, &mut buffer);
                slice(left.rb_mut(), index)[..entries.len()].copy_from_slice(entries);
            }
            let (u, v) = (weights.u.subrows(rows.start, rows.len()), weighted.subrows(panel.start, panel.len()));
            matmul(left.rb_mut(), Accum::Add, u, v.transpose(), -1.0, Par::Seq);
            for (index, column) in panel.clone().enumerate() {
                let entries = &*slice(left.rb_mut(), index);
                let above = if symmetric { column } else { rows.len() };
                diagonal.extend(entries.get(column).filter(|_| symmetric));
                let (deviations, deviation) = view.deviations(column, if symmetric { 0..column } else { rows.clone() });
                kernel.line(Line {
                    entries: &entries[..above],
                    loadings: &nothing[..above],
                    weights: &nothing[..above],
                    products: slice(rest.rb_mut(), index),
                    curvatures: slice(curvature.rb_mut(), index),
                    loading: 0.0,
                    weight: 1.0,
                    deviations,
                    deviation,
                });
            }
            let place = first - tile.columns.start..panel.end - tile.columns.start;
            multiply(&mut products, rest.rb(), weights, &rows, &panel, place.clone());
            if let Some(squares) = squares {
                multiply(&mut curvatures, curvature.rb(), squares, &rows, &panel, place);
            }
        }
        let mut sums = kernel.sums();
        if symmetric {
            let part = diagonal_part(
                kernel.fresh(),
                &diagonal,
                &nothing[..diagonal.len()],
                &view.diagonal_scales(tile.columns.clone()),
            );
            for (index, column) in tile.columns.clone().enumerate() {
                for factor in 0..factors {
                    products.columns[(index, factor)] += part.products.rows[index] * weights.u[(column, factor)];
                    if let Some(squares) = squares {
                        curvatures.columns[(index, factor)] +=
                            part.curvatures.rows[index] * squares.u[(column, factor)];
                    }
                }
            }
            sums.add(&part.sums, 0.5);
        }
        MultiFactorOutput { products, curvatures, sums }
    }
}

/// A column of a panel, whose columns are contiguous.
fn slice(panel: MatMut<'_, f64>, index: usize) -> &mut [f64] {
    panel.col_mut(index).try_as_col_major_mut().map_or(&mut [], |column| column.as_slice_mut())
}

/// Adds `panel · v` and `panelᵀ · u`, the panel's columns standing at `place` in the tile.
fn multiply(
    total: &mut FactorSums,
    panel: MatRef<f64>,
    weights: Weights,
    rows: &Range<usize>,
    columns: &Range<usize>,
    place: Range<usize>,
) {
    let add = |total: MatMut<f64>, left: MatRef<f64>, right: MatRef<f64>| {
        matmul(total, Accum::Add, left, right, 1.0, Par::Seq);
    };
    let u = weights.u.subrows(rows.start, rows.len());
    let v = weights.v.subrows(columns.start, columns.len());
    add(total.rows.as_mut().subrows_mut(0, rows.len()), panel, v);
    add(total.columns.as_mut().subrows_mut(place.start, place.len()), panel.transpose(), u);
}
