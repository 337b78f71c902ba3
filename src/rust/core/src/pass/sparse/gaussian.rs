//! The pass over a sparse matrix without a remainder, by products and norms.
//!
//! At an entry that is zero the residual is minus the low-rank part `w`. The sums of `w` and `w²` over all entries follow from the
//! loadings, `Σ w = Σ_k d_k (1ᵀu_k)(1ᵀv_k)` and `Σ w² = Σ_kl d_k d_l (u_kᵀu_l)(v_kᵀv_l)`; those over the zeros are smaller by the
//! sums over the stored entries. Products with the residual are those with the stored entries minus those with the low-rank part.
//! Nothing is interpolated, and several factors take one sweep over the stored entries.

use crate::factor::Factor;
use crate::noise::ResidualParams;
use crate::pass::kernel::kernel_level;
use crate::pass::multi_factor::shift;
use crate::pass::sparse::{over_pieces, pieces, ROUNDING};
use crate::pass::{KernelSpec, Model, PassOutput, PassStats, RowColSums};
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::storage::Sparse;
use crate::vector::{add_scaled, column, dot, squares, Contiguous};
use faer::Col;
use std::ops::Range;

/// The sweep for one factor and any weights. `None` if the matrix is not sparse, there is a remainder or the noise differs between
/// entries, or if the residuals are so small that differences of norms would lose their digits.
pub(crate) fn sweep(view: &ResidualView, model: Model, spec: &KernelSpec, threads: Threads) -> Option<PassOutput> {
    let subtracted: Vec<&Factor> = view.subtracted().collect();
    let all = [&subtracted[..], &[model.factor]].concat();
    let curved = spec.level >= kernel_level::CURVATURE;
    let base = if curved { &all } else { &subtracted };
    let weights = [(spec.row_weights, spec.column_weights)];
    let pass = Pass::new(view, &all, model.params, spec.shift, threads)?;
    let (mut products, sums) = pass.run(&weights, base, spec.level)?;
    let curvatures = if curved { pass.curvatures(weights[0]) } else { RowColSums::default() };
    Some(PassOutput { products: products.pop()?, curvatures, sums })
}

/// The products of the residual with the loadings of several factors, and the sums over the entries; `None` as for [`sweep`].
pub(crate) fn multi_factor_products(
    view: &ResidualView,
    factors: &[Factor],
    params: ResidualParams,
    threads: Threads,
) -> Option<(Vec<RowColSums>, PassStats)> {
    let all: Vec<&Factor> = view.subtracted().chain(factors).collect();
    let weights: Vec<(&[f64], &[f64])> = factors.iter().map(|factor| (factor.u(), factor.v())).collect();
    Pass::new(view, &all, params, shift(params), threads)?.run(&weights, &all, kernel_level::CURVATURE)
}

/// Vectors side by side: the elements of one index are contiguous.
struct Panel {
    width: usize,
    values: Vec<f64>,
}

impl Panel {
    fn new(vectors: &[&[f64]], scales: &[f64]) -> Self {
        let (width, length) = (vectors.len(), vectors.first().map_or(0, |vector| vector.len()));
        let mut values = vec![0.0; width * length];
        for (position, (vector, scale)) in vectors.iter().zip(scales).enumerate() {
            let places = values.iter_mut().skip(position).step_by(width);
            places.zip(*vector).for_each(|(to, value)| *to = scale * value);
        }
        Self { width, values }
    }

    #[inline(always)]
    fn at(&self, index: usize) -> &[f64] {
        &self.values[index * self.width..(index + 1) * self.width]
    }
}

/// Sums over the stored entries of some columns.
#[derive(Default)]
struct PieceSums {
    /// Products of the rows, unless the matrix is symmetric, and of the columns, side by side.
    rows: Vec<f64>,
    columns: Vec<f64>,
    stored: f64,
    missing: f64,
    /// `Σ w` and `Σ w²`.
    fitted: f64,
    fitted_square: f64,
    /// `Σ a²`, with `w` in the place of missing entries.
    entry_square: f64,
    /// `Σ (x − shift)`, `Σ (x − shift)²`, `Σ x²` and the largest `x` of the entries that are not missing.
    first: f64,
    second: f64,
    square: f64,
    maximum: f64,
}

