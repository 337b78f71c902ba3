//! The pieces that a matrix is cut into, and the sweep over one of them.

use crate::noise::ResidualParams;
use crate::pass::kernel::{level, Kernel, Line};
use crate::pass::{Model, PassOutput, PassSpec, RowColSums};
use crate::residual::{Buffer, ResidualView};
use crate::vector::{add_scaled, dot};
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// A rectangle of the matrix; of a symmetric matrix, its part on and above the diagonal.
#[derive(Clone, Debug)]
pub(crate) struct Tile {
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
}

/// The most tiles that a matrix is cut into: enough to keep threads busy, few enough that their vectors are small.
const MAX_TILES: usize = 64;
/// The least entries of a tile.
const MIN_ENTRIES: usize = 1 << 14;
/// The least rows of a tile that does not span them all.
const MIN_ROWS: usize = 512;

/// Cuts the matrix into tiles of near-equal work, by its shape alone.
pub(crate) fn cut(view: &ResidualView) -> Vec<Tile> {
    let (nrow, ncol) = (view.nrow(), view.ncol());
    let wanted = (view.count() as usize / MIN_ENTRIES).clamp(1, MAX_TILES);
    if view.is_symmetric() {
        // A triangle: the area up to column j grows with j².
        let strips = cuts(wanted, |share| (ncol as f64 * share.sqrt()).round() as usize);
        return strips.into_iter().map(|columns| Tile { rows: 0..columns.end, columns }).collect();
    }
    // Every tile has a margin of its rows: of a tall matrix it has few of them, so that all margins together stay small.
    let across = (wanted as f64 * (ncol as f64 / nrow as f64).min(1.0)).ceil().clamp(1.0, ncol as f64) as usize;
    let down = (wanted / across).clamp(1, nrow.div_ceil(MIN_ROWS));
    let bands = cuts(down, |share| (nrow as f64 * share).round() as usize);
    let strips = cuts(across, |share| (ncol as f64 * share).round() as usize);
    let tile = |rows: &Range<usize>, columns: &Range<usize>| Tile { rows: rows.clone(), columns: columns.clone() };
    bands.iter().flat_map(|rows| strips.iter().map(move |columns| tile(rows, columns))).collect()
}

/// The non-empty ranges between `place(0/parts), place(1/parts), …`.
fn cuts(parts: usize, place: impl Fn(f64) -> usize) -> Vec<Range<usize>> {
    let cut = |part: usize| place(part as f64 / parts as f64);
    (0..parts).map(|part| cut(part)..cut(part + 1)).filter(|range| !range.is_empty()).collect()
}

impl Tile {
    /// Adds a tile's margins to those of the matrix. A symmetric matrix has one margin, and both go there.
    pub(crate) fn add_to(&self, total: &mut RowColSums, part: &RowColSums) {
        if part.rows.is_empty() {
            return;
        }
        add_scaled(&mut total.rows[self.rows.clone()], 1.0, &part.rows);
        let columns = if total.columns.is_empty() { &mut total.rows } else { &mut total.columns };
        add_scaled(&mut columns[self.columns.clone()], 1.0, &part.columns);
    }

    fn margins(&self, wanted: bool) -> RowColSums {
        let zeros = |range: &Range<usize>| vec![0.0; if wanted { range.len() } else { 0 }];
        RowColSums { rows: zeros(&self.rows), columns: zeros(&self.columns) }
    }
}

/// The pass over one tile.
pub(crate) fn sweep_tile<const LEVEL: u8>(
    view: &ResidualView,
    model: Option<Model>,
    question: &PassSpec,
    tile: Tile,
) -> PassOutput {
    let arch = Arch::new();
    // A mixture's loop looks for missing entries always: beside its cost that is nothing.
    if LEVEL == level::NOISE_SCALE || (LEVEL > level::PRODUCT && !view.is_plain()) {
        arch.dispatch(TilePass::<LEVEL, true, true> { view, model, question, tile })
    } else if view.has_missing() {
        arch.dispatch(TilePass::<LEVEL, true, false> { view, model, question, tile })
    } else {
        arch.dispatch(TilePass::<LEVEL, false, false> { view, model, question, tile })
    }
}

/// The same, compiled for each instruction set.
struct TilePass<'a, const LEVEL: u8, const MASKED: bool, const MIXED: bool> {
    view: &'a ResidualView<'a>,
    model: Option<Model<'a>>,
    question: &'a PassSpec<'a>,
    tile: Tile,
}

