//! Gram matrices `X Xᵀ / p` of features, computed from `X` as their entries are read.
//!
//! A panel of columns is one matrix product, so that memory is that of `X` and of a panel per thread. Features are centred by
//! offsets: with `x_i` the rows of `X` and `m` the means of its columns,
//! `(x_i − m)ᵀ(x_j − m)/p = x_iᵀx_j/p − t_i − t_j` with `t_i = (x_iᵀm − mᵀm/2)/p`, so that a sparse `X` stays sparse.

use crate::error::Error;
use crate::runtime::parallel::Threads;
use crate::storage::{Sparse, Storage};
use crate::vector::add_scaled;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use pulp::{Arch, Simd, WithSimd};
use std::cmp::Ordering;
use std::ops::Range;

/// The number of columns of a panel.
const PANEL_NCOL: usize = 32;
/// The number of rows, or of features, that one job of a product with vectors takes.
const JOB_LENGTH: usize = 1 << 10;
/// The number of jobs that the features of sparse rows are summed by: each has a vector over all features.
const SPARSE_JOBS: usize = 8;

/// The features of the rows of a Gram matrix.
#[derive(Clone, Copy)]
pub enum Features<'a> {
    /// `X`, with a row for each row of the Gram matrix.
    Dense(MatRef<'a, f64>),
    /// `Xᵀ`, with a column for each row of the Gram matrix.
    SparseTransposed(Sparse<'a>),
}

/// The matrix `scale · X Xᵀ − t 1ᵀ − 1 tᵀ`. It equals its transpose.
#[derive(Clone)]
pub struct Gram<'a> {
    features: Features<'a>,
    scale: f64,
    /// `t`; empty if the features are not centred.
    offsets: &'a [f64],
    diagonal: Vec<f64>,
}

impl<'a> Gram<'a> {
    /// The matrix of these features; `offsets` is empty or has one element per row.
    ///
    /// # Errors
    /// [`Error::Length`] if `offsets` has another length.
    pub fn new(features: Features<'a>, scale: f64, offsets: &'a [f64]) -> Result<Self, Error> {
        let squares = squared_norms(&features);
        if !offsets.is_empty() && offsets.len() != squares.len() {
            return Err(Error::Length { what: "offsets", expected: squares.len(), found: offsets.len() });
        }
        let offset = |row: usize| offsets.get(row).map_or(0.0, |offset| 2.0 * offset);
        let diagonal = squares.iter().enumerate().map(|(row, square)| scale * square - offset(row)).collect();
        Ok(Self { features, scale, offsets, diagonal })
    }

    fn order(&self) -> usize {
        self.diagonal.len()
    }

    /// The entries of the diagonal.
    pub(crate) fn diagonal(&self) -> &[f64] {
        &self.diagonal
    }

    /// Returns `A Q`, which takes as many operations as two products of `X` with `Q`.
    pub fn multiply(&self, q: MatRef<f64>, threads: Threads) -> Mat<f64> {
        let mut image = match &self.features {
            Features::Dense(features) => {
                let threads = threads.for_entries(2.0 * features.nrows() as f64 * features.ncols() as f64);
                let projected = multiply_in_jobs(features.transpose(), q, threads);
                multiply_in_jobs(*features, projected.as_ref(), threads)
            }
            Features::SparseTransposed(features) => {
                let threads = threads.for_entries(2.0 * features.count() as f64);
                let mut image = Mat::zeros(self.order(), q.ncols());
                for (to, column) in image.col_iter_mut().zip(q.col_iter()) {
                    let column: Vec<f64> = column.iter().copied().collect();
                    let projected = sum_of_features(features, &column, threads);
                    let products = products_with_features(features, &projected, threads);
                    to.iter_mut().zip(products).for_each(|(to, product)| *to = product);
                }
                image
            }
        };
        for (column, factor) in image.col_iter_mut().zip(q.col_iter()) {
            let sum: f64 = factor.iter().sum();
            let offset: f64 = self.offsets.iter().zip(factor.iter()).map(|(offset, factor)| offset * factor).sum();
            for (row, value) in column.iter_mut().enumerate() {
                *value = self.scale * *value - self.offsets.get(row).map_or(0.0, |row| row * sum + offset);
            }
        }
        image
    }
}

