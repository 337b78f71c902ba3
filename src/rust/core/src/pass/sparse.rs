//! The pass over a matrix that is mostly zero, in time that grows with its stored entries.
//!
//! What a sweep finds is what it would find were all entries zero ([`super::zeros`]), plus, at each stored entry, what it
//! yields less what a zero in its place would. Products alone are linear: those of the stored entries, less those of the
//! factors that were taken out.

use super::line::{level, Kernel, Line};
use super::zeros::zeros;
use super::{margins, Margins, Model, Question, Sums, Sweep};
use crate::noise::{Law, Noise};
use crate::parallel::Threads;
use crate::storage::Sparse;
use crate::vector::{add_scaled, dot};
use crate::view::{Factor, View};
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// The most pieces that the columns are cut into: each has a vector over the rows.
const MOST_PIECES: usize = 16;
/// The least stored entries of a piece.
const LEAST_ENTRIES: usize = 1 << 14;
/// The rounding of what zeros would yield that is allowed, in units of a log-density for each entry.
const ROUNDING: f64 = 1e-10;

/// A sweep; `None` where the zeros cannot be summed up without going over them, and where a zero in the place of a stored entry
/// would be so far from the factors, in units of σ, that taking it off again loses the digits of the rest.
pub(super) fn sweep<const LEVEL: u8>(
    view: &View,
    model: Option<Model>,
    question: &Question,
    threads: Threads,
) -> Option<Sweep> {
    let (stored, scale) = view.sparse()?;
    if LEVEL > level::PRODUCT && !view.is_plain() {
        return None;
    }
    let taken: Vec<&Factor> = view.taken().filter(|factor| factor.d != 0.0).collect();
    let Some(model) = model else { return Some(product(view, stored, scale, &taken, question, threads)) };
    let mut total = zeros::<LEVEL>(view, &taken, model, question, threads)?;
    let arch = Arch::new();
    let pieces = pieces(stored);
    let parts = threads.map(pieces.len(), |index| {
        let columns = pieces[index].clone();
        arch.dispatch(Correction::<LEVEL> { view, stored, scale, taken: &taken, model, question, columns })
    });
    let share = if view.is_symmetric() { 0.5 } else { 1.0 };
    let lost: f64 = parts.iter().map(|(_, lost)| share * lost).sum();
    if lost.is_nan() || f64::EPSILON * lost > ROUNDING * view.count() {
        return None;
    }
    for (part, _) in parts {
        add(&mut total.products, &part.products);
        add(&mut total.curvatures, &part.curvatures);
        total.sums.add(&part.sums, share);
    }
    Some(total)
}

/// Ranges of columns with about as many stored entries each.
fn pieces(stored: &Sparse) -> Vec<Range<usize>> {
    use crate::storage::Storage;
    let count = (stored.count() / LEAST_ENTRIES).clamp(1, MOST_PIECES);
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

fn add(total: &mut Margins, part: &Margins) {
    add_scaled(&mut total.rows, 1.0, &part.rows);
    add_scaled(&mut total.columns, 1.0, &part.columns);
}

/// `A q` and `Aᵀ p`, less those of what was taken out.
fn product(
    view: &View,
    stored: &Sparse,
    scale: f64,
    taken: &[&Factor],
    question: &Question,
    threads: Threads,
) -> Sweep {
    let (p, q) = (question.row_weights, question.column_weights);
    let pieces = pieces(stored);
    let parts = threads.map(pieces.len(), |index| {
        let mut part = margins(view);
        for column in pieces[index].clone() {
            let (rows, values) = stored.stored(column);
            let gathered: f64 = rows.iter().zip(values).map(|(row, value)| value * p[*row as usize]).sum();
            if view.is_symmetric() {
                part.rows[column] = scale * gathered;
            } else {
                part.columns[column] = scale * gathered;
                for (row, value) in rows.iter().zip(values) {
                    part.rows[*row as usize] += scale * value * q[column];
                }
            }
        }
        part
    });
    let mut products = margins(view);
    parts.iter().for_each(|part| add(&mut products, part));
    for factor in taken {
        add_scaled(&mut products.rows, -factor.d * dot(factor.v(), q), &factor.u);
        add_scaled(&mut products.columns, -factor.d * dot(&factor.u, p), factor.v());
    }
    Sweep { products, curvatures: Margins::default(), sums: Sums::empty(question.shift) }
}

/// What the stored entries of some columns yield, less what zeros would. Of a symmetric matrix, whose entries are stored on
/// both sides of the diagonal, the products of a column are those of the row.
struct Correction<'a, const LEVEL: u8> {
    view: &'a View<'a>,
    stored: &'a Sparse<'a>,
    scale: f64,
    taken: &'a [&'a Factor],
    model: Model<'a>,
    question: &'a Question<'a>,
    columns: Range<usize>,
}

