//! A matrix of which only some entries are stored, the others being zero, in compressed columns.
//!
//! Stored entries that are NaN are missing, and where asked the diagonal is, stored or not.

use crate::error::Error;
use crate::runtime::cancel;
use crate::storage::Storage;
use crate::vector::agree;
use std::ops::Range;

/// Compressed sparse columns over slices that somebody else holds: R's own vectors, whose indices are `i32`.
///
/// faer has a type for this, whose constructor panics where indices are not in order; here that is an error, and no other
/// of its operations is needed.
#[derive(Clone, Copy, Debug)]
pub struct Sparse<'a> {
    nrow: usize,
    starts: &'a [i32],
    rows: &'a [i32],
    values: &'a [f64],
    missing: bool,
    without_diagonal: bool,
    tolerance: f64,
}

/// To what share of their size sums over zeros are interpolated, if nothing else is said.
pub const TOLERANCE: f64 = 1e-13;

impl<'a> Sparse<'a> {
    /// Column `j` has the entries `starts[j]..starts[j + 1]` of `rows` (from 0, rising within a column) and `values`.
    ///
    /// # Errors
    /// [`Error::Length`] where there are not as many rows as values, [`Error::Range`] where the columns' ends do not rise from 0
    /// to the number of values, and where rows do not rise or are outside of the matrix.
    pub fn new(nrow: usize, starts: &'a [i32], rows: &'a [i32], values: &'a [f64]) -> Result<Self, Error> {
        let broken = |what, expected, found: f64| Err(Error::Range { what, expected, found });
        let stored = values.len();
        if rows.len() != stored {
            return Err(Error::Length { what: "row indices", expected: stored, found: rows.len() });
        }
        if starts.first() != Some(&0) || starts.last().is_none_or(|last| usize::try_from(*last) != Ok(stored)) {
            let found = starts.last().map_or(f64::NAN, |last| f64::from(*last));
            return broken("the last column's end", "the number of values, with the first column's start at 0", found);
        }
        if let Some(pair) = starts.windows(2).find(|pair| pair[0] > pair[1]) {
            return broken("a column's end", "at or after its start", f64::from(pair[1]));
        }
        let missing = values.iter().any(|value| value.is_nan());
        let matrix = Self { nrow, starts, rows, values, missing, without_diagonal: false, tolerance: TOLERANCE };
        for column in 0..matrix.ncol() {
            let (rows, _) = matrix.stored(column);
            let in_order = rows.windows(2).all(|pair| pair[0] < pair[1]);
            let inside = rows.first().is_none_or(|first| *first >= 0)
                && rows.last().is_none_or(|last| usize::try_from(*last).is_ok_and(|last| last < nrow));
            if !(in_order && inside) {
                let found = rows.last().map_or(f64::NAN, |last| f64::from(*last));
                return broken(
                    "the last row of a column",
                    "above those before it, which rise, and within the matrix",
                    found,
                );
            }
        }
        Ok(matrix)
    }

    /// The same matrix, its diagonal missing.
    pub fn without_diagonal(self) -> Self {
        Self { without_diagonal: true, ..self }
    }

    /// The same matrix, sums over whose zeros are interpolated to within such a share of their size.
    pub fn within(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    /// To what share of their size sums over zeros are interpolated.
    pub(crate) fn tolerance(&self) -> f64 {
        self.tolerance
    }

    /// The rows and values of the entries of a column that are not zero for certain: those that are stored, and the
    /// diagonal's where that is missing. What is missing is NaN.
    pub(crate) fn entries(&self, column: usize) -> impl Iterator<Item = (usize, f64)> + 'a {
        let (rows, values) = self.stored(column);
        let missing = if self.without_diagonal { column } else { usize::MAX };
        let stored = rows.iter().zip(values).map(move |(row, value)| {
            let row = *row as usize;
            (row, if row == missing { f64::NAN } else { *value })
        });
        let unseen = missing < self.nrow && rows.binary_search(&(column as i32)).is_err();
        stored.chain(unseen.then_some((column, f64::NAN)))
    }

    /// The rows and values of the stored entries of a column.
    pub(crate) fn stored(&self, column: usize) -> (&'a [i32], &'a [f64]) {
        let range = self.starts[column] as usize..self.starts[column + 1] as usize;
        (&self.rows[range.clone()], &self.values[range])
    }

    /// The number of stored entries.
    pub fn count(&self) -> usize {
        self.values.len()
    }

    /// The values of all stored entries.
    pub fn values(&self) -> &'a [f64] {
        self.values
    }

    /// Whether the matrix is square and equals its transpose, to within a difference of `slack`. Each entry is looked up
    /// in its mirror image's column; a stored zero equals one that is not stored.
    pub(crate) fn is_symmetric(&self, slack: f64) -> bool {
        if self.nrow != self.ncol() {
            return false;
        }
        // As columns are gone through in order, so are the mirror images in each of them.
        let mut places: Vec<i32> = self.starts[..self.ncol()].to_vec();
        let mut mirrored = |column: usize, row: i32, value: f64| {
            let (place, end) = (&mut places[row as usize], self.starts[row as usize + 1]);
            while *place < end && (self.rows[*place as usize] as usize) < column {
                *place += 1;
            }
            let stored = *place < end && self.rows[*place as usize] as usize == column;
            let mirror = if stored { self.values[*place as usize] } else { 0.0 };
            agree(value, mirror, slack)
        };
        (0..self.ncol()).all(|column| {
            cancel::check();
            let (rows, values) = self.stored(column);
            rows.iter().zip(values).all(|(row, value)| mirrored(column, *row, *value))
        })
    }
}

impl Storage for Sparse<'_> {
    fn nrow(&self) -> usize {
        self.nrow
    }

    fn ncol(&self) -> usize {
        self.starts.len() - 1
    }

    fn has_missing(&self) -> bool {
        self.missing || self.without_diagonal
    }

    fn sparse(&self) -> Option<&Sparse<'_>> {
        Some(self)
    }

    fn column<'a>(&'a self, column: usize, rows: Range<usize>, buffer: &'a mut [f64]) -> &'a [f64] {
        buffer.fill(0.0);
        let (stored, values) = self.stored(column);
        let first = stored.partition_point(|row| (*row as usize) < rows.start);
        for (row, value) in stored[first..].iter().zip(&values[first..]) {
            match (*row as usize).checked_sub(rows.start).and_then(|place| buffer.get_mut(place)) {
                Some(place) => *place = *value,
                None => break,
            }
        }
        if self.without_diagonal && rows.contains(&column) {
            buffer[column - rows.start] = f64::NAN;
        }
        buffer
    }
}
