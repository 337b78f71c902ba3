//! The pass over a sparse matrix, in time that grows with the number of its stored entries.
//!
//! The result is that of a matrix of zeros ([`power_series`], or else [`zeros`]) plus a [`correction`] for each stored entry:
//! its terms minus those of a zero in its place. Products without a model are linear: those of the stored entries minus
//! those of the factors that are subtracted. Without a remainder all sums follow from products and norms ([`gaussian`]).

pub(crate) mod chebyshev;
pub(crate) mod correction;
pub(crate) mod gaussian;
pub(crate) mod grid;
pub(crate) mod power_series;
pub(crate) mod row_sums;
pub(crate) mod zeros;

use crate::factor::Factor;
use crate::pass::kernel::kernel_level;
use crate::pass::sparse::correction::{piece_sums, Correction};
use crate::pass::sparse::zeros::{evaluate_row, Zeros};
use crate::pass::{KernelSpec, Model, PassOutput, PassStats, RowColSums};
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::storage::{Sparse, Storage};
use crate::vector::{add_scaled, dot, Contiguous};
use pulp::Arch;
use std::ops::Range;

/// The maximal number of pieces that the columns are cut into.
const MAX_PIECES: usize = 32;
/// The minimal number of stored entries of a piece.
const MIN_ENTRIES: usize = 1 << 14;
/// The admissible rounding error of the sums over zeros, in units of a log-density per entry.
const ROUNDING: f64 = 1e-10;

/// Sweeps over a sparse matrix. Returns `None` if the zeros cannot be summed without visiting them, or if zeros in the place
/// of stored entries are so far from the factors, in units of σ, that subtracting their terms would lose the digits of the
/// result.
pub(crate) fn sweep(
    view: &ResidualView,
    model: Option<Model>,
    spec: &KernelSpec,
    threads: Threads,
) -> Option<PassOutput> {
    match spec.level {
        kernel_level::PRODUCT => sweep_at_level::<{ kernel_level::PRODUCT }>(view, model, spec, threads),
        kernel_level::EXPECTATION => sweep_at_level::<{ kernel_level::EXPECTATION }>(view, model, spec, threads),
        kernel_level::LIKELIHOOD => sweep_at_level::<{ kernel_level::LIKELIHOOD }>(view, model, spec, threads),
        kernel_level::CURVATURE => sweep_at_level::<{ kernel_level::CURVATURE }>(view, model, spec, threads),
        _ => None,
    }
}

fn sweep_at_level<const LEVEL: u8>(
    view: &ResidualView,
    model: Option<Model>,
    spec: &KernelSpec,
    threads: Threads,
) -> Option<PassOutput> {
    let (stored, scale) = view.sparse()?;
    if let Some(model) = model.filter(|_| LEVEL > kernel_level::PRODUCT && !view.is_plain()) {
        return gaussian::sweep(view, model, spec, threads);
    }
    let subtracted: Vec<&Factor> = view.subtracted().filter(|factor| factor.d != 0.0).collect();
    let Some(model) = model else { return Some(product(view, stored, scale, &subtracted, spec, threads)) };
    // Small matrices have few stored entries, but as many jobs as rows if factors overlap.
    let threads = threads.for_entries(view.count());
    let (subtracted, tolerance) = (&subtracted[..], stored.tolerance());
    let (evaluate_row, curved) = (evaluate_row::<LEVEL>, LEVEL == kernel_level::CURVATURE);
    let zeros = Zeros { view, subtracted, model, spec, tolerance, evaluate_row, curved, threads };
    let mut total = zeros.by_power_series().or_else(|| zeros.by_support())?;
    let arch = Arch::new();
    let pieces = pieces(stored);
    let weight = if view.is_symmetric() { 0.5 } else { 1.0 };
    let mut lost = 0.0;
    let correct = |index: usize| {
        let columns = pieces[index].clone();
        arch.dispatch(Correction::<LEVEL> { view, stored, scale, subtracted, model, spec, columns })
    };
    over_pieces(view, pieces.len(), threads, correct, |index, (part, zeros)| {
        lost += weight * zeros;
        add_piece(&mut total.products, &part.products, &pieces[index]);
        add_piece(&mut total.curvatures, &part.curvatures, &pieces[index]);
        total.sums.add(&part.sums, weight);
    });
    (f64::EPSILON * lost <= ROUNDING * view.count()).then_some(total)
}