/// The squared norms of the rows of `X`.
fn squared_norms(features: &Features) -> Vec<f64> {
    match features {
        Features::Dense(features) => {
            let mut squares = vec![0.0; features.nrows()];
            for feature in features.col_iter() {
                squares.iter_mut().zip(feature.iter()).for_each(|(square, value)| *square += value * value);
            }
            squares
        }
        Features::SparseTransposed(features) => {
            let square = |row: usize| features.stored(row).1.iter().map(|value| value * value).sum();
            (0..features.ncol()).map(square).collect()
        }
    }
}

/// `left · right`, by jobs of some rows.
fn multiply_in_jobs(left: MatRef<f64>, right: MatRef<f64>, threads: Threads) -> Mat<f64> {
    let jobs = jobs(left.nrows(), JOB_LENGTH);
    let multiply = |index: usize| {
        let rows: &Range<usize> = &jobs[index];
        let mut part = Mat::zeros(rows.len(), right.ncols());
        let left = left.subrows(rows.start, rows.len());
        matmul(part.as_mut(), Accum::Replace, left, right, 1.0, Par::Seq);
        part
    };
    let parts = threads.map(jobs.len(), multiply);
    let mut product = Mat::zeros(left.nrows(), right.ncols());
    for (rows, part) in jobs.iter().zip(parts) {
        product.as_mut().subrows_mut(rows.start, rows.len()).copy_from(part);
    }
    product
}

/// `Xᵀ q` of sparse features.
fn sum_of_features(features: &Sparse, q: &[f64], threads: Threads) -> Vec<f64> {
    let jobs = jobs(features.ncol(), features.ncol().div_ceil(SPARSE_JOBS));
    let sum = |index: usize| {
        let mut sums = vec![0.0; features.nrow()];
        for row in jobs[index].clone() {
            let (positions, values) = features.stored(row);
            positions.iter().zip(values).for_each(|(position, value)| sums[*position as usize] += value * q[row]);
        }
        sums
    };
    let mut total = vec![0.0; features.nrow()];
    threads.map(jobs.len(), sum).iter().for_each(|part| add_scaled(&mut total, 1.0, part));
    total
}

/// `X t` of sparse features.
fn products_with_features(features: &Sparse, t: &[f64], threads: Threads) -> Vec<f64> {
    let jobs = jobs(features.ncol(), JOB_LENGTH);
    let product = |row: usize| -> f64 {
        let (positions, values) = features.stored(row);
        positions.iter().zip(values).map(|(position, value)| value * t[*position as usize]).sum()
    };
    threads.map(jobs.len(), |index| jobs[index].clone().map(product).collect::<Vec<f64>>()).concat()
}

/// Ranges of at most `length` that cover `0..count`.
fn jobs(count: usize, length: usize) -> Vec<Range<usize>> {
    (0..count).step_by(length.max(1)).map(|first| first..(first + length).min(count)).collect()
}

