//! View of a matrix minus the factors subtracted so far. The matrix itself is never copied or changed.

use crate::factor::Factor;
use crate::noise::NoiseScales;
use crate::remainder_prior::{RemainderPrior, RemainderPriorFamily};
use crate::runtime::cancel::check;
use crate::runtime::parallel::Threads;
use crate::storage::{Remote, Sparse, Storage};
use crate::vector::add_scaled;
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// The kinds of residuals as constants: the compiler builds one loop for each.
pub(crate) mod residual_kind {
    /// Exponential remainder, homoscedastic noise.
    pub(crate) const EXPONENTIAL: u8 = 0;
    /// Mixture prior of the remainder, noise of any form.
    pub(crate) const MIXTURE: u8 = 1;
    /// No remainder, noise of any form.
    pub(crate) const GAUSSIAN: u8 = 2;
}

/// `c A − Σ d u vᵀ`, computed as entries are read.
///
/// The factors are in two lists: those of the current fit change while the earlier ones stay, and neither is copied.
#[derive(Clone, Copy)]
pub struct ResidualView<'a> {
    storage: &'a dyn Storage,
    scale: f64,
    factors: &'a [Factor],
    fitted: &'a [Factor],
    symmetric: bool,
    remainder_prior: RemainderPrior,
    scales: Option<&'a NoiseScales>,
}

impl<'a> ResidualView<'a> {
    /// The matrix in `storage` minus `factors`. Only the upper triangle of a symmetric matrix is read.
    pub fn new(storage: &'a dyn Storage, factors: &'a [Factor], symmetric: bool) -> Self {
        Self {
            storage,
            scale: 1.0,
            factors,
            fitted: &[],
            symmetric,
            remainder_prior: RemainderPrior::EXPONENTIAL,
            scales: None,
        }
    }

    /// The same view in other units: `c` times the matrix, minus the same factors, which are already in these units.
    pub fn scaled_by(self, scale: f64) -> Self {
        Self { scale, ..self }
    }

    /// The same view minus the factors of one fit, instead of those that an earlier `minus` subtracted.
    pub(crate) fn minus<'b>(&'b self, fitted: &'b [Factor]) -> ResidualView<'b>
    where
        'a: 'b,
    {
        ResidualView { fitted, ..*self }
    }

    /// The storage and the scale of its entries, if the matrix is sparse.
    pub(crate) fn sparse(&self) -> Option<(&Sparse<'_>, f64)> {
        self.storage.sparse().map(|stored| (stored, self.scale))
    }

    /// The workers that hold the entries, if this process does not.
    pub(crate) fn remote(&self) -> Option<&dyn Remote> {
        self.storage.remote()
    }

    /// The factor that entries are multiplied by.
    pub(crate) fn scale(&self) -> f64 {
        self.scale
    }