/// The sweep over the stored entries of a view.
struct Pass<'a> {
    view: &'a ResidualView<'a>,
    stored: &'a Sparse<'a>,
    scale: f64,
    factors: &'a [&'a Factor],
    params: ResidualParams,
    shift: f64,
    threads: Threads,
}

impl<'a> Pass<'a> {
    fn new(
        view: &'a ResidualView<'a>,
        factors: &'a [&'a Factor],
        params: ResidualParams,
        shift: f64,
        threads: Threads,
    ) -> Option<Self> {
        let (stored, scale) = view.sparse()?;
        let threads = threads.for_entries(view.count());
        let pass = Self { view, stored, scale, factors, params, shift, threads };
        (view.has_no_remainder() && view.is_homoscedastic()).then_some(pass)
    }

    /// The products of the matrix minus `base` with weights, and the sums over the entries.
    fn run(&self, weights: &[(&[f64], &[f64])], base: &[&Factor], level: u8) -> Option<(Vec<RowColSums>, PassStats)> {
        let Self { view, factors, .. } = self;
        let (ones, d) = (vec![1.0; weights.len()], factors.iter().map(|factor| factor.d).collect::<Vec<f64>>());
        let panel = |vectors: Vec<&[f64]>, scales: &[f64]| Panel::new(&vectors, scales);
        let loadings = panel(factors.iter().map(|factor| factor.u()).collect(), &vec![1.0; factors.len()]);
        let weighted = panel(factors.iter().map(|factor| factor.v()).collect(), &d);
        let p = panel(weights.iter().map(|(p, _)| *p).collect(), &ones);
        let q = panel(weights.iter().map(|(_, q)| *q).collect(), &ones);
        let (symmetric, width) = (view.is_symmetric(), weights.len());
        let pieces = pieces(self.stored);
        let mut total = PieceSums {
            rows: vec![0.0; width * view.nrow()],
            columns: vec![0.0; if symmetric { 0 } else { width * view.ncol() }],
            maximum: f64::NEG_INFINITY,
            ..PieceSums::default()
        };
        let work = |index: usize| self.piece(&loadings, &weighted, &p, &q, pieces[index].clone());
        over_pieces(view, pieces.len(), self.threads, work, |index, part| {
            let columns = width * pieces[index].start..width * pieces[index].end;
            if symmetric {
                add_scaled(&mut total.rows[columns], 1.0, &part.columns);
            } else {
                add_scaled(&mut total.rows, 1.0, &part.rows);
                add_scaled(&mut total.columns[columns], 1.0, &part.columns);
            }
            total.add(&part);
        });
        let sums = self.stats(&total, level)?;
        let of = |values: &[f64], index: usize| -> Col<f64> {
            column(&values.iter().skip(index).step_by(width).copied().collect::<Vec<f64>>())
        };
        let products = weights.iter().enumerate().map(|(index, (p, q))| {
            let mut products = RowColSums { rows: of(&total.rows, index), columns: of(&total.columns, index) };
            for factor in base {
                add_scaled(products.rows.as_slice_mut(), -factor.d * dot(factor.v(), q), factor.u());
                add_scaled(products.columns.as_slice_mut(), -factor.d * dot(factor.u(), p), factor.v());
            }
            products
        });
        Some((products.collect(), sums))
    }

    /// The sums over the stored entries of some columns.
    fn piece(&self, loadings: &Panel, weighted: &Panel, p: &Panel, q: &Panel, columns: Range<usize>) -> PieceSums {
        let (symmetric, width) = (self.view.is_symmetric(), p.width);
        let mut sums = PieceSums {
            rows: vec![0.0; if symmetric { 0 } else { width * self.view.nrow() }],
            columns: vec![0.0; width * columns.len()],
            maximum: f64::NEG_INFINITY,
            ..PieceSums::default()
        };
        for (column, product) in columns.zip(sums.columns.chunks_exact_mut(width)) {
            let (across, q) = (weighted.at(column), q.at(column));
            for (row, value) in self.stored.entries(column) {
                let fitted = loadings.at(row).iter().zip(across).map(|(u, v)| u * v).sum::<f64>();
                sums.stored += 1.0;
                sums.fitted += fitted;
                sums.fitted_square += fitted * fitted;
                let entry = if value.is_nan() {
                    sums.missing += 1.0;
                    fitted
                } else {
                    let entry = self.scale * value;
                    let x = entry - fitted;
                    let centred = x - self.shift;
                    sums.first += centred;
                    sums.second += centred * centred;
                    sums.square += x * x;
                    sums.maximum = sums.maximum.max(x);
                    entry
                };
                sums.entry_square += entry * entry;
                product.iter_mut().zip(p.at(row)).for_each(|(to, p)| *to += entry * p);
                if !symmetric {
                    let to = &mut sums.rows[row * width..(row + 1) * width];
                    to.iter_mut().zip(q).for_each(|(to, q)| *to += entry * q);
                }
            }
        }
        sums
    }

    /// The sums over all entries.
    fn stats(&self, stored: &PieceSums, level: u8) -> Option<PassStats> {
        let Self { view, factors, params, shift, .. } = *self;
        let all = view.nrow() as f64 * view.ncol() as f64;
        let weight = if view.is_symmetric() { 0.5 } else { 1.0 };
        if f64::EPSILON * weight * stored.fitted_square > ROUNDING * view.count() * params.sigma * params.sigma {
            return None;
        }
        let sum = |x: &[f64]| x.iter().sum::<f64>();
        let fitted: f64 = factors.iter().map(|factor| factor.d * sum(factor.u()) * sum(factor.v())).sum();
        let norm = |factors: &[&Factor]| -> f64 {
            let term =
                |one: &Factor, other: &Factor| one.d * other.d * dot(one.u(), other.u()) * dot(one.v(), other.v());
            factors.iter().flat_map(|one| factors.iter().map(move |other| term(one, other))).sum()
        };
        // Over the entries that are zero: their number, `Σ w` and `Σ w²`.
        let zeros = all - stored.stored;
        let (zero_fitted, zero_square) = if zeros > 0.0 {
            (fitted - stored.fitted, (norm(factors) - stored.fitted_square).max(0.0))
        } else {
            (0.0, 0.0)
        };
        let first = stored.first - zero_fitted - shift * zeros;
        let second = stored.second + zero_square + 2.0 * shift * zero_fitted + shift * shift * zeros;
        let square = weight * (stored.square + zero_square);
        let count = weight * (all - stored.missing);
        let sums = PassStats {
            count,
            // An upper bound of that of products of `A − W`, where `W` is a part of the factors.
            square_difference: if level >= kernel_level::CURVATURE {
                square
            } else {
                weight * (stored.entry_square.sqrt() + norm(factors).max(0.0).sqrt()).powi(2)
            },
            maximum: if zeros > 0.0 { stored.maximum.max(0.0) } else { stored.maximum },
            first: weight * first,
            second: weight * second,
            curvature: if level >= kernel_level::CURVATURE { count } else { 0.0 },
            ..PassStats::empty(shift)
        };
        if level < kernel_level::LIKELIHOOD {
            return Some(sums);
        }
        Some(sums.with_gaussian_likelihood(square / (params.sigma * params.sigma), 0.0, params))
    }

    /// `Σ q_j²` over the entries of each row that are not missing, and `Σ p_i²` over those of each column.
    fn curvatures(&self, (p, q): (&[f64], &[f64])) -> RowColSums {
        let Self { view, stored, .. } = self;
        let (p, q) = (squares(p), squares(q));
        let sum = |x: &[f64]| x.iter().sum::<f64>();
        let columns = if view.is_symmetric() { Col::zeros(0) } else { Col::full(view.ncol(), sum(&p)) };
        let mut sums = RowColSums { rows: Col::full(view.nrow(), sum(&q)), columns };
        if view.has_missing() {
            for (column, q) in q.iter().enumerate() {
                for (row, _) in stored.entries(column).filter(|(_, value)| value.is_nan()) {
                    sums.rows[row] = (sums.rows[row] - q).max(0.0);
                    if !view.is_symmetric() {
                        sums.columns[column] = (sums.columns[column] - p[row]).max(0.0);
                    }
                }
            }
        }
        sums
    }
}

impl PieceSums {
    /// Adds the sums other than products.
    fn add(&mut self, other: &Self) {
        self.stored += other.stored;
        self.missing += other.missing;
        self.fitted += other.fitted;
        self.fitted_square += other.fitted_square;
        self.entry_square += other.entry_square;
        self.first += other.first;
        self.second += other.second;
        self.square += other.square;
        self.maximum = self.maximum.max(other.maximum);
    }
}