impl Storage for Gram<'_> {
    fn nrow(&self) -> usize {
        self.order()
    }

    fn ncol(&self) -> usize {
        self.order()
    }

    fn panel_ncol(&self) -> usize {
        PANEL_NCOL
    }

    fn panel(&self, columns: Range<usize>, rows: Range<usize>, values: &mut [f64]) {
        if rows.is_empty() || columns.is_empty() {
            return;
        }
        let mut panel = MatMut::from_column_major_slice_mut(values, rows.len(), columns.len());
        match &self.features {
            Features::Dense(features) => {
                let of = |range: &Range<usize>| features.subrows(range.start, range.len());
                matmul(panel.as_mut(), Accum::Replace, of(&rows), of(&columns).transpose(), self.scale, Par::Seq);
            }
            // Expanding the features of a single column takes longer than the products themselves.
            Features::SparseTransposed(features) if columns.len() == 1 => {
                for (row, value) in rows.clone().zip(panel.as_mut().col_mut(0).iter_mut()) {
                    *value = self.scale * sparse_dot(features.stored(row), features.stored(columns.start));
                }
            }
            Features::SparseTransposed(features) => {
                for first in (0..columns.len()).step_by(PANEL_NCOL) {
                    let width = PANEL_NCOL.min(columns.len() - first);
                    let block = columns.start + first..columns.start + first + width;
                    let panel = panel.as_mut().subcols_mut(first, width);
                    Arch::new().dispatch(SparsePanel {
                        features,
                        scale: self.scale,
                        columns: block,
                        rows: rows.clone(),
                        panel,
                    });
                }
            }
        }
        if self.offsets.is_empty() {
            return;
        }
        let row_offsets = &self.offsets[rows];
        for (column, values) in columns.zip(panel.col_iter_mut()) {
            let offset = self.offsets[column];
            values.iter_mut().zip(row_offsets).for_each(|(value, row)| *value -= row + offset);
        }
    }

    fn column<'a>(&'a self, column: usize, rows: Range<usize>, buffer: &'a mut [f64]) -> &'a [f64] {
        self.panel(column..column + 1, rows, buffer);
        buffer
    }

    fn observed(&self, _: usize, _: Range<usize>, ones: &mut [f64]) {
        ones.fill(1.0);
    }

    fn symmetric_product(&self, q: &[f64], without_diagonal: bool, threads: Threads) -> Option<Vec<f64>> {
        let image = self.multiply(MatRef::from_column_major_slice(q, q.len(), 1), threads);
        let diagonal = |row: usize| if without_diagonal { self.diagonal[row] * q[row] } else { 0.0 };
        Some(image.col(0).iter().enumerate().map(|(row, sum)| sum - diagonal(row)).collect())
    }
}

/// The inner product of two sparse vectors, each given by increasing positions and values.
fn sparse_dot(one: (&[u32], &[f64]), other: (&[u32], &[f64])) -> f64 {
    let (mut i, mut j, mut sum) = (0, 0, 0.0);
    while i < one.0.len() && j < other.0.len() {
        match one.0[i].cmp(&other.0[j]) {
            Ordering::Less => i += 1,
            Ordering::Greater => j += 1,
            Ordering::Equal => {
                sum += one.1[i] * other.1[j];
                (i, j) = (i + 1, j + 1);
            }
        }
    }
    sum
}

/// A panel of at most [`PANEL_NCOL`] columns of products of sparse features, compiled for each instruction set.
struct SparsePanel<'a, 'b> {
    features: &'b Sparse<'a>,
    scale: f64,
    columns: Range<usize>,
    rows: Range<usize>,
    panel: MatMut<'b, f64>,
}

impl WithSimd for SparsePanel<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { features, scale, columns, rows, mut panel } = self;
        // The features of the columns, expanded, with those of one feature next to each other.
        let mut expanded = vec![[0.0; PANEL_NCOL]; features.nrow()];
        for (index, column) in columns.enumerate() {
            let (positions, values) = features.stored(column);
            positions.iter().zip(values).for_each(|(position, value)| expanded[*position as usize][index] = *value);
        }
        for (index, row) in rows.enumerate() {
            let mut sums = [0.0; PANEL_NCOL];
            let (positions, values) = features.stored(row);
            for (position, value) in positions.iter().zip(values) {
                add_scaled(&mut sums, *value, &expanded[*position as usize]);
            }
            for (column, sum) in sums[..panel.ncols()].iter().enumerate() {
                panel[(index, column)] = scale * sum;
            }
        }
    }
}
