//! Initial loadings: the leading singular pair, truncated to its nonnegative part.
//!
//! The pair is computed by the Lanczos method (`optim::lanczos`) on `A` if it is symmetric and on `AᵀA`
//! otherwise.

use crate::factor::Factor;
use crate::noise::ResidualParams;
use crate::optim::lanczos::{leading_eigenvector, Leading};
use crate::pass::{excess_product, product, sweep, Model, PassLevel, PassSpec, RowColSums};
use crate::remainder_prior::RemainderPrior;
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::runtime::progress::{no_report, Progress, ProgressCallback};
use crate::vector::{add_scaled, dot, normalise, truncate, Contiguous};
use faer::{Col, ColRef};

/// Initial loadings of a factor.
#[derive(Clone, Debug)]
pub struct InitialLoadings {
    /// Loadings of the rows, of unit norm, or zero.
    pub u: Col<f64>,
    /// Loadings of the columns; equal to `u` if the matrix is symmetric.
    pub v: Col<f64>,
}

/// Where a start of a fit comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The factors of the greedy path.
    Path,
    /// Given loadings.
    Given,
    /// The leading singular pair of what the factors so far leave, with the better sign.
    LeadingPair,
    /// The same pair with the other sign.
    OppositeSign,
    /// The leading singular pair of what exceeds the mean by more than a standard deviation.
    Excess,
    /// A row with a large excess.
    Row(usize),
    /// A column with a large excess.
    Column(usize),
    /// A null factor, added to the factors so far.
    Null,
    /// A fit with one factor more, without its weakest factor.
    Exchange,
}

impl InitialLoadings {
    /// Returns given loadings, truncated to their nonnegative part and scaled to unit norm.
    pub fn new(u: &[f64], v: &[f64]) -> Self {
        Self { u: truncate(u), v: truncate(v) }
    }

    /// Returns the factor with these loadings, its weight by least squares.
    pub(crate) fn least_squares_factor(&self, view: &ResidualView, threads: Threads) -> Factor {
        let d = quadratic_form(view, self, threads).max(0.0);
        Factor { d, u: self.u.clone(), v: (!view.is_symmetric()).then(|| self.v.clone()) }
    }

    /// Whether the loadings of a side are all zero.
    pub(crate) fn is_zero(&self) -> bool {
        !(self.u().iter().any(|x| *x > 0.0) && self.v().iter().any(|x| *x > 0.0))
    }

    /// Returns the loadings of the rows as a slice.
    pub fn u(&self) -> &[f64] {
        self.u.as_slice()
    }

    /// Returns the loadings of the columns as a slice.
    pub fn v(&self) -> &[f64] {
        self.v.as_slice()
    }
}

/// Returns initial loadings from the leading singular pair `(u, v)`: `(u₊, v₊)` or `((−u)₊, (−v)₊)`, whichever has the
/// larger `uᵀAv`.
///
/// The progress callback is called with iteration 0. A stop returns loadings from the current approximation.
pub fn leading_init(view: &ResidualView, threads: Threads, on_progress: &mut ProgressCallback) -> InitialLoadings {
    init(view, Leading::Magnitude, threads, on_progress)
}

/// Like [`leading_init`], but for a symmetric matrix from the eigenvector of the largest eigenvalue, where
/// [`leading_init`] may use a negative eigenvalue of larger magnitude.
pub fn largest_init(view: &ResidualView, threads: Threads, on_progress: &mut ProgressCallback) -> InitialLoadings {
    init(view, Leading::Value, threads, on_progress)
}

fn init(
    view: &ResidualView,
    leading: Leading,
    threads: Threads,
    on_progress: &mut ProgressCallback,
) -> InitialLoadings {
    let [better, _] = truncated_pairs(view, leading, threads, on_progress);
    better
}

/// Returns the nonnegative parts of the leading singular pair with both signs, the one with the larger `uᵀAv` first.
fn truncated_pairs(
    view: &ResidualView,
    leading: Leading,
    threads: Threads,
    on_progress: &mut ProgressCallback,
) -> [InitialLoadings; 2] {
    let (u, v) = leading_pair(view, leading, threads, on_progress);
    let [positive, negative] = [1.0, -1.0].map(|sign| nonnegative_part(&u, &v, sign));
    if quadratic_form(view, &positive, threads) > quadratic_form(view, &negative, threads) {
        [positive, negative]
    } else {
        [negative, positive]
    }
}

