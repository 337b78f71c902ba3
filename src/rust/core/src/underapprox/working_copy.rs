//! The working copy: what the factors so far leave of the matrix, in the units of the search.

use crate::error::Error;
use crate::residual::{Buffer, ResidualView};
use crate::runtime::cancel;
use crate::vector::add_scaled;

/// What is left of an entry counts as nothing where it is at most this share of it: that is rounding, and rounding
/// would decide which rows and columns a factor may have.
const USED_UP: f64 = 1e-12;
/// The least that counts, in units in which the largest entry is near 1: no product of loadings underflows.
const LEAST: f64 = 1e-100;

/// A candidate `u vᵀ` in the units of the search; of a symmetric matrix, `v = u`.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) u: Vec<f64>,
    pub(super) v: Vec<f64>,
}

impl Pair {
    /// The pair that takes nothing out of a matrix.
    pub(super) fn nothing(matrix: &Sides) -> Self {
        let columns = matrix.columns();
        Self { u: vec![0.0; columns.length()], v: vec![0.0; columns.count()] }
    }

    pub(super) fn transpose(&mut self) {
        std::mem::swap(&mut self.u, &mut self.v);
    }
}

/// A dense matrix by columns. An entry that bounds nothing, since it is missing, is NaN.
pub(super) struct Block {
    values: Vec<f64>,
    length: usize,
}

impl Block {
    fn new(length: usize, count: usize) -> Result<Self, Error> {
        let mut values = Vec::new();
        let refused = |_| Error::Memory { what: "a working copy of the matrix" };
        values.try_reserve_exact(length.saturating_mul(count)).map_err(refused)?;
        values.resize(length * count, 0.0);
        Ok(Self { values, length })
    }

    /// The length of a column.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// The number of columns.
    pub(super) fn count(&self) -> usize {
        self.values.len() / self.length.max(1)
    }

    pub(super) fn column(&self, index: usize) -> &[f64] {
        &self.values[index * self.length..(index + 1) * self.length]
    }

    /// The sum of the squares of a column's observed entries.
    pub(super) fn square(&self, index: usize) -> f64 {
        self.column(index).iter().filter(|value| !value.is_nan()).map(|value| value * value).sum()
    }

    /// `‖R‖² − ‖R − u vᵀ‖²`, what such a pair takes out of this block.
    pub(super) fn gain(&self, u: &[f64], v: &[f64]) -> f64 {
        let column = |index: usize| -> f64 {
            cancel::check();
            let terms = self.column(index).iter().zip(u).filter(|(entry, _)| !entry.is_nan());
            terms.map(|(entry, u)| (2.0 * entry - u * v[index]) * u).sum::<f64>() * v[index]
        };
        (0..self.count()).filter(|&index| v[index] > 0.0).map(column).sum()
    }

    fn columns_mut(&mut self) -> impl Iterator<Item = &mut [f64]> {
        self.values.chunks_exact_mut(self.length.max(1))
    }

    /// Writes the transpose of `other` here.
    fn transpose(&mut self, other: &Self) {
        // Square blocks, so that what is read along rows stays within the cache.
        const SIDE: usize = 32;
        for first in (0..other.count()).step_by(SIDE) {
            cancel::check();
            for start in (0..other.length).step_by(SIDE) {
                for column in first..(first + SIDE).min(other.count()) {
                    for row in start..(start + SIDE).min(other.length) {
                        self.values[row * self.length + column] = other.values[column * other.length + row];
                    }
                }
            }
        }
    }
}

/// A matrix and its transpose; of a symmetric one, these are one.
pub(super) struct Sides {
    by_column: Block,
    by_row: Option<Block>,
}

impl Sides {
    fn new(nrow: usize, ncol: usize, symmetric: bool) -> Result<Self, Error> {
        let by_row = if symmetric { None } else { Some(Block::new(ncol, nrow)?) };
        Ok(Self { by_column: Block::new(nrow, ncol)?, by_row })
    }

    pub(super) fn columns(&self) -> &Block {
        &self.by_column
    }

    pub(super) fn rows(&self) -> &Block {
        self.by_row.as_ref().unwrap_or(&self.by_column)
    }

    fn finish(&mut self) {
        if let Some(rows) = &mut self.by_row {
            rows.transpose(&self.by_column);
        }
    }

    /// The sum of the squares of the observed entries.
    pub(super) fn square(&self) -> f64 {
        let square = |index: usize| {
            cancel::check();
            self.by_column.square(index)
        };
        (0..self.by_column.count()).map(square).sum()
    }
}

/// The bounds `(1 − margin) A₊` that the sum of all factors is held to.
pub(super) fn bounds(view: &ResidualView, margin: f64) -> Result<Sides, Error> {
    let mut sides = Sides::new(view.nrow(), view.ncol(), view.is_symmetric())?;
    let block = &mut sides.by_column;
    let mut buffer = Buffer::new(view.nrow());
    for (index, column) in block.columns_mut().enumerate() {
        cancel::check();
        for (bound, &entry) in column.iter_mut().zip(view.column(index, 0..view.nrow(), &mut buffer)) {
            // Not `max`, which would turn a missing entry into a zero.
            *bound = if entry < 0.0 { 0.0 } else { entry * (1.0 - margin) };
        }
    }
    if view.is_symmetric() {
        symmetrise(block);
    }
    sides.finish();
    Ok(sides)
}

/// Both entries of a pair become the smaller one: a symmetric matrix may differ from its transpose by rounding.
fn symmetrise(block: &mut Block) {
    let order = block.length;
    for column in 0..order {
        cancel::check();
        for row in 0..column {
            let (upper, lower) = (column * order + row, row * order + column);
            let least = block.values[upper].min(block.values[lower]);
            (block.values[upper], block.values[lower]) = (least, least);
        }
    }
}

/// What is left of some bounds.
pub(super) struct Residual<'a> {
    bounds: &'a Sides,
    left: Sides,
}

impl<'a> Residual<'a> {
    pub(super) fn new(bounds: &'a Sides) -> Result<Self, Error> {
        let block = bounds.columns();
        let left = Sides::new(block.length(), block.count(), bounds.by_row.is_none())?;
        Ok(Self { bounds, left })
    }

    pub(super) fn bounds(&self) -> &'a Sides {
        self.bounds
    }

    /// The bounds minus `pairs`; what is used up but for rounding is zero.
    pub(super) fn after<'b>(&mut self, pairs: impl Iterator<Item = &'b Pair> + Clone) -> &Sides {
        for (index, column) in self.left.by_column.columns_mut().enumerate() {
            cancel::check();
            let bounds = self.bounds.by_column.column(index);
            column.copy_from_slice(bounds);
            for pair in pairs.clone().filter(|pair| pair.v[index] > 0.0) {
                add_scaled(column, -pair.v[index], &pair.u);
            }
            for (left, bound) in column.iter_mut().zip(bounds) {
                if *left <= USED_UP * bound || *left < LEAST {
                    *left = 0.0;
                }
            }
        }
        self.left.finish();
        &self.left
    }
}