impl<const LEVEL: u8> WithSimd for Correction<'_, LEVEL> {
    /// The sweep, and `Σ (x − b̄)²/σ²` of the zeros.
    type Output = (Sweep, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Self { view, stored, scale, taken, model, question, columns } = self;
        let Model { factor, noise } = model;
        let (symmetric, curved) = (view.is_symmetric(), LEVEL == level::CURVATURE);
        let mut products = margins(view);
        let mut curvatures = if curved { margins(view) } else { Margins::default() };
        let (mut here, mut instead) =
            (kernel::<S, LEVEL>(simd, noise, question), kernel::<S, LEVEL>(simd, noise, question));
        let mut room = Room::default();
        for column in columns {
            let (rows, values) = stored.stored(column);
            room.gather(rows, factor, question, curved);
            for factor in taken {
                let weight = factor.d * factor.v()[column];
                if weight != 0.0 {
                    room.zeros.iter_mut().zip(rows).for_each(|(zero, row)| *zero -= weight * factor.u[*row as usize]);
                }
            }
            room.entries.clear();
            room.entries.extend(values.iter().zip(&room.zeros).map(|(value, zero)| scale * value + zero));
            let (loading, weight) = (factor.d * factor.v()[column], question.column_weights[column]);
            let Room { entries, zeros, loadings, weights, products: gained, curvatures: bent, lost, straight } =
                &mut room;
            let line = |entries, products, curvatures| Line {
                entries,
                loadings,
                weights,
                products,
                curvatures,
                loading,
                weight,
                deviations: &[],
                deviation: 1.0,
            };
            let found = here.line(line(entries, gained, bent));
            let zero = instead.line(line(zeros, lost, straight));
            if symmetric {
                products.rows[column] += found.product - zero.product;
                if curved {
                    curvatures.rows[column] += found.curvature - zero.curvature;
                }
                continue;
            }
            products.columns[column] += found.product - zero.product;
            for (row, (gained, lost)) in rows.iter().zip(gained.iter().zip(lost.iter())) {
                products.rows[*row as usize] += gained - lost;
            }
            if curved {
                curvatures.columns[column] += found.curvature - zero.curvature;
                for (row, (gained, lost)) in rows.iter().zip(bent.iter().zip(straight.iter())) {
                    curvatures.rows[*row as usize] += gained - lost;
                }
            }
        }
        let (mut sums, zeros) = (here.sums(), instead.sums());
        sums.take(&zeros);
        (Sweep { products, curvatures, sums }, zeros.square_rest / (noise.sigma * noise.sigma))
    }
}

#[inline(always)]
fn kernel<S: Simd, const LEVEL: u8>(simd: S, noise: Noise, question: &Question) -> Kernel<S, LEVEL, false, false> {
    Kernel::new(simd, noise, &Law::EXPONENTIAL, question.shift)
}

/// What belongs to the stored entries of a column, side by side; reused from column to column.
#[derive(Default)]
struct Room {
    entries: Vec<f64>,
    zeros: Vec<f64>,
    loadings: Vec<f64>,
    weights: Vec<f64>,
    products: Vec<f64>,
    curvatures: Vec<f64>,
    lost: Vec<f64>,
    straight: Vec<f64>,
}

impl Room {
    #[inline(always)]
    fn gather(&mut self, rows: &[i32], factor: &Factor, question: &Question, curved: bool) {
        let take = |to: &mut Vec<f64>, from: &[f64]| {
            to.clear();
            to.extend(rows.iter().map(|row| from[*row as usize]));
        };
        take(&mut self.loadings, &factor.u);
        take(&mut self.weights, question.row_weights);
        let clear = |to: &mut Vec<f64>, length: usize| {
            to.clear();
            to.resize(length, 0.0);
        };
        clear(&mut self.zeros, rows.len());
        for to in [&mut self.products, &mut self.lost] {
            clear(to, rows.len());
        }
        for to in [&mut self.curvatures, &mut self.straight] {
            clear(to, if curved { rows.len() } else { 0 });
        }
    }
}
