//! Tiles that the matrix is cut into, and the sweep over one of them.

use crate::noise::ResidualParams;
use crate::pass::kernel::{kernel_level, ColumnRun, Kernel};
use crate::pass::{KernelSpec, Model, PassOutput, RowColSums};
use crate::residual::{residual_kind, Buffer, ResidualView};
use crate::vector::{add_scaled, dot, Contiguous};
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// A rectangle of the matrix; for a symmetric matrix, the part of it on and above the diagonal.
#[derive(Clone, Debug)]
pub(crate) struct Tile {
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
}

/// The maximal number of tiles: enough to balance threads, few enough that their vectors stay small.
const MAX_TILES: usize = 64;
/// The minimal number of entries of a tile.
const MIN_ENTRIES: usize = 1 << 14;
/// The minimal number of rows of a tile that does not span all rows.
const MIN_ROWS: usize = 512;

/// Cuts the matrix into tiles of near-equal work, by its shape alone.
pub(crate) fn cut(view: &ResidualView) -> Vec<Tile> {
    let (nrow, ncol) = (view.nrow(), view.ncol());
    let wanted = (view.count() as usize / MIN_ENTRIES).clamp(1, MAX_TILES);
    if view.is_symmetric() {
        // A triangle: the area up to column j grows with j².
        let strips = cuts(wanted, |fraction| (ncol as f64 * fraction.sqrt()).round() as usize);
        return strips.into_iter().map(|columns| Tile { rows: 0..columns.end, columns }).collect();
    }
    // Each tile has a vector over its rows. Tall matrices get few strips, so that all these vectors together stay small.
    let across = (wanted as f64 * (ncol as f64 / nrow as f64).min(1.0)).ceil().clamp(1.0, ncol as f64) as usize;
    let down = (wanted / across).clamp(1, nrow.div_ceil(MIN_ROWS));
    let bands = cuts(down, |fraction| (nrow as f64 * fraction).round() as usize);
    let strips = cuts(across, |fraction| (ncol as f64 * fraction).round() as usize);
    let tile = |rows: &Range<usize>, columns: &Range<usize>| Tile { rows: rows.clone(), columns: columns.clone() };
    bands.iter().flat_map(|rows| strips.iter().map(move |columns| tile(rows, columns))).collect()
}

/// The non-empty ranges between `position(0/parts), position(1/parts), …`.
fn cuts(parts: usize, position: impl Fn(f64) -> usize) -> Vec<Range<usize>> {
    let cut = |part: usize| position(part as f64 / parts as f64);
    (0..parts).map(|part| cut(part)..cut(part + 1)).filter(|range| !range.is_empty()).collect()
}

impl Tile {
    /// Adds the sums of a tile to those of the matrix. For a symmetric matrix both go to the rows.
    pub(crate) fn add_to(&self, total: &mut RowColSums, part: &RowColSums) {
        if part.rows.nrows() == 0 {
            return;
        }
        add_scaled(&mut total.rows.as_slice_mut()[self.rows.clone()], 1.0, part.rows());
        add_scaled(&mut total.columns_or_rows_mut()[self.columns.clone()], 1.0, part.columns());
    }

    fn zero_sums(&self) -> RowColSums {
        RowColSums::zeros(self.rows.len(), self.columns.len())
    }
}

/// Sweeps over one tile, with the loop for the level and the kind of matrix.
pub(crate) fn sweep_tile(view: &ResidualView, model: Option<Model>, spec: &KernelSpec, tile: Tile) -> PassOutput {
    macro_rules! pass {
        ($level:ident, $masked:literal, $kind:ident) => {
            Arch::new().dispatch(TilePass::<{ kernel_level::$level }, $masked, { residual_kind::$kind }> {
                view,
                model,
                spec,
                tile,
            })
        };
    }
    // The loops for mixtures and without a remainder always check for missing entries; the cost is negligible beside their own.
    match (spec.level, view.residual_kind(), view.has_missing()) {
        (kernel_level::PRODUCT, _, true) => pass!(PRODUCT, true, EXPONENTIAL),
        (kernel_level::PRODUCT, _, false) => pass!(PRODUCT, false, EXPONENTIAL),
        (kernel_level::EXPECTATION, residual_kind::MIXTURE, _) => pass!(EXPECTATION, true, MIXTURE),
        (kernel_level::EXPECTATION, residual_kind::GAUSSIAN, _) => pass!(EXPECTATION, true, GAUSSIAN),
        (kernel_level::EXPECTATION, _, true) => pass!(EXPECTATION, true, EXPONENTIAL),
        (kernel_level::EXPECTATION, _, false) => pass!(EXPECTATION, false, EXPONENTIAL),
        (kernel_level::LIKELIHOOD, residual_kind::MIXTURE, _) => pass!(LIKELIHOOD, true, MIXTURE),
        (kernel_level::LIKELIHOOD, residual_kind::GAUSSIAN, _) => pass!(LIKELIHOOD, true, GAUSSIAN),
        (kernel_level::LIKELIHOOD, _, true) => pass!(LIKELIHOOD, true, EXPONENTIAL),
        (kernel_level::LIKELIHOOD, _, false) => pass!(LIKELIHOOD, false, EXPONENTIAL),
        (kernel_level::CURVATURE, residual_kind::MIXTURE, _) => pass!(CURVATURE, true, MIXTURE),
        (kernel_level::CURVATURE, residual_kind::GAUSSIAN, _) => pass!(CURVATURE, true, GAUSSIAN),
        (kernel_level::CURVATURE, _, true) => pass!(CURVATURE, true, EXPONENTIAL),
        (kernel_level::CURVATURE, _, false) => pass!(CURVATURE, false, EXPONENTIAL),
        (_, residual_kind::GAUSSIAN, _) => pass!(NOISE_SCALE, true, GAUSSIAN),
        _ => pass!(NOISE_SCALE, true, MIXTURE),
    }
}