/// Cuts the columns into ranges with about the same number of stored entries.
fn pieces(stored: &Sparse) -> Vec<Range<usize>> {
    let count = (stored.count() / MIN_ENTRIES).clamp(1, MAX_PIECES);
    let mut pieces: Vec<Range<usize>> = Vec::with_capacity(count);
    let (mut first, mut seen) = (0, 0);
    for column in 0..stored.ncol() {
        seen += stored.stored(column).0.len();
        if seen * count >= stored.count() * (pieces.len() + 1) && pieces.len() + 1 < count {
            pieces.push(first..column + 1);
            first = column + 1;
        }
    }
    pieces.push(first..stored.ncol());
    pieces
}

/// Passes the results of the pieces to `take`, in their order. All results for a symmetric matrix together have the size of a
/// vector and are held at once, so that threads are started once per sweep.
fn over_pieces<T: Send>(
    view: &ResidualView,
    count: usize,
    threads: Threads,
    work: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(usize, T),
) {
    if view.is_symmetric() {
        threads.map(count, work).into_iter().enumerate().for_each(|(index, result)| take(index, result));
    } else {
        threads.fold(count, work, take);
    }
}

fn add_piece(total: &mut RowColSums, part: &RowColSums, columns: &Range<usize>) {
    if part.columns.nrows() == 0 {
        return;
    }
    add_scaled(total.rows.as_slice_mut(), 1.0, part.rows());
    add_scaled(&mut total.columns_or_rows_mut()[columns.clone()], 1.0, part.columns());
}

/// Computes `A q` and `Aᵀ p`, minus those of the subtracted factors, over the entries that are not missing.
fn product(
    view: &ResidualView,
    stored: &Sparse,
    scale: f64,
    subtracted: &[&Factor],
    spec: &KernelSpec,
    threads: Threads,
) -> PassOutput {
    let value = |row: usize, column: usize, value: f64| {
        // The factors are not subtracted from missing entries either.
        if value.is_nan() {
            fitted(subtracted, row, column)
        } else {
            scale * value
        }
    };
    let mut products = stored_products(view, stored, value, spec, threads);
    subtract(subtracted, spec, &mut products);
    PassOutput { products, curvatures: RowColSums::default(), sums: PassStats::empty(spec.shift) }
}

/// Computes `E q` and `Eᵀ p` with the excess `E = (X − τ)₊` of a view over a threshold; `None` unless the matrix is sparse and no
/// entry that is zero exceeds the threshold.
pub(crate) fn excess_product(
    view: &ResidualView,
    threshold: f64,
    spec: &KernelSpec,
    threads: Threads,
) -> Option<RowColSums> {
    let (stored, scale) = view.sparse()?;
    let subtracted: Vec<&Factor> = view.subtracted().filter(|factor| factor.d != 0.0).collect();
    if threshold < 0.0 || subtracted.iter().any(|factor| factor.d < 0.0) {
        return None;
    }
    // `max` is zero for missing entries.
    let value =
        |row: usize, column: usize, value: f64| (scale * value - fitted(&subtracted, row, column) - threshold).max(0.0);
    Some(stored_products(view, stored, value, spec, threads))
}

/// The part of some factors in an entry.
fn fitted(factors: &[&Factor], row: usize, column: usize) -> f64 {
    factors.iter().map(|factor| factor.d * factor.v()[column] * factor.u()[row]).sum()
}

/// Products of the matrix that has `value(i, j, a)` in the place of stored entries.
fn stored_products(
    view: &ResidualView,
    stored: &Sparse,
    value: impl Fn(usize, usize, f64) -> f64 + Sync,
    spec: &KernelSpec,
    threads: Threads,
) -> RowColSums {
    let (p, q) = (spec.row_weights, spec.column_weights);
    let pieces = pieces(stored);
    let mut products = RowColSums::zeros_of(view);
    let work = |index: usize| {
        let columns = pieces[index].clone();
        let mut part = piece_sums(view, &columns);
        let rows = part.rows.as_slice_mut();
        for (index, column) in columns.enumerate() {
            let mut sum = 0.0;
            for (row, entry) in stored.entries(column) {
                let value = value(row, column, entry);
                sum += value * p[row];
                if let Some(to) = rows.get_mut(row) {
                    *to += value * q[column];
                }
            }
            part.columns[index] = sum;
        }
        part
    };
    over_pieces(view, pieces.len(), threads, work, |index, part| add_piece(&mut products, &part, &pieces[index]));
    products
}

/// Subtracts the products of factors.
pub(crate) fn subtract(factors: &[&Factor], spec: &KernelSpec, products: &mut RowColSums) {
    let (p, q) = (spec.row_weights, spec.column_weights);
    for factor in factors {
        add_scaled(products.rows.as_slice_mut(), -factor.d * dot(factor.v(), q), factor.u());
        add_scaled(products.columns.as_slice_mut(), -factor.d * dot(factor.u(), p), factor.v());
    }
}
