//! What stored entries of a matrix that is mostly zero yield, less what zeros in their place would.

use crate::factor::Factor;
use crate::noise::ResidualParams;
use crate::pass::kernel::{level, Kernel, Line};
use crate::pass::{Model, PassOutput, PassSpec, PassStats, RowColSums};
use crate::remainder_prior::RemainderPrior;
use crate::residual::ResidualView;
use crate::storage::Sparse;
use crate::vector::dot;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// The entries that are gathered at a time, but for the rest of their last column.
const BATCH: usize = 1 << 10;

/// Room for what some columns find: a number for each, and for each row of a matrix that is not symmetric. In one that is,
/// whose entries are stored on both sides of the diagonal, a column says all of its row.
pub(crate) fn room(view: &ResidualView, columns: &Range<usize>) -> RowColSums {
    RowColSums { rows: vec![0.0; if view.is_symmetric() { 0 } else { view.nrow() }], columns: vec![0.0; columns.len()] }
}

/// The correction for the entries of some columns, compiled for each instruction set.
pub(crate) struct Correction<'a, const LEVEL: u8> {
    pub(crate) view: &'a ResidualView<'a>,
    pub(crate) stored: &'a Sparse<'a>,
    pub(crate) scale: f64,
    pub(crate) subtracted: &'a [&'a Factor],
    pub(crate) model: Model<'a>,
    pub(crate) question: &'a PassSpec<'a>,
    pub(crate) columns: Range<usize>,
}

impl<const LEVEL: u8> WithSimd for Correction<'_, LEVEL> {
    /// RowColSums over the columns, and over all rows of a matrix that is not symmetric; and `Σ (x − b̄)²/σ²` of the zeros.
    type Output = (PassOutput, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Self { view, model, question, columns, .. } = &self;
        let curved = LEVEL == level::CURVATURE;
        let mut products = room(view, columns);
        let mut curvatures = if curved { room(view, columns) } else { RowColSums::default() };
        let mut here = kernel::<S, LEVEL, true>(simd, model.params, question);
        let mut instead = kernel::<S, LEVEL, false>(simd, model.params, question);
        let idle = idle(kernel::<S, LEVEL, false>(simd, model.params, question));
        let (mut batch, mut idle_count) = (Batch::default(), 0);
        let mut first = columns.start;
        while first < columns.end {
            self.gather(&mut batch, first);
            idle_count += batch.compare::<S, LEVEL>(&mut here, &mut instead, &idle);
            let mut start = 0;
            for (index, &end) in batch.ends.iter().enumerate() {
                let (column, entries) = (first + index, start..end);
                start = end;
                let q = question.column_weights[column];
                let weights = &batch.weights[entries.clone()];
                products.columns[column - columns.start] = dot(&batch.rests[entries.clone()], weights);
                if !view.is_symmetric() {
                    batch.scatter(&batch.rests, entries.clone(), q, &mut products.rows);
                }
                if curved {
                    if !view.is_symmetric() {
                        batch.scatter(&batch.curvatures, entries.clone(), q * q, &mut curvatures.rows);
                    }
                    let terms = batch.curvatures[entries.clone()].iter().zip(weights);
                    curvatures.columns[column - columns.start] = terms.map(|(curvature, p)| curvature * p * p).sum();
                }
            }
            first += batch.ends.len();
        }
        let (mut sums, zeros) = (here.sums(), instead.sums());
        sums.take(&zeros, 1.0);
        sums.take(&idle.sums, idle_count as f64);
        (PassOutput { products, curvatures, sums }, zeros.square_rest / model.params.sigma.powi(2))
    }
}

impl<const LEVEL: u8> Correction<'_, LEVEL> {
    /// Fills a batch with the entries of whole columns.
    #[inline(always)]
    fn gather(&self, batch: &mut Batch, first: usize) {
        let Model { factor, .. } = self.model;
        let p = self.question.row_weights;
        // Mostly the weights are the loadings themselves, and need not be looked up twice.
        let alike = std::ptr::eq(p, factor.u());
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
                batch.explained.resize(batch.rows.len(), 0.0);
            } else if alike {
                batch.explained.extend(batch.weights[start..].iter().map(|u| loading * u));
            } else {
                batch.explained.extend(rows.iter().map(|row| loading * factor.u()[*row as usize]));
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
    question: &PassSpec,
) -> Kernel<S, LEVEL, MASKED, false> {
    Kernel::new(simd, params, &RemainderPrior::EXPONENTIAL, question.shift)
}