    /// The noise scales `s`, if the noise is heteroscedastic.
    pub(crate) fn scales(&self) -> Option<&'a NoiseScales> {
        self.scales
    }

    /// The subtracted factors of the current fit.
    pub(crate) fn fitted(&self) -> &'a [Factor] {
        self.fitted
    }

    /// All subtracted factors.
    pub(crate) fn subtracted(&self) -> impl Iterator<Item = &'a Factor> {
        self.factors.iter().chain(self.fitted)
    }

    /// The same view with another prior of the remainder.
    pub fn with_remainder_prior(&self, remainder_prior: RemainderPrior) -> Self {
        Self { remainder_prior, ..*self }
    }

    /// The same view with these noise scales; `None` if the noise is homoscedastic.
    pub fn with_noise_scales<'b>(&self, scales: Option<&'b NoiseScales>) -> ResidualView<'b>
    where
        'a: 'b,
    {
        ResidualView { scales, ..*self }
    }

    /// The same view without a remainder if the family has none.
    pub(crate) fn under(&self, family: &RemainderPriorFamily) -> Self {
        if family.is_none() {
            self.with_remainder_prior(RemainderPrior::NONE)
        } else {
            *self
        }
    }

    /// One of [`residual_kind`].
    pub(crate) fn residual_kind(&self) -> u8 {
        if self.has_no_remainder() {
            residual_kind::GAUSSIAN
        } else if self.is_plain() {
            residual_kind::EXPONENTIAL
        } else {
            residual_kind::MIXTURE
        }
    }

    /// Whether there is no remainder.
    pub(crate) fn has_no_remainder(&self) -> bool {
        self.remainder_prior.is_none()
    }

    /// Whether the prior is exponential and the noise homoscedastic.
    pub(crate) fn is_plain(&self) -> bool {
        self.remainder_prior.is_exponential() && self.scales.is_none()
    }

    /// `s` of the entries of a column in `rows`, up to a factor, and that factor. The slice is empty if all are 1.
    #[inline(always)]
    pub(crate) fn column_scales(&self, column: usize, rows: Range<usize>) -> (&[f64], f64) {
        self.scales.map_or((&[], 1.0), |scales| scales.of_column(column, rows, self.storage.nrow()))
    }

    /// `s` of some entries of the diagonal; empty if all are 1.
    pub(crate) fn diagonal_scales(&self, range: Range<usize>) -> Vec<f64> {
        let scale = |index: usize| {
            let (scales, factor) = self.column_scales(index, index..index + 1);
            scales.first().map(|scale| scale * factor)
        };
        range.filter_map(scale).collect()
    }

    /// The prior of the remainder, without its mean.
    pub fn remainder_prior(&self) -> &RemainderPrior {
        &self.remainder_prior
    }

    /// Whether entries may be missing.
    pub fn has_missing(&self) -> bool {
        self.storage.has_missing()
    }

    /// The null factor of this matrix.
    pub(crate) fn zero_factor(&self) -> Factor {
        Factor::zero(self.nrow(), (!self.is_symmetric()).then(|| self.ncol()))
    }

    /// The number of rows.
    pub fn nrow(&self) -> usize {
        self.storage.nrow()
    }

    /// The number of columns.
    pub fn ncol(&self) -> usize {
        self.storage.ncol()
    }

    /// Whether the matrix equals its transpose, so that each pair of entries is read once.
    pub fn is_symmetric(&self) -> bool {
        self.symmetric
    }

    /// The number of entries, observed or missing: `n²/2` (each pair once, the diagonal half) or `n p`.
    pub fn count(&self) -> f64 {
        let all = self.nrow() as f64 * self.ncol() as f64;
        if self.symmetric {
            all / 2.0
        } else {
            all
        }
    }

    /// The entries of a column in `rows`, as for [`Storage::column`], scaled and minus the factors.
    pub(crate) fn column<'b>(&'b self, column: usize, rows: Range<usize>, buffer: &'b mut Buffer) -> &'b [f64] {
        let length = rows.len();
        let Buffer { raw, residual, panel } = buffer;
        let entries = if self.storage.panel_ncol() > 1 {
            panel.column(self.storage, column, rows.clone())
        } else {
            self.storage.column(column, rows.clone(), &mut raw[..length])
        };
        if self.factors.is_empty() && self.fitted.is_empty() && self.scale == 1.0 {
            return entries;
        }
        let residual = &mut residual[..length];
        Arch::new().dispatch(Subtraction { view: self, column, rows, entries, residual });
        residual
    }

    /// `A q` over the observed entries, scaled, with no factor subtracted, as for [`Storage::symmetric_product`].
    pub(crate) fn symmetric_product(&self, q: &[f64], threads: Threads) -> Option<Vec<f64>> {
        let mut product = self.storage.symmetric_product(q, false, threads)?;
        product.iter_mut().for_each(|sum| *sum *= self.scale);
        Some(product)
    }

    /// Whether all entries have the same noise.
    pub(crate) fn is_homoscedastic(&self) -> bool {
        self.scales.is_none()
    }

    /// The largest `Σ d u_i v_j` over the missing entries, without the diagonal of a symmetric matrix; 0 if there is none, or another
    /// process holds the matrix.
    pub(crate) fn max_fitted_at_missing(&self, factors: &[Factor]) -> f64 {
        if self.remote().is_some() {
            return 0.0;
        }
        let (mut observed, mut fitted) = (vec![0.0; self.nrow()], vec![0.0; self.nrow()]);
        let mut largest = 0.0_f64;
        for column in 0..self.ncol() {
            check();
            self.storage.observed(column, 0..self.nrow(), &mut observed);
            if !observed.iter().any(|one| one.is_nan()) {
                continue;
            }
            fitted.fill(0.0);
            factors.iter().for_each(|factor| add_scaled(&mut fitted, factor.d * factor.v()[column], factor.u()));
            let is_counted = |row: usize| observed[row].is_nan() && !(self.is_symmetric() && row == column);
            let missing = (0..self.nrow()).filter(|row| is_counted(*row));
            largest = missing.fold(largest, |largest, row| largest.max(fitted[row]));
        }
        largest
    }

    /// Writes the precision `1/s²` of the observed entries of a column, and NaN for missing entries.
    pub(crate) fn precisions(&self, column: usize, rows: Range<usize>, precisions: &mut [f64]) {
        self.storage.observed(column, rows.clone(), precisions);
        let (scales, factor) = self.column_scales(column, rows);
        for (precision, scale) in precisions.iter_mut().zip(scales) {
            *precision /= (scale * factor).powi(2);
        }
    }
}

