//! The correction for the stored entries of a sparse matrix: their terms minus those of zeros in their place.

use crate::factor::Factor;
use crate::noise::ResidualParams;
use crate::pass::kernel::{kernel_level, ColumnRun, Kernel};
use crate::pass::{KernelSpec, Model, PassOutput, PassStats, RowColSums};
use crate::remainder_prior::RemainderPrior;
use crate::residual::{residual_kind, ResidualView};
use crate::storage::Sparse;
use crate::vector::{dot, Contiguous};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// The number of entries after which a batch is closed, at the end of a column.
const BATCH: usize = 1 << 10;

/// Zeros for the sums of some columns: one per column and, if the matrix is not symmetric, one per row. The entries of a
/// symmetric matrix are stored on both sides of the diagonal, so that a column gives the whole sum of its row.
pub(crate) fn piece_sums(view: &ResidualView, columns: &Range<usize>) -> RowColSums {
    RowColSums::zeros(if view.is_symmetric() { 0 } else { view.nrow() }, columns.len())
}

/// The correction for the entries of some columns, compiled for each instruction set.
pub(crate) struct Correction<'a, const LEVEL: u8> {
    pub(crate) view: &'a ResidualView<'a>,
    pub(crate) stored: &'a Sparse<'a>,
    pub(crate) scale: f64,
    pub(crate) subtracted: &'a [&'a Factor],
    pub(crate) model: Model<'a>,
    pub(crate) spec: &'a KernelSpec<'a>,
    pub(crate) columns: Range<usize>,
}

impl<const LEVEL: u8> WithSimd for Correction<'_, LEVEL> {
    /// Sums over the columns and, if the matrix is not symmetric, over all rows; and `Σ (x − b̄)²/σ²` of the zeros.
    type Output = (PassOutput, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Self { view, model, spec, columns, .. } = &self;
        let curved = LEVEL == kernel_level::CURVATURE;
        let mut products = piece_sums(view, columns);
        let mut curvatures = if curved { piece_sums(view, columns) } else { RowColSums::default() };
        let mut stored_kernel = kernel::<S, LEVEL, true>(simd, model.params, spec);
        let mut zero_kernel = kernel::<S, LEVEL, false>(simd, model.params, spec);
        let inactive = inactive(kernel::<S, LEVEL, false>(simd, model.params, spec));
        let (mut batch, mut inactive_count) = (Batch::default(), 0);
        let mut first = columns.start;
        while first < columns.end {
            self.gather(&mut batch, first);
            inactive_count += batch.compare::<S, LEVEL>(&mut stored_kernel, &mut zero_kernel, &inactive);
            let mut start = 0;
            for (index, &end) in batch.ends.iter().enumerate() {
                let (column, entries) = (first + index, start..end);
                start = end;
                let q = spec.column_weights[column];
                let weights = &batch.weights[entries.clone()];
                products.columns[column - columns.start] = dot(&batch.differences[entries.clone()], weights);
                if !view.is_symmetric() {
                    batch.add_to_rows(&batch.differences, entries.clone(), q, products.rows.as_slice_mut());
                }
                if curved {
                    if !view.is_symmetric() {
                        batch.add_to_rows(&batch.curvatures, entries.clone(), q * q, curvatures.rows.as_slice_mut());
                    }
                    let terms = batch.curvatures[entries.clone()].iter().zip(weights);
                    curvatures.columns[column - columns.start] = terms.map(|(curvature, p)| curvature * p * p).sum();
                }
            }
            first += batch.ends.len();
        }
        let (mut sums, zeros) = (stored_kernel.sums(), zero_kernel.sums());
        sums.subtract(&zeros, 1.0);
        sums.subtract(&inactive.sums, inactive_count as f64);
        (PassOutput { products, curvatures, sums }, zeros.square_difference / model.params.sigma.powi(2))
    }
}

impl<const LEVEL: u8> Correction<'_, LEVEL> {
    /// Fills a batch with the entries of whole columns.
    #[inline(always)]
    fn gather(&self, batch: &mut Batch, first: usize) {
        let Model { factor, .. } = self.model;
        let p = self.spec.row_weights;
        // The weights are usually the loadings themselves, and need not be gathered twice.
        let same = std::ptr::eq(p, factor.u());
        batch.clear();
        for column in first..self.columns.end {
            if batch.rows.len() >= BATCH {
                break;
            }
            let start = batch.rows.len();
            for (row, value) in self.stored.entries(column) {
                batch.rows.push(row as u32);
                batch.entries.push(self.scale * value);
            }
            let rows = &batch.rows[start..];
            batch.weights.extend(rows.iter().map(|row| p[*row as usize]));
            let loading = factor.d * factor.v()[column];
            if loading == 0.0 {
                batch.fitted.resize(batch.rows.len(), 0.0);
            } else if same {
                batch.fitted.extend(batch.weights[start..].iter().map(|u| loading * u));
            } else {
                batch.fitted.extend(rows.iter().map(|row| loading * factor.u()[*row as usize]));
            }
            batch.zeros.resize(batch.rows.len(), 0.0);
            for factor in self.subtracted {
                let weight = factor.d * factor.v()[column];
                if weight != 0.0 {
                    let zeros = batch.zeros[start..].iter_mut().zip(rows);
                    zeros.for_each(|(zero, row)| *zero -= weight * factor.u()[*row as usize]);
                }
            }
            batch.ends.push(batch.rows.len());
        }
        batch.entries.iter_mut().zip(&batch.zeros).for_each(|(entry, zero)| *entry += zero);
    }
}

