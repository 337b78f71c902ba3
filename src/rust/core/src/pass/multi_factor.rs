//! The pass for several factors at once: the residual is computed once and multiplied with the loadings of each factor.
//!
//! The residuals of a few columns at a time are stored in a panel, so that all products are matrix products.

use crate::factor::Factor;
use crate::noise::ResidualParams;
use crate::pass::kernel::{kernel_level, ColumnRun, Kernel};
use crate::pass::remote::{pieces, shape, Request, WireFormat};
use crate::pass::tile::{cut, diagonal_part, Tile};
use crate::pass::{PassStats, RowColSums};
use crate::residual::{residual_kind, Buffer, ResidualView};
use crate::runtime::parallel::Threads;
use faer::linalg::matmul::matmul;
use faer::reborrow::{Reborrow, ReborrowMut};
use faer::{Accum, Col, Mat, MatMut, MatRef, Par};
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// The number of columns of a panel.
const WIDTH: usize = 8;

/// Sweeps over `view` minus `factors`, with the curvature in each loading if `curved`.
pub(crate) fn multi_factor_sweep(
    view: &ResidualView,
    factors: &[Factor],
    params: ResidualParams,
    curved: bool,
    threads: Threads,
) -> MultiFactorOutput {
    let tiles = cut(view);
    let parts = Request::MultiFactor { factors, params, curved }
        .evaluate_remotely(view, &tiles)
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

/// Sweeps over some tiles of the view.
pub(crate) fn sweep_tiles(
    view: &ResidualView,
    factors: &[Factor],
    params: ResidualParams,
    curved: bool,
    tiles: &[Tile],
    threads: Threads,
) -> Vec<MultiFactorOutput> {
    let loadings =
        |side: &dyn Fn(&Factor) -> &[f64], length| Mat::from_fn(length, factors.len(), |i, k| side(&factors[k])[i]);
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
        match (view.residual_kind(), view.has_missing()) {
            (residual_kind::MIXTURE, _) => arch.dispatch(PanelPass::<true, { residual_kind::MIXTURE }> { task, tile }),
            (residual_kind::GAUSSIAN, _) => {
                arch.dispatch(PanelPass::<true, { residual_kind::GAUSSIAN }> { task, tile })
            }
            (_, true) => arch.dispatch(PanelPass::<true, { residual_kind::EXPONENTIAL }> { task, tile }),
            (_, false) => arch.dispatch(PanelPass::<false, { residual_kind::EXPONENTIAL }> { task, tile }),
        }
    })
}

/// The loadings, or their squares, that a panel is multiplied with.
#[derive(Clone, Copy)]
struct Weights<'a> {
    u: MatRef<'a, f64>,
    v: MatRef<'a, f64>,
}

/// The inputs that all tiles share.
struct Task<'a> {
    view: &'a ResidualView<'a>,
    /// `d_k v_k`.
    weighted: MatRef<'a, f64>,
    params: ResidualParams,
    shift: f64,
    products: Weights<'a>,
    curvatures: Option<Weights<'a>>,
}

/// The sweep over one tile of the residual.
struct PanelPass<'a, const MASKED: bool, const KIND: u8> {
    task: &'a Task<'a>,
    tile: Tile,
}