/// The matrix to factorise.
pub struct Problem<'a> {
    /// Its storage.
    pub storage: &'a dyn Storage,
    /// Whether it equals its transpose.
    pub symmetric: bool,
    /// The factor that entries are multiplied by as they are read; factors, λ and σ are in these units.
    pub scale: f64,
}

impl Problem<'_> {
    /// The matrix minus `factors`.
    pub fn view<'b>(&'b self, factors: &'b [Factor]) -> ResidualView<'b> {
        ResidualView::new(self.storage, factors, self.symmetric).scaled_by(self.scale)
    }
}

/// Subtraction of the factors from some entries, compiled for each instruction set.
struct Subtraction<'a> {
    view: &'a ResidualView<'a>,
    column: usize,
    rows: Range<usize>,
    entries: &'a [f64],
    residual: &'a mut [f64],
}

impl WithSimd for Subtraction<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { view, column, rows, entries, residual } = self;
        for (residual, entry) in residual.iter_mut().zip(entries) {
            *residual = view.scale * entry;
        }
        for factor in view.factors.iter().chain(view.fitted) {
            let weight = factor.d * factor.v()[column];
            if weight != 0.0 {
                add_scaled(residual, -weight, &factor.u()[rows.clone()]);
            }
        }
    }
}

/// Buffers for one column, reused from column to column.
pub(crate) struct Buffer {
    raw: Vec<f64>,
    residual: Vec<f64>,
    panel: Panel,
}

impl Buffer {
    /// Buffers for `length` entries of the columns before `end`, which are read in order.
    pub(crate) fn new(length: usize, end: usize) -> Self {
        let panel = Panel { rows: 0..0, columns: 0..0, values: Vec::new(), end };
        Self { raw: vec![0.0; length], residual: vec![0.0; length], panel }
    }
}

/// The columns that were read last, of a storage that computes several columns at a time.
struct Panel {
    rows: Range<usize>,
    columns: Range<usize>,
    values: Vec<f64>,
    /// The first column that is not needed.
    end: usize,
}

impl Panel {
    /// The entries of a column in `rows`. If the panel lacks them, it is replaced by one that begins with this column. Above a
    /// diagonal the rows of the next columns reach further down.
    fn column(&mut self, storage: &dyn Storage, column: usize, rows: Range<usize>) -> &[f64] {
        let is_here = self.columns.contains(&column) && self.rows.start <= rows.start && rows.end <= self.rows.end;
        if !is_here {
            self.columns = column..(column + storage.panel_ncol()).min(self.end.max(column + 1));
            let triangle = rows.end == column + 1;
            self.rows = rows.start..if triangle { self.columns.end.min(storage.nrow()) } else { rows.end };
            self.values.resize(self.rows.len() * self.columns.len(), 0.0);
            storage.panel(self.columns.clone(), self.rows.clone(), &mut self.values);
        }
        let first = (column - self.columns.start) * self.rows.len() + rows.start - self.rows.start;
        &self.values[first..first + rows.len()]
    }
}
