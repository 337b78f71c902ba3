//! A matrix minus the factors taken out of it so far. The matrix itself is never copied or changed.

use crate::noise::NoiseScales;
use crate::remainder_prior::RemainderPrior;
use crate::storage::{Remote, Sparse, Storage};
use crate::vector::add_scaled;
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

pub use crate::factor::Factor;

/// `c A − Σ d u vᵀ`, computed entry by entry as it is read.
///
/// The factors are in two lists, since those of one fit change while those before it stay, and neither is copied.
#[derive(Clone, Copy)]
pub struct ResidualView<'a> {
    storage: &'a dyn Storage,
    scale: f64,
    factors: &'a [Factor],
    fitted: &'a [Factor],
    symmetric: bool,
    law: RemainderPrior,
    scales: Option<&'a NoiseScales>,
}

impl<'a> ResidualView<'a> {
    /// The matrix in `storage` minus `factors`. Of a symmetric matrix only the upper triangle is read.
    pub fn new(storage: &'a dyn Storage, factors: &'a [Factor], symmetric: bool) -> Self {
        Self { storage, scale: 1.0, factors, fitted: &[], symmetric, law: RemainderPrior::EXPONENTIAL, scales: None }
    }

    /// The same view in other units: `c` times the matrix, minus the same factors, which are in these units already.
    pub fn scaled_by(self, scale: f64) -> Self {
        Self { scale, ..self }
    }

    /// The same view minus the factors of one fit, in the place of any that an earlier `minus` took out.
    pub(crate) fn minus<'b>(&'b self, fitted: &'b [Factor]) -> ResidualView<'b>
    where
        'a: 'b,
    {
        ResidualView { fitted, ..*self }
    }

    /// The stored entries of the matrix itself, where all others are zero, and what they are to be multiplied by.
    pub(crate) fn sparse(&self) -> Option<(&Sparse<'_>, f64)> {
        self.storage.sparse().map(|stored| (stored, self.scale))
    }

    /// Those who go over the entries in the place of this process.
    pub(crate) fn remote(&self) -> Option<&dyn Remote> {
        self.storage.remote()
    }

    /// What the entries are multiplied by.
    pub(crate) fn scale(&self) -> f64 {
        self.scale
    }

    /// How the noise of entries differs.
    pub(crate) fn scales(&self) -> Option<&'a NoiseScales> {
        self.scales
    }

    /// The factors of one fit that are taken out.
    pub(crate) fn fitted(&self) -> &'a [Factor] {
        self.fitted
    }

    /// All factors that are taken out.
    pub(crate) fn subtracted(&self) -> impl Iterator<Item = &'a Factor> {
        self.factors.iter().chain(self.fitted)
    }

    /// The same view, its remainder under another law.
    pub fn with_remainder_prior(&self, law: RemainderPrior) -> Self {
        Self { law, ..*self }
    }

    /// The same view, the noise of its entries so much larger or smaller than σ.
    pub fn with_noise_scales<'b>(&self, scales: Option<&'b NoiseScales>) -> ResidualView<'b>
    where
        'a: 'b,
    {
        ResidualView { scales, ..*self }
    }

    /// Whether the remainder is exponential and all entries have the same noise.
    pub(crate) fn is_plain(&self) -> bool {
        self.law.is_exponential() && self.scales.is_none()
    }

    /// `s` of the entries of a column in `rows`, but for a factor, and that factor; nothing where all are 1.
    #[inline(always)]
    pub(crate) fn deviations(&self, column: usize, rows: Range<usize>) -> (&[f64], f64) {
        self.scales.map_or((&[], 1.0), |scales| scales.of_column(column, rows, self.storage.nrow()))
    }

    /// `s` of entries of the diagonal.
    pub(crate) fn diagonal_scales(&self, range: Range<usize>) -> Vec<f64> {
        let corner = |index: usize| {
            let (own, factor) = self.deviations(index, index..index + 1);
            own.first().map(|own| own * factor)
        };
        range.filter_map(corner).collect()
    }

    /// The law of the remainder, its mean apart.
    pub fn law(&self) -> &RemainderPrior {
        &self.law
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

    /// The entries of a column in `rows`, as [`Storage::column`] gives them, scaled and minus the factors.
    pub(crate) fn column<'b>(&'b self, column: usize, rows: Range<usize>, buffer: &'b mut Buffer) -> &'b [f64] {
        let length = rows.len();
        let Buffer { raw, residual } = buffer;
        let entries = self.storage.column(column, rows.clone(), &mut raw[..length]);
        if self.factors.is_empty() && self.fitted.is_empty() && self.scale == 1.0 {
            return entries;
        }
        let residual = &mut residual[..length];
        Arch::new().dispatch(Subtraction { view: self, column, rows, entries, residual });
        residual
    }

    /// Whether all entries have the same noise.
    pub(crate) fn is_homoscedastic(&self) -> bool {
        self.scales.is_none()
    }

    /// Writes the precision `1/s²` where an entry of a column is observed, and NaN where it is missing.
    pub(crate) fn precisions(&self, column: usize, rows: Range<usize>, precisions: &mut [f64]) {
        let mut room = vec![0.0; rows.len()];
        for (one, entry) in precisions.iter_mut().zip(self.storage.column(column, rows.clone(), &mut room)) {
            *one = if entry.is_nan() { f64::NAN } else { 1.0 };
        }
        let (deviations, factor) = self.deviations(column, rows);
        for (one, deviation) in precisions.iter_mut().zip(deviations) {
            *one /= (deviation * factor).powi(2);
        }
    }
}

/// The matrix to take factors out of.
pub struct Problem<'a> {
    /// How it is held.
    pub storage: &'a dyn Storage,
    /// Whether it equals its transpose.
    pub symmetric: bool,
    /// What its entries are multiplied by as they are read: the factors, λ and σ are found in these units.
    pub scale: f64,
}

impl Problem<'_> {
    /// The matrix minus `factors`.
    pub fn view<'b>(&'b self, factors: &'b [Factor]) -> ResidualView<'b> {
        ResidualView::new(self.storage, factors, self.symmetric).scaled_by(self.scale)
    }
}

/// What the factors leave of some entries, compiled for each instruction set.
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

/// Room for one column, reused from column to column.
pub(crate) struct Buffer {
    raw: Vec<f64>,
    residual: Vec<f64>,
}

impl Buffer {
    /// Room for `length` entries.
    pub(crate) fn new(length: usize) -> Self {
        Self { raw: vec![0.0; length], residual: vec![0.0; length] }
    }
}
