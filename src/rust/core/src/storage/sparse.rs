//! Sparse matrices in compressed columns.
//!
//! Stored entries that are NaN are missing. Optionally the diagonal is missing too, whether stored or not.

use crate::error::Error;
use crate::runtime::cancel;
use crate::storage::Storage;
use crate::vector::agree;
use faer::sparse::{SparseColMatRef, SymbolicSparseColMatRef};
use pulp::bytemuck::cast_slice;
use std::ops::Range;

/// The default relative tolerance of interpolated sums over zeros.
pub const DEFAULT_TOLERANCE: f64 = 1e-13;

/// The maximal number of rows and of columns: indices are 32-bit integers.
const MAX_EXTENT: usize = i32::MAX as usize;

/// A view of a matrix in compressed sparse columns; nothing is copied.
#[derive(Clone, Copy, Debug)]
pub struct Sparse<'a> {
    matrix: SparseColMatRef<'a, u32, f64>,
    missing: bool,
    without_diagonal: bool,
    tolerance: f64,
}

impl<'a> Sparse<'a> {
    /// The matrix whose column `j` has the entries `starts[j]..starts[j + 1]` of `rows` (counted from 0, increasing within a
    /// column) and `values`. The indices are R's 32-bit integers.
    ///
    /// All conditions are checked here first: the constructors of faer panic on invalid indices.
    ///
    /// # Errors
    /// [`Error::Length`] if `rows` and `values` have different lengths. [`Error::Range`] if the ends of the columns do not
    /// increase from 0 to the number of values, if rows do not increase or are outside of the matrix, or if the matrix has
    /// 2³¹ rows or columns or more.
    pub fn new(nrow: usize, starts: &'a [i32], rows: &'a [i32], values: &'a [f64]) -> Result<Self, Error> {
        check_starts(starts, rows.len(), values.len())?;
        let ncol = starts.len() - 1;
        if let Some(&extent) = [nrow, ncol].iter().find(|extent| **extent > MAX_EXTENT) {
            let what = "the number of rows or columns";
            return Err(Error::Range { what, expected: "below 2^31", found: extent as f64 });
        }
        for ends in starts.windows(2) {
            check_rows(&rows[ends[0] as usize..ends[1] as usize], nrow)?;
        }
        // All indices are nonnegative, so they have the same bits as unsigned integers.
        let (starts, rows) = (cast_slice::<i32, u32>(starts), cast_slice::<i32, u32>(rows));
        let matrix = SparseColMatRef::new(SymbolicSparseColMatRef::new_checked(nrow, ncol, starts, None, rows), values);
        let missing = values.iter().any(|value| value.is_nan());
        Ok(Self { matrix, missing, without_diagonal: false, tolerance: DEFAULT_TOLERANCE })
    }

    /// The matrix.
    pub fn matrix(&self) -> SparseColMatRef<'a, u32, f64> {
        self.matrix
    }

    /// The same matrix with a missing diagonal.
    pub fn without_diagonal(self) -> Self {
        Self { without_diagonal: true, ..self }
    }

    /// The same matrix with this relative tolerance of interpolated sums over zeros.
    pub fn with_tolerance(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    /// The relative tolerance of interpolated sums over zeros.
    pub(crate) fn tolerance(&self) -> f64 {
        self.tolerance
    }

    /// The rows and values of the entries of a column that are not known to be zero: those that are stored, and that on the
    /// diagonal if it is missing. Missing values are NaN.
    pub(crate) fn entries(&self, column: usize) -> impl Iterator<Item = (usize, f64)> + 'a {
        let (rows, values) = self.stored(column);
        let missing = if self.without_diagonal { column } else { usize::MAX };
        let stored = rows.iter().zip(values).map(move |(row, value)| {
            let row = *row as usize;
            (row, if row == missing { f64::NAN } else { *value })
        });
        let unstored_diagonal = missing < self.nrow() && rows.binary_search(&(column as u32)).is_err();
        stored.chain(unstored_diagonal.then_some((column, f64::NAN)))
    }

    /// The rows and values of the stored entries of a column.
    pub(crate) fn stored(&self, column: usize) -> (&'a [u32], &'a [f64]) {
        (self.matrix.symbolic().row_idx_of_col_raw(column), self.matrix.val_of_col(column))
    }

    /// The number of stored entries.
    pub fn count(&self) -> usize {
        self.values().len()
    }

    /// The values of all stored entries.
    pub fn values(&self) -> &'a [f64] {
        self.matrix.val()
    }

    /// Whether the matrix is square and equals its transpose up to a difference of `slack`. Each entry is compared with its
    /// mirror image; a stored zero equals an entry that is not stored.
    pub(crate) fn is_symmetric(&self, slack: f64) -> bool {
        if self.nrow() != self.ncol() {
            return false;
        }
        let (starts, rows, values) = (self.matrix.col_ptr(), self.matrix.row_idx(), self.values());
        // Columns are visited in order, so the mirror images within each column are too.
        let mut positions: Vec<u32> = starts[..self.ncol()].to_vec();
        let mut is_mirrored = |column: usize, row: u32, value: f64| {
            let (position, end) = (&mut positions[row as usize], starts[row as usize + 1]);
            while *position < end && (rows[*position as usize] as usize) < column {
                *position += 1;
            }
            let stored = *position < end && rows[*position as usize] as usize == column;
            let mirror = if stored { values[*position as usize] } else { 0.0 };
            agree(value, mirror, slack)
        };
        (0..self.ncol()).all(|column| {
            cancel::check();
            let (rows, values) = self.stored(column);
            rows.iter().zip(values).all(|(row, value)| is_mirrored(column, *row, *value))
        })
    }
}

/// Checks that the columns are consecutive ranges of all stored entries.
fn check_starts(starts: &[i32], rows: usize, values: usize) -> Result<(), Error> {
    if rows != values {
        return Err(Error::Length { what: "row indices", expected: values, found: rows });
    }
    if starts.first() != Some(&0) || starts.last().is_none_or(|last| usize::try_from(*last) != Ok(values)) {
        let found = starts.last().map_or(f64::NAN, |last| f64::from(*last));
        let expected = "the number of values, with the first column's start at 0";
        return Err(Error::Range { what: "the last column's end", expected, found });
    }
    match starts.windows(2).find(|pair| pair[0] > pair[1]) {
        Some(pair) => {
            let found = f64::from(pair[1]);
            Err(Error::Range { what: "a column's end", expected: "at or after its start", found })
        }
        None => Ok(()),
    }
}

/// Checks that the rows of a column increase and are within the matrix.
fn check_rows(rows: &[i32], nrow: usize) -> Result<(), Error> {
    let in_order = rows.windows(2).all(|pair| pair[0] < pair[1]);
    let inside = rows.first().is_none_or(|first| *first >= 0)
        && rows.last().is_none_or(|last| usize::try_from(*last).is_ok_and(|last| last < nrow));
    if in_order && inside {
        return Ok(());
    }
    let found = rows.last().map_or(f64::NAN, |last| f64::from(*last));
    let expected = "above those before it, which increase, and within the matrix";
    Err(Error::Range { what: "the last row of a column", expected, found })
}

impl Storage for Sparse<'_> {
    fn nrow(&self) -> usize {
        self.matrix.nrows()
    }

    fn ncol(&self) -> usize {
        self.matrix.ncols()
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
            match (*row as usize).checked_sub(rows.start).and_then(|position| buffer.get_mut(position)) {
                Some(to) => *to = *value,
                None => break,
            }
        }
        if self.without_diagonal && rows.contains(&column) {
            buffer[column - rows.start] = f64::NAN;
        }
        buffer
    }
}