/// What a zero yields of which no factor says anything.
struct Idle {
    rest: f64,
    curvature: f64,
    sums: PassStats,
}

#[inline(always)]
fn idle<S: Simd, const LEVEL: u8>(mut kernel: Kernel<S, LEVEL, false, false>) -> Idle {
    let (mut rest, mut curvature) = ([0.0], [0.0]);
    run(&mut kernel, &[0.0], &[0.0], &mut rest, &mut curvature);
    Idle { rest: rest[0], curvature: curvature[0], sums: kernel.sums() }
}

/// Adds `a − b̄`, or `x − b̄`, and `m` of entries of which the model says `explained`.
#[inline(always)]
fn run<S: Simd, const LEVEL: u8, const MASKED: bool>(
    kernel: &mut Kernel<S, LEVEL, MASKED, false>,
    entries: &[f64],
    explained: &[f64],
    rests: &mut [f64],
    curvatures: &mut [f64],
) {
    kernel.line(Line {
        entries,
        loadings: explained,
        weights: explained,
        products: rests,
        curvatures,
        loading: 1.0,
        weight: 1.0,
        deviations: &[],
        deviation: 1.0,
    });
}

/// The entries of some columns, side by side; reused from batch to batch.
#[derive(Default)]
struct Batch {
    rows: Vec<u32>,
    /// Where each column ends.
    ends: Vec<usize>,
    /// The entries less what was taken out, and what zeros are less that.
    entries: Vec<f64>,
    zeros: Vec<f64>,
    /// `d u_i v_j`.
    explained: Vec<f64>,
    /// `p_i`.
    weights: Vec<f64>,
    /// The yields of the entries, and then what these are more than those of zeros.
    rests: Vec<f64>,
    curvatures: Vec<f64>,
    busy: Busy,
}

/// The zeros of which some factor says something, side by side.
#[derive(Default)]
struct Busy {
    places: Vec<u32>,
    zeros: Vec<f64>,
    explained: Vec<f64>,
    rests: Vec<f64>,
    curvatures: Vec<f64>,
}

impl Batch {
    #[inline(always)]
    fn clear(&mut self) {
        self.rows.clear();
        self.ends.clear();
        let Self { entries, zeros, explained, weights, rests, curvatures, .. } = self;
        for numbers in [entries, zeros, explained, weights, rests, curvatures] {
            numbers.clear();
        }
    }

    /// Works out what entries yield more than zeros; returns the number of those of which no factor says anything.
    #[inline(always)]
    fn compare<S: Simd, const LEVEL: u8>(
        &mut self,
        here: &mut Kernel<S, LEVEL, true, false>,
        instead: &mut Kernel<S, LEVEL, false, false>,
        idle: &Idle,
    ) -> usize {
        let Self { entries, zeros, explained, rests, curvatures, busy, .. } = self;
        let count = entries.len();
        let curved = LEVEL == level::CURVATURE;
        rests.resize(count, 0.0);
        curvatures.resize(if curved { count } else { 0 }, 0.0);
        run(here, entries, explained, rests, curvatures);
        busy.places.clear();
        busy.places.extend((0..count).filter(|&e| explained[e] != 0.0 || zeros[e] != 0.0).map(|e| e as u32));
        busy.zeros.clear();
        busy.zeros.extend(busy.places.iter().map(|e| zeros[*e as usize]));
        busy.explained.clear();
        busy.explained.extend(busy.places.iter().map(|e| explained[*e as usize]));
        for (to, wanted) in [(&mut busy.rests, true), (&mut busy.curvatures, curved)] {
            to.clear();
            to.resize(if wanted { busy.places.len() } else { 0 }, 0.0);
        }
        run(instead, &busy.zeros, &busy.explained, &mut busy.rests, &mut busy.curvatures);
        for (to, part, idle) in [(rests, &busy.rests, idle.rest), (curvatures, &busy.curvatures, idle.curvature)] {
            // The difference to a zero of which nothing is said is taken first: what is written down is then the rest of it.
            to.iter_mut().for_each(|yielded| *yielded -= idle);
            busy.places.iter().zip(part).for_each(|(e, lost)| to[*e as usize] += idle - lost);
        }
        count - busy.places.len()
    }

    /// Adds `weight` times the numbers of some entries to their rows.
    #[inline(always)]
    fn scatter(&self, numbers: &[f64], entries: Range<usize>, weight: f64, rows: &mut [f64]) {
        for entry in entries {
            rows[self.rows[entry] as usize] += weight * numbers[entry];
        }
    }
}
