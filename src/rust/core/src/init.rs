//! Initial loadings: the leading singular pair, truncated to its nonnegative part.
//!
//! The pair is computed by the Lanczos method (`optim::lanczos`) on `A` if it is symmetric and on `AᵀA`
//! otherwise.

use crate::factor::Factor;
use crate::noise::ResidualParams;
use crate::optim::lanczos::{leading_eigenvector, Leading};
use crate::pass::{product, sweep, Model, PassLevel, PassSpec, RowColSums};
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::runtime::progress::{Progress, ProgressCallback};
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
    /// The leading singular pair of its positive part.
    PositivePart,
    /// A row with a large positive part.
    Row(usize),
    /// A column with a large positive part.
    Column(usize),
    /// A null factor, added to the factors so far.
    Null,
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
    let (u, v) = leading_pair(view, leading, threads, on_progress);
    let positive = nonnegative_part(&u, &v, 1.0);
    let negative = nonnegative_part(&u, &v, -1.0);
    if quadratic_form(view, &positive, threads) > quadratic_form(view, &negative, threads) {
        positive
    } else {
        negative
    }
}

/// Returns at most `count` initial loadings of one more factor, with their origins: both signs of the leading pair, the leading pair
/// of the positive part, then rows and columns with a large positive part.
///
/// Negative residuals may dominate the leading pair, which is then useless once it is truncated; the positive part has none.
pub(crate) fn candidates(
    view: &ResidualView,
    count: usize,
    threads: Threads,
    on_progress: &mut ProgressCallback,
) -> Vec<(Origin, InitialLoadings)> {
    let (u, v) = leading_pair(view, Leading::Value, threads, on_progress);
    let signed = [1.0, -1.0].map(|sign| nonnegative_part(&u, &v, sign));
    let forms = [0, 1].map(|index| quadratic_form(view, &signed[index], threads));
    let [first, second] = signed;
    let (better, other) = if forms[0] > forms[1] { (first, second) } else { (second, first) };
    let mut found = vec![(Origin::LeadingPair, better)];
    if count > 1 {
        let positive = PositivePart { view, threads };
        found.push((Origin::PositivePart, positive.leading_pair()));
        found.push((Origin::OppositeSign, other));
        found.extend(positive.largest_lines(count.saturating_sub(found.len())));
    }
    found.truncate(count);
    found.retain(|(_, init)| init.u().iter().any(|x| *x > 0.0) && init.v().iter().any(|x| *x > 0.0));
    found
}

/// The positive part of a view, whose products follow from those of the fused pass: `b̄ → x₊` as `λ, σ → 0`.
struct PositivePart<'a> {
    view: &'a ResidualView<'a>,
    threads: Threads,
}

/// λ and σ that count as zero, in units in which the matrix has a root mean square near 1.
const SMALL: ResidualParams = ResidualParams { lambda: 1e-4, sigma: 1e-4 };
/// Power steps for the leading pair of the positive part.
const POWER_STEPS: usize = 8;

impl PositivePart<'_> {
    /// `X₊ q` and `X₊ᵀ p`.
    fn product(&self, p: &Col<f64>, q: &Col<f64>) -> RowColSums {
        let zero = self.view.zero_factor();
        let (row_weights, column_weights) = (p.as_ref(), q.as_ref());
        let spec = PassSpec { row_weights, column_weights, shift: 0.0, level: PassLevel::Expectation };
        let without = sweep(self.view, Model { factor: &zero, params: SMALL }, &spec, self.threads).products;
        let mut all = product(self.view, row_weights, column_weights, self.threads);
        add_scaled(all.rows.as_slice_mut(), -1.0, without.rows());
        add_scaled(all.columns.as_slice_mut(), -1.0, without.columns());
        all
    }

    /// The loadings after a power step: `(X₊ v, X₊ᵀ u)`, normalised.
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

    /// The rows, and columns in turn, with the largest sums. Rows on which an earlier one has a large loading are passed over.
    fn largest_lines(&self, count: usize) -> Vec<(Origin, InitialLoadings)> {
        let (rows, columns) = (Col::<f64>::ones(self.view.nrow()), Col::<f64>::ones(self.view.ncol()));
        let sums = self.product(&rows, &columns);
        let symmetric = self.view.is_symmetric();
        let mut sides = [sums.rows().to_vec(), if symmetric { Vec::new() } else { sums.columns().to_vec() }];
        let mut found = Vec::new();
        for index in 0..count {
            let side = if symmetric { 0 } else { index % 2 };
            let Some(line) = index_of_largest(&sides[side]).filter(|line| sides[side][*line] > 0.0) else { break };
            let mut unit = Col::<f64>::zeros(sides[side].len());
            unit[line] = 1.0;
            let other = if side == 0 { self.view.ncol() } else { self.view.nrow() };
            let zero = if symmetric { unit.clone() } else { Col::zeros(other) };
            let (origin, p, q) =
                if side == 0 { (Origin::Row(line), unit, zero) } else { (Origin::Column(line), zero, unit) };
            let half = self.power_step(&InitialLoadings { u: p.clone(), v: q.clone() });
            // Half of a step: a row gives loadings of the columns, and these give loadings of the rows.
            let start = match (symmetric, side) {
                (true, _) => half,
                (false, 0) => InitialLoadings { u: p, v: half.v },
                (false, _) => InitialLoadings { u: half.u, v: q },
            };
            let init = self.power_step(&start);
            let init = match (symmetric, side) {
                (true, _) => init,
                (false, 0) => InitialLoadings { u: init.u, v: start.v },
                (false, _) => InitialLoadings { u: start.u, v: init.v },
            };
            let loadings = if side == 0 { init.u() } else { init.v() };
            let largest = loadings.iter().copied().fold(0.0, f64::max);
            for (sum, loading) in sides[side].iter_mut().zip(loadings) {
                if *loading >= 0.5 * largest {
                    *sum = 0.0;
                }
            }
            sides[side][line] = 0.0;
            found.push((origin, init));
        }
        found
    }
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