impl<const LEVEL: u8, const MASKED: bool, const MIXED: bool> WithSimd for TilePass<'_, LEVEL, MASKED, MIXED> {
    type Output = PassOutput;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> PassOutput {
        let Self { view, model, question, tile } = self;
        let PassSpec { row_weights, column_weights, shift, .. } = *question;
        let symmetric = view.is_symmetric();
        let params = model.map_or(ResidualParams { lambda: 1.0, sigma: 1.0 }, |model| model.params);
        // Without a model nothing is explained: the loadings are then multiplied by zero, whatever they are.
        let loadings = model.map_or(row_weights, |model| model.factor.u());
        let loading = |column: usize| model.map_or(0.0, |Model { factor, .. }| factor.d * factor.v()[column]);

        let mut kernel = Kernel::<S, LEVEL, MASKED, MIXED>::new(simd, params, view.law(), shift);
        let mut products = tile.margins(true);
        let mut curvatures = tile.margins(LEVEL >= level::CURVATURE);
        let mut diagonal = vec![0.0; if symmetric { tile.columns.len() } else { 0 }];
        let mut buffer = Buffer::new(tile.rows.len());
        for (index, column) in tile.columns.clone().enumerate() {
            let rows = if symmetric { 0..column + 1 } else { tile.rows.clone() };
            let entries = view.column(column, rows.clone(), &mut buffer);
            let above = if symmetric { 0..column } else { rows };
            let (deviations, deviation) = view.deviations(column, above.clone());
            if symmetric {
                diagonal[index] = entries[column];
            }
            let totals = kernel.line(Line {
                entries: &entries[..above.len()],
                loadings: &loadings[above.clone()],
                weights: &row_weights[above.clone()],
                products: &mut products.rows,
                curvatures: &mut curvatures.rows,
                loading: loading(column),
                weight: column_weights[column],
                deviations,
                deviation,
            });
            products.columns[index] = totals.product;
            if LEVEL >= level::CURVATURE {
                curvatures.columns[index] = totals.curvature;
            }
        }
        let mut sums = kernel.sums();
        if symmetric {
            let explained: Vec<f64> = tile.columns.clone().map(|j| loading(j) * loadings[j]).collect();
            let part =
                diagonal_part(kernel.fresh(), &diagonal, &explained, &view.diagonal_scales(tile.columns.clone()));
            for (index, column) in tile.columns.clone().enumerate() {
                let weight = column_weights[column];
                products.columns[index] += weight * part.products.rows[index];
                if LEVEL >= level::CURVATURE {
                    curvatures.columns[index] += weight * weight * part.curvatures.rows[index];
                }
            }
            sums.add(&part.sums, 0.5);
        }
        PassOutput { products, curvatures, sums }
    }
}

/// The sweep over diagonal entries with unit weights, of which `explained` is the part in W. The loop over a line wants
/// one loading for all its entries, so it gets the residuals, and what it was not shown is given back after it.
#[inline(always)]
pub(crate) fn diagonal_part<S: Simd, const LEVEL: u8, const MASKED: bool, const MIXED: bool>(
    mut kernel: Kernel<S, LEVEL, MASKED, MIXED>,
    entries: &[f64],
    explained: &[f64],
    deviations: &[f64],
) -> PassOutput {
    let residuals: Vec<f64> = entries.iter().zip(explained).map(|(entry, part)| entry - part).collect();
    let mut products = if LEVEL >= level::CURVATURE { vec![0.0; entries.len()] } else { explained.to_vec() };
    let mut curvatures = vec![0.0; if LEVEL >= level::CURVATURE { entries.len() } else { 0 }];
    kernel.line(Line {
        entries: &residuals,
        loadings: explained,
        weights: explained,
        products: &mut products,
        curvatures: &mut curvatures,
        loading: 0.0,
        weight: 1.0,
        deviations,
        deviation: 1.0,
    });
    let mut sums = kernel.sums();
    if (level::EXPECTATION..level::CURVATURE).contains(&LEVEL) {
        // The loop saw `x − b̄` alone.
        sums.square_rest = dot(&products, &products);
    }
    let rows = |rows| RowColSums { rows, columns: Vec::new() };
    PassOutput { products: rows(products), curvatures: rows(curvatures), sums }
}