#[inline(always)]
fn kernel<S: Simd, const LEVEL: u8, const MASKED: bool>(
    simd: S,
    params: ResidualParams,
    spec: &KernelSpec,
) -> Kernel<S, LEVEL, MASKED, { residual_kind::EXPONENTIAL }> {
    Kernel::new(simd, params, &RemainderPrior::EXPONENTIAL, spec.shift)
}

/// The terms and sums of a zero on which no factor has a loading.
struct InactiveZero {
    difference: f64,
    curvature: f64,
    sums: PassStats,
}

#[inline(always)]
fn inactive<S: Simd, const LEVEL: u8>(
    mut kernel: Kernel<S, LEVEL, false, { residual_kind::EXPONENTIAL }>,
) -> InactiveZero {
    let (mut difference, mut curvature) = ([0.0], [0.0]);
    run(&mut kernel, &[0.0], &[0.0], &mut difference, &mut curvature);
    InactiveZero { difference: difference[0], curvature: curvature[0], sums: kernel.sums() }
}

/// Adds `a − b̄`, or `x − b̄`, and `m` of entries whose part in the model's factor is `fitted`.
#[inline(always)]
fn run<S: Simd, const LEVEL: u8, const MASKED: bool>(
    kernel: &mut Kernel<S, LEVEL, MASKED, { residual_kind::EXPONENTIAL }>,
    entries: &[f64],
    fitted: &[f64],
    differences: &mut [f64],
    curvatures: &mut [f64],
) {
    kernel.simd.vectorize(ColumnRun {
        kernel,
        entries,
        loadings: fitted,
        weights: fitted,
        products: differences,
        curvatures,
        loading: 1.0,
        weight: 1.0,
        scales: &[],
        column_scale: 1.0,
    });
}

/// The entries of some columns, gathered; reused from batch to batch.
#[derive(Default)]
struct Batch {
    rows: Vec<u32>,
    /// The end of each column.
    ends: Vec<usize>,
    /// The entries, and zeros, minus the subtracted factors.
    entries: Vec<f64>,
    zeros: Vec<f64>,
    /// `d u_i v_j`.
    fitted: Vec<f64>,
    /// `p_i`.
    weights: Vec<f64>,
    /// The terms of the entries, and then the differences to those of zeros.
    differences: Vec<f64>,
    curvatures: Vec<f64>,
    active: ActiveZeros,
}

/// The zeros on which some factor has a loading, gathered.
#[derive(Default)]
struct ActiveZeros {
    positions: Vec<u32>,
    zeros: Vec<f64>,
    fitted: Vec<f64>,
    differences: Vec<f64>,
    curvatures: Vec<f64>,
}

impl Batch {
    #[inline(always)]
    fn clear(&mut self) {
        self.rows.clear();
        self.ends.clear();
        let Self { entries, zeros, fitted, weights, differences, curvatures, .. } = self;
        for values in [entries, zeros, fitted, weights, differences, curvatures] {
            values.clear();
        }
    }

    /// Computes the terms of entries minus those of zeros. Returns the number of zeros without loadings.
    #[inline(always)]
    fn compare<S: Simd, const LEVEL: u8>(
        &mut self,
        stored_kernel: &mut Kernel<S, LEVEL, true, { residual_kind::EXPONENTIAL }>,
        zero_kernel: &mut Kernel<S, LEVEL, false, { residual_kind::EXPONENTIAL }>,
        inactive: &InactiveZero,
    ) -> usize {
        let Self { entries, zeros, fitted, differences, curvatures, active, .. } = self;
        let count = entries.len();
        let curved = LEVEL == kernel_level::CURVATURE;
        differences.resize(count, 0.0);
        curvatures.resize(if curved { count } else { 0 }, 0.0);
        run(stored_kernel, entries, fitted, differences, curvatures);
        active.positions.clear();
        active.positions.extend((0..count).filter(|&e| fitted[e] != 0.0 || zeros[e] != 0.0).map(|e| e as u32));
        active.zeros.clear();
        active.zeros.extend(active.positions.iter().map(|e| zeros[*e as usize]));
        active.fitted.clear();
        active.fitted.extend(active.positions.iter().map(|e| fitted[*e as usize]));
        for (to, requested) in [(&mut active.differences, true), (&mut active.curvatures, curved)] {
            to.clear();
            to.resize(if requested { active.positions.len() } else { 0 }, 0.0);
        }
        run(zero_kernel, &active.zeros, &active.fitted, &mut active.differences, &mut active.curvatures);
        for (to, part, inactive) in [
            (differences, &active.differences, inactive.difference),
            (curvatures, &active.curvatures, inactive.curvature),
        ] {
            // The difference to a zero without loadings is taken first, and then corrected where there are loadings.
            to.iter_mut().for_each(|term| *term -= inactive);
            active.positions.iter().zip(part).for_each(|(e, zero)| to[*e as usize] += inactive - zero);
        }
        count - active.positions.len()
    }

    /// Adds `weight` times the values of some entries to the sums of their rows.
    #[inline(always)]
    fn add_to_rows(&self, values: &[f64], entries: Range<usize>, weight: f64, rows: &mut [f64]) {
        for entry in entries {
            rows[self.rows[entry] as usize] += weight * values[entry];
        }
    }
}