/// The sweep over one tile, compiled for each instruction set.
struct TilePass<'a, const LEVEL: u8, const MASKED: bool, const KIND: u8> {
    view: &'a ResidualView<'a>,
    model: Option<Model<'a>>,
    spec: &'a KernelSpec<'a>,
    tile: Tile,
}

impl<const LEVEL: u8, const MASKED: bool, const KIND: u8> WithSimd for TilePass<'_, LEVEL, MASKED, KIND> {
    type Output = PassOutput;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> PassOutput {
        let Self { view, model, spec, tile } = self;
        let KernelSpec { row_weights, column_weights, shift, .. } = *spec;
        let symmetric = view.is_symmetric();
        let params = model.map_or(ResidualParams { lambda: 1.0, sigma: 1.0 }, |model| model.params);
        // Without a model nothing is fitted: the loadings, whatever they are, are multiplied by zero.
        let loadings = model.map_or(row_weights, |model| model.factor.u());
        let loading = |column: usize| model.map_or(0.0, |Model { factor, .. }| factor.d * factor.v()[column]);

        let mut kernel = Kernel::<S, LEVEL, MASKED, KIND>::new(simd, params, view.remainder_prior(), shift);
        let mut products = tile.zero_sums();
        let mut curvatures = if LEVEL >= kernel_level::CURVATURE { tile.zero_sums() } else { RowColSums::default() };
        let mut diagonal = vec![0.0; if symmetric { tile.columns.len() } else { 0 }];
        let mut buffer = Buffer::new(tile.rows.len(), tile.columns.end);
        for (index, column) in tile.columns.clone().enumerate() {
            let rows = if symmetric { 0..column + 1 } else { tile.rows.clone() };
            let entries = view.column(column, rows.clone(), &mut buffer);
            let above = if symmetric { 0..column } else { rows };
            let (scales, column_scale) = view.column_scales(column, above.clone());
            if symmetric {
                diagonal[index] = entries[column];
            }
            let sums = simd.vectorize(ColumnRun {
                kernel: &mut kernel,
                entries: &entries[..above.len()],
                loadings: &loadings[above.clone()],
                weights: &row_weights[above.clone()],
                products: products.rows.as_slice_mut(),
                curvatures: curvatures.rows.as_slice_mut(),
                loading: loading(column),
                weight: column_weights[column],
                scales,
                column_scale,
            });
            products.columns[index] = sums.product;
            if LEVEL >= kernel_level::CURVATURE {
                curvatures.columns[index] = sums.curvature;
            }
        }
        let mut sums = kernel.sums();
        if symmetric {
            let fitted: Vec<f64> = tile.columns.clone().map(|j| loading(j) * loadings[j]).collect();
            let part = diagonal_part(kernel.fresh(), &diagonal, &fitted, &view.diagonal_scales(tile.columns.clone()));
            for (index, column) in tile.columns.clone().enumerate() {
                let weight = column_weights[column];
                products.columns[index] += weight * part.products.rows[index];
                if LEVEL >= kernel_level::CURVATURE {
                    curvatures.columns[index] += weight * weight * part.curvatures.rows[index];
                }
            }
            sums.add(&part.sums, 0.5);
        }
        PassOutput { products, curvatures, sums }
    }
}

/// The sweep over diagonal entries with unit weights, given `fitted`, their part in W. The loop over a run takes a single
/// column loading, so it is given residuals, and the difference to the entries is restored afterwards.
#[inline(always)]
pub(crate) fn diagonal_part<S: Simd, const LEVEL: u8, const MASKED: bool, const KIND: u8>(
    mut kernel: Kernel<S, LEVEL, MASKED, KIND>,
    entries: &[f64],
    fitted: &[f64],
    scales: &[f64],
) -> PassOutput {
    let residuals: Vec<f64> = entries.iter().zip(fitted).map(|(entry, part)| entry - part).collect();
    let mut products = if LEVEL >= kernel_level::CURVATURE { vec![0.0; entries.len()] } else { fitted.to_vec() };
    let mut curvatures = vec![0.0; if LEVEL >= kernel_level::CURVATURE { entries.len() } else { 0 }];
    kernel.simd.vectorize(ColumnRun {
        kernel: &mut kernel,
        entries: &residuals,
        loadings: fitted,
        weights: fitted,
        products: &mut products,
        curvatures: &mut curvatures,
        loading: 0.0,
        weight: 1.0,
        scales,
        column_scale: 1.0,
    });
    let mut sums = kernel.sums();
    if (kernel_level::EXPECTATION..kernel_level::CURVATURE).contains(&LEVEL) {
        // The loop has summed the squares of `x − b̄`.
        sums.square_difference = dot(&products, &products);
    }
    PassOutput { products: RowColSums::new(&products, &[]), curvatures: RowColSums::new(&curvatures, &[]), sums }
}