/// Initial loadings of one more factor, with their origins: the leading pair with the better sign, that of the excess over a
/// threshold, the row and the column with the largest excess, the first with the other sign, then more rows and columns.
///
/// Negative entries may dominate the leading pair, which is then useless once it is truncated, and noise may hide a small group in
/// it. The excess has neither. Each candidate is computed when it is asked for; loadings may be zero.
pub(crate) struct Candidates<'a> {
    excess: Excess<'a>,
    /// Number of candidates so far.
    index: usize,
    /// The leading pair with the other sign, once the pair is known.
    other: Option<InitialLoadings>,
    /// Sums of the excess in the rows, and in the columns of a general matrix, that no candidate explains so far.
    sums: Option<[Vec<f64>; 2]>,
}

impl<'a> Candidates<'a> {
    /// The candidates for a view; the threshold is in its units.
    pub(crate) fn new(view: &'a ResidualView<'a>, threshold: f64, threads: Threads) -> Self {
        Self { excess: Excess::new(view, threshold, threads), index: 0, other: None, sums: None }
    }

    /// The row, or the column, with the largest excess. Rows on which an earlier one has a large loading are passed over.
    fn next_line(&mut self, is_row: bool) -> Option<(Origin, InitialLoadings)> {
        let excess = &self.excess;
        let sums = self.sums.get_or_insert_with(|| excess.line_sums());
        let side = &mut sums[usize::from(!is_row)];
        let line = index_of_largest(side).filter(|line| side[*line] > 0.0)?;
        let init = if is_row { excess.row_start(line) } else { excess.column_start(line) };
        let loadings = if is_row { init.u() } else { init.v() };
        let largest = loadings.iter().copied().fold(0.0, f64::max);
        for (sum, loading) in side.iter_mut().zip(loadings) {
            if *loading >= 0.5 * largest {
                *sum = 0.0;
            }
        }
        side[line] = 0.0;
        Some((if is_row { Origin::Row(line) } else { Origin::Column(line) }, init))
    }
}

impl Iterator for Candidates<'_> {
    type Item = (Origin, InitialLoadings);

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.index;
        self.index += 1;
        // A row and a column come before the other sign, so that a matrix and its transpose have the same candidates.
        match index {
            0 => {
                let Excess { view, threads, .. } = self.excess;
                let [better, other] = truncated_pairs(view, Leading::Value, threads, &mut no_report);
                self.other = Some(other);
                Some((Origin::LeadingPair, better))
            }
            1 => Some((Origin::Excess, self.excess.leading_pair())),
            4 => self.other.take().map(|other| (Origin::OppositeSign, other)),
            _ => {
                let is_row = self.excess.view.is_symmetric() || index % 2 == usize::from(index > 4);
                self.next_line(is_row).or_else(|| self.other.take().map(|other| (Origin::OppositeSign, other)))
            }
        }
    }
}

/// The excess `E = (X − τ)₊` of a view over a threshold. For a sparse matrix it is summed over the stored entries. Otherwise its
/// products follow from those of the fused pass: `b̄ → (x − λσ²)₊` as `σ → 0` with `λσ² = τ`.
struct Excess<'a> {
    view: &'a ResidualView<'a>,
    threshold: f64,
    params: ResidualParams,
    threads: Threads,
}

/// σ and λ that count as zero, in units in which the matrix has a root mean square near 1.
const SMALL: f64 = 1e-4;
/// Power steps for the leading pair of the excess.
const POWER_STEPS: usize = 8;

impl<'a> Excess<'a> {
    fn new(view: &'a ResidualView<'a>, threshold: f64, threads: Threads) -> Self {
        let lambda = (threshold / (SMALL * SMALL)).max(SMALL);
        Self { view, threshold, params: ResidualParams { lambda, sigma: SMALL }, threads }
    }

    /// `E q` and `Eᵀ p`.
    fn product(&self, p: &Col<f64>, q: &Col<f64>) -> RowColSums {
        let (row_weights, column_weights) = (p.as_ref(), q.as_ref());
        if let Some(products) = excess_product(self.view, self.threshold, row_weights, column_weights, self.threads) {
            return products;
        }
        let (zero, view) = (self.view.zero_factor(), self.view.with_remainder_prior(RemainderPrior::EXPONENTIAL));
        let spec = PassSpec { row_weights, column_weights, shift: 0.0, level: PassLevel::Expectation };
        let without = sweep(&view, Model { factor: &zero, params: self.params }, &spec, self.threads).products;
        let mut all = product(self.view, row_weights, column_weights, self.threads);
        add_scaled(all.rows.as_slice_mut(), -1.0, without.rows());
        add_scaled(all.columns.as_slice_mut(), -1.0, without.columns());
        all
    }

