//! The pass over a matrix that is mostly zero, in time that grows with its stored entries.
//!
//! What a sweep finds is what it would find were all entries zero ([`super::powers`], or else [`super::zeros`]), plus, at each
//! stored entry, what it yields less what a zero in its place would ([`super::correction`]). Products alone are linear: those of
//! the stored entries, less those of the factors that were taken out.

pub(crate) mod chebyshev;
pub(crate) mod correction;
pub(crate) mod grid;
pub(crate) mod monomials;
pub(crate) mod overlap;
pub(crate) mod polynomials;
pub(crate) mod power_series;
pub(crate) mod row_sums;
pub(crate) mod zero_row;
pub(crate) mod zeros;

use crate::factor::Factor;
use crate::pass::kernel::level;
use crate::pass::sparse::correction::{room, Correction};
use crate::pass::sparse::zero_row::look;
use crate::pass::sparse::zeros::Zeros;
use crate::pass::{margins, Model, PassOutput, PassSpec, PassStats, RowColSums};
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::storage::{Sparse, Storage};
use crate::vector::{add_scaled, dot};
use pulp::Arch;
use std::ops::Range;

/// The most pieces that the columns are cut into.
const MAX_PIECES: usize = 32;
/// The least stored entries of a piece.
const MIN_ENTRIES: usize = 1 << 14;
/// The rounding of what zeros would yield that is allowed, in units of a log-density for each entry.
const ROUNDING: f64 = 1e-10;

/// A sweep; `None` where the zeros cannot be summed up without going over them, and where zeros in the place of stored
/// entries would be so far from the factors, in units of σ, that taking them off again loses the digits of the rest.
pub(crate) fn sweep<const LEVEL: u8>(
    view: &ResidualView,
    model: Option<Model>,
    question: &PassSpec,
    threads: Threads,
) -> Option<PassOutput> {
    let (stored, scale) = view.sparse()?;
    if LEVEL == level::NOISE_SCALE || (LEVEL > level::PRODUCT && !view.is_plain()) {
        return None;
    }
    let subtracted: Vec<&Factor> = view.subtracted().filter(|factor| factor.d != 0.0).collect();
    let Some(model) = model else { return Some(product(view, stored, scale, &subtracted, question, threads)) };
    // Small matrices have few stored entries, but as many jobs as rows where factors overlap.
    let threads = threads.for_entries(view.count());
    let (subtracted, tolerance, look, curved) =
        (&subtracted[..], stored.tolerance(), look::<LEVEL>, LEVEL == level::CURVATURE);
    let zeros = Zeros { view, subtracted, model, question, tolerance, look, curved, threads };
    let mut total = zeros.by_power_series().or_else(|| zeros.by_support())?;
    let arch = Arch::new();
    let pieces = pieces(stored);
    let share = if view.is_symmetric() { 0.5 } else { 1.0 };
    let mut lost = 0.0;
    let correct = |index: usize| {
        let columns = pieces[index].clone();
        arch.dispatch(Correction::<LEVEL> { view, stored, scale, subtracted, model, question, columns })
    };
    over_pieces(view, pieces.len(), threads, correct, |index, (part, zeros)| {
        lost += share * zeros;
        add_piece(&mut total.products, &part.products, &pieces[index]);
        add_piece(&mut total.curvatures, &part.curvatures, &pieces[index]);
        total.sums.add(&part.sums, share);
    });
    (f64::EPSILON * lost <= ROUNDING * view.count()).then_some(total)
}

/// Ranges of columns with about as many stored entries each.
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

/// Hands on what each piece found, in their order. What pieces of a symmetric matrix find is no larger than a vector
/// altogether, and is held at once: threads are then started once a sweep.
fn over_pieces<T: Send>(
    view: &ResidualView,
    count: usize,
    threads: Threads,
    work: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(usize, T),
) {
    if view.is_symmetric() {
        threads.map(count, work).into_iter().enumerate().for_each(|(index, found)| take(index, found));
    } else {
        threads.fold(count, work, take);
    }
}

fn add_piece(total: &mut RowColSums, part: &RowColSums, columns: &Range<usize>) {
    if part.columns.is_empty() {
        return;
    }
    add_scaled(&mut total.rows, 1.0, &part.rows);
    let to = if total.columns.is_empty() { &mut total.rows } else { &mut total.columns };
    add_scaled(&mut to[columns.clone()], 1.0, &part.columns);
}

/// `A q` and `Aᵀ p`, less those of what was taken out, over the entries that are not missing.
fn product(
    view: &ResidualView,
    stored: &Sparse,
    scale: f64,
    subtracted: &[&Factor],
    question: &PassSpec,
    threads: Threads,
) -> PassOutput {
    let (p, q) = (question.row_weights, question.column_weights);
    let pieces = pieces(stored);
    let mut products = margins(view);
    let work = |index: usize| {
        let columns = pieces[index].clone();
        let mut part = room(view, &columns);
        for (place, column) in columns.enumerate() {
            let mut gathered = 0.0;
            for (row, value) in stored.entries(column) {
                // Where an entry is missing nothing was taken out either.
                let value = if value.is_nan() {
                    subtracted.iter().map(|factor| factor.d * factor.v()[column] * factor.u()[row]).sum()
                } else {
                    scale * value
                };
                gathered += value * p[row];
                if let Some(sum) = part.rows.get_mut(row) {
                    *sum += value * q[column];
                }
            }
            part.columns[place] = gathered;
        }
        part
    };
    over_pieces(view, pieces.len(), threads, work, |index, part| add_piece(&mut products, &part, &pieces[index]));
    subtract(subtracted, question, &mut products);
    PassOutput { products, curvatures: RowColSums::default(), sums: PassStats::empty(question.shift) }
}

/// Takes the products of factors off.
pub(crate) fn subtract(factors: &[&Factor], question: &PassSpec, products: &mut RowColSums) {
    let (p, q) = (question.row_weights, question.column_weights);
    for factor in factors {
        add_scaled(&mut products.rows, -factor.d * dot(factor.v(), q), factor.u());
        add_scaled(&mut products.columns, -factor.d * dot(factor.u(), p), factor.v());
    }
}