impl<const MASKED: bool, const KIND: u8> WithSimd for PanelPass<'_, MASKED, KIND> {
    type Output = MultiFactorOutput;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> MultiFactorOutput {
        let Self { task, tile } = self;
        let Task { view, weighted, params, shift, products: weights, curvatures: squares } = *task;
        let symmetric = view.is_symmetric();
        let mut kernel =
            Kernel::<S, { kernel_level::CURVATURE }, MASKED, KIND>::new(simd, params, view.remainder_prior(), shift);
        let factors = weights.u.ncols();
        let mut products = FactorSums::zeros(tile.rows.len(), tile.columns.len(), factors);
        let mut curvatures =
            FactorSums::zeros(tile.rows.len(), tile.columns.len(), squares.map_or(0, |squares| squares.u.ncols()));
        let zeros = vec![0.0; tile.rows.len()];
        let mut diagonal = Vec::new();
        let mut buffer = Buffer::new(tile.rows.len(), tile.columns.end);
        let mut panels = [(); 3].map(|()| Mat::<f64>::zeros(tile.rows.len(), WIDTH));
        for first in tile.columns.clone().step_by(WIDTH) {
            let columns = first..(first + WIDTH).min(tile.columns.end);
            let rows = if symmetric { 0..columns.end } else { tile.rows.clone() };
            let [mut residual, mut difference, mut curvature] =
                panels.each_mut().map(|panel| panel.as_mut().submatrix_mut(0, 0, rows.len(), columns.len()));
            difference.fill(0.0);
            curvature.fill(0.0);
            for (index, column) in columns.clone().enumerate() {
                let range = if symmetric { 0..column + 1 } else { rows.clone() };
                let entries = view.column(column, range, &mut buffer);
                slice(residual.rb_mut(), index)[..entries.len()].copy_from_slice(entries);
            }
            let (u, v) = (weights.u.subrows(rows.start, rows.len()), weighted.subrows(columns.start, columns.len()));
            matmul(residual.rb_mut(), Accum::Add, u, v.transpose(), -1.0, Par::Seq);
            for (index, column) in columns.clone().enumerate() {
                let entries = &*slice(residual.rb_mut(), index);
                let above = if symmetric { column } else { rows.len() };
                diagonal.extend(entries.get(column).filter(|_| symmetric));
                let (scales, column_scale) =
                    view.column_scales(column, if symmetric { 0..column } else { rows.clone() });
                simd.vectorize(ColumnRun {
                    kernel: &mut kernel,
                    entries: &entries[..above],
                    loadings: &zeros[..above],
                    weights: &zeros[..above],
                    products: slice(difference.rb_mut(), index),
                    curvatures: slice(curvature.rb_mut(), index),
                    loading: 0.0,
                    weight: 1.0,
                    scales,
                    column_scale,
                });
            }
            let position = first - tile.columns.start..columns.end - tile.columns.start;
            multiply(&mut products, difference.rb(), weights, &rows, &columns, position.clone());
            if let Some(squares) = squares {
                multiply(&mut curvatures, curvature.rb(), squares, &rows, &columns, position);
            }
        }
        let mut sums = kernel.sums();
        if symmetric {
            let part = diagonal_part(
                kernel.fresh(),
                &diagonal,
                &zeros[..diagonal.len()],
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

/// A column of a panel; these are contiguous.
#[allow(clippy::expect_used)]
fn slice(panel: MatMut<'_, f64>, index: usize) -> &mut [f64] {
    panel.col_mut(index).try_as_col_major_mut().expect("invariant: columns of a panel are contiguous").as_slice_mut()
}

/// Adds `panel · v` and `panelᵀ · u`, with the panel at the columns `position` of the tile.
fn multiply(
    total: &mut FactorSums,
    panel: MatRef<f64>,
    weights: Weights,
    rows: &Range<usize>,
    columns: &Range<usize>,
    position: Range<usize>,
) {
    let add = |total: MatMut<f64>, left: MatRef<f64>, right: MatRef<f64>| {
        matmul(total, Accum::Add, left, right, 1.0, Par::Seq);
    };
    let u = weights.u.subrows(rows.start, rows.len());
    let v = weights.v.subrows(columns.start, columns.len());
    add(total.rows.as_mut().subrows_mut(0, rows.len()), panel, v);
    add(total.columns.as_mut().subrows_mut(position.start, position.len()), panel.transpose(), u);
}

/// Sums with one column per factor, over the rows and over the columns of the matrix; without `columns` if it is symmetric.
pub(crate) struct FactorSums {
    pub(crate) rows: Mat<f64>,
    pub(crate) columns: Mat<f64>,
}

/// Derivatives and curvatures of the log-likelihood in the loadings of several factors.
pub(crate) struct MultiFactorOutput {
    /// `(x − b̄) v_k` and `(x − b̄)ᵀ u_k`.
    pub(crate) products: FactorSums,
    /// `Σ_j m_ij v_jk²` and `Σ_i m_ij u_ik²`; for no factor if not requested.
    pub(crate) curvatures: FactorSums,
    /// The sums over the entries.
    pub(crate) sums: PassStats,
}

/// The value about which the moments of the residual are taken.
pub(crate) fn shift(params: ResidualParams) -> f64 {
    1.0 / params.lambda
}

impl FactorSums {
    /// The sums of one factor.
    pub(crate) fn of(&self, factor: usize) -> RowColSums {
        let column = |panel: &Mat<f64>| -> Col<f64> { panel.col(factor).to_owned() };
        RowColSums { rows: column(&self.rows), columns: column(&self.columns) }
    }

    pub(crate) fn zeros(rows: usize, columns: usize, factors: usize) -> Self {
        Self { rows: Mat::zeros(rows, factors), columns: Mat::zeros(columns, factors) }
    }

    /// Adds the sums of a tile. For a symmetric matrix both go to the rows.
    pub(crate) fn add(&mut self, tile: &Tile, part: &Self) {
        let add = |total: &mut Mat<f64>, range: &Range<usize>, part: &Mat<f64>| {
            let mut total = total.as_mut().subrows_mut(range.start, range.len());
            total += part;
        };
        add(&mut self.rows, &tile.rows, &part.rows);
        let columns = if self.columns.nrows() == 0 { &mut self.rows } else { &mut self.columns };
        add(columns, &tile.columns, &part.columns);
    }
}

impl WireFormat for MultiFactorOutput {
    fn shape(request: &Request, tile: &Tile) -> Vec<usize> {
        let Request::MultiFactor { factors, .. } = request else { return Vec::new() };
        shape(request, tile, factors.len())
    }

    fn write(&self) -> Vec<f64> {
        let mut numbers = Vec::new();
        let panels = [&self.products, &self.curvatures];
        for panel in panels.iter().flat_map(|panels| [&panels.rows, &panels.columns]) {
            panel.col_iter().for_each(|column| numbers.extend(column.iter()));
        }
        numbers.extend(self.sums.to_numbers());
        numbers
    }

    fn read(request: &Request, tile: &Tile, numbers: &[f64]) -> Option<Self> {
        let Request::MultiFactor { params, .. } = request else { return None };
        let pieces = pieces(numbers, &Self::shape(request, tile))?;
        let panel = |length: usize, numbers: &[f64]| {
            Mat::from_fn(length, numbers.len() / length.max(1), |index, factor| numbers[factor * length + index])
        };
        let panels = |from: usize| FactorSums {
            rows: panel(tile.rows.len(), pieces[from]),
            columns: panel(tile.columns.len(), pieces[from + 1]),
        };
        let sums = PassStats::from_numbers(pieces[4], shift(*params))?;
        Some(Self { products: panels(0), curvatures: panels(2), sums })
    }
}