    /// The loadings after a power step: `(E v, Eᵀ u)`, normalised.
    fn power_step(&self, init: &InitialLoadings) -> InitialLoadings {
        let next = self.product(&init.u, &init.v);
        let u = truncate(next.rows());
        let v = if self.view.is_symmetric() { u.clone() } else { truncate(next.columns()) };
        InitialLoadings { u, v }
    }

    /// An approximation of the leading singular pair, from constant loadings.
    fn leading_pair(&self) -> InitialLoadings {
        let constant = InitialLoadings::new(&vec![1.0; self.view.nrow()], &vec![1.0; self.view.ncol()]);
        (0..POWER_STEPS).fold(constant, |pair, _| self.power_step(&pair))
    }

    /// The sums of the rows, and of the columns of a general matrix.
    fn line_sums(&self) -> [Vec<f64>; 2] {
        let (rows, columns) = (Col::<f64>::ones(self.view.nrow()), Col::<f64>::ones(self.view.ncol()));
        let sums = self.product(&rows, &columns);
        [sums.rows().to_vec(), if self.view.is_symmetric() { Vec::new() } else { sums.columns().to_vec() }]
    }

    /// Loadings after two power steps from a row: it gives loadings of the columns, and these give loadings of the rows.
    fn row_start(&self, row: usize) -> InitialLoadings {
        let u = unit(self.view.nrow(), row);
        if self.view.is_symmetric() {
            return self.power_step(&self.power_step(&InitialLoadings { v: u.clone(), u }));
        }
        let v = self.power_step(&InitialLoadings { u: u.clone(), v: Col::zeros(self.view.ncol()) }).v;
        let u = self.power_step(&InitialLoadings { u, v: v.clone() }).u;
        InitialLoadings { u, v }
    }

    /// Like [`row_start`](Self::row_start), from a column of a general matrix.
    fn column_start(&self, column: usize) -> InitialLoadings {
        let v = unit(self.view.ncol(), column);
        let u = self.power_step(&InitialLoadings { u: Col::zeros(self.view.nrow()), v: v.clone() }).u;
        let v = self.power_step(&InitialLoadings { u: u.clone(), v }).v;
        InitialLoadings { u, v }
    }
}

/// A unit vector.
pub(crate) fn unit(length: usize, index: usize) -> Col<f64> {
    Col::from_fn(length, |i| if i == index { 1.0 } else { 0.0 })
}

/// The index of the largest value; `None` if there is none.
fn index_of_largest(values: &[f64]) -> Option<usize> {
    (0..values.len()).max_by(|&i, &j| values[i].total_cmp(&values[j]).then(j.cmp(&i)))
}

/// Returns `((sign u)₊, (sign v)₊)`, normalised.
fn nonnegative_part(u: &Col<f64>, v: &Col<f64>, sign: f64) -> InitialLoadings {
    let part = |loadings: &Col<f64>| truncate(&loadings.iter().map(|loading| sign * loading).collect::<Vec<_>>());
    InitialLoadings { u: part(u), v: part(v) }
}

/// Returns `uᵀAv`.
fn quadratic_form(view: &ResidualView, init: &InitialLoadings, threads: Threads) -> f64 {
    dot(init.u(), product(view, init.u.as_ref(), init.v.as_ref(), threads).rows())
}

/// Returns the singular pair of the largest singular value, or twice the eigenvector of the leading eigenvalue if the
/// matrix is symmetric. The signs are arbitrary except that of the product.
fn leading_pair(
    view: &ResidualView,
    leading: Leading,
    threads: Threads,
    on_progress: &mut ProgressCallback,
) -> (Col<f64>, Col<f64>) {
    let on_product = || on_progress(Progress::new(0));
    if view.is_symmetric() {
        let image = |x: &[f64]| product(view, ColRef::from_slice(x), ColRef::from_slice(x), threads).rows().to_vec();
        let u = leading_eigenvector(view.nrow(), leading, image, on_product);
        (u.clone(), u)
    } else {
        let (zero_rows, zero_columns) = (Col::zeros(view.nrow()), Col::zeros(view.ncol()));
        let image = |x: &[f64]| product(view, zero_rows.as_ref(), ColRef::from_slice(x), threads).rows;
        let gram_product =
            |x: &[f64]| product(view, image(x).as_ref(), zero_columns.as_ref(), threads).columns().to_vec();
        let v = leading_eigenvector(view.ncol(), leading, gram_product, on_product);
        let mut u = image(v.as_slice());
        normalise(u.as_slice_mut());
        (u, v)
    }
}
