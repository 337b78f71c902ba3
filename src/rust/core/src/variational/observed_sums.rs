//! Weighted sums over the observed entries of each row and of each column.

use crate::pass::{product, RowColSums};
use crate::residual::ResidualView;
use crate::runtime::cancel::checked;
use crate::runtime::parallel::Threads;
use crate::storage::{Sparse, Storage};
use faer::{Col, ColRef};
use std::ops::Range;

/// `Σ_j q_j/s_ij²` over the observed entries of each row, and `Σ_i p_i/s_ij²` over those of each column.
pub(crate) fn observed_sums(view: &ResidualView, threads: Threads, p: &[f64], q: &[f64]) -> RowColSums {
    let symmetric = view.is_symmetric();
    if !view.is_homoscedastic() {
        return dense_sums(view, threads, p, q);
    }
    if !view.has_missing() {
        let columns = if symmetric { Col::zeros(0) } else { Col::full(q.len(), p.iter().sum()) };
        return RowColSums { rows: Col::full(p.len(), q.iter().sum()), columns };
    }
    match view.sparse() {
        Some((stored, _)) => sparse_sums(stored, symmetric, p, q),
        None => dense_sums(view, threads, p, q),
    }
}

fn dense_sums(view: &ResidualView, threads: Threads, p: &[f64], q: &[f64]) -> RowColSums {
    let precisions = Precisions(view);
    let view = ResidualView::new(&precisions, &[], view.is_symmetric());
    product(&view, ColRef::from_slice(p), ColRef::from_slice(q), threads)
}

/// The sums for a sparse matrix with missing entries, in time proportional to the number of stored entries.
///
/// Each is a sum over the runs between missing entries. Subtracting the missing entries from a total would lose digits in
/// rows with few observed entries, whose variance is large.
fn sparse_sums(stored: &Sparse, symmetric: bool, p: &[f64], q: &[f64]) -> RowColSums {
    let (along_rows, along_columns) = (RangeSums::new(q), RangeSums::new(p));
    // Columns are visited in order, and so are the missing entries of each row.
    let mut rows = vec![RunningSum::default(); p.len()];
    let column = |column: usize| {
        let missing = stored.entries(column).filter(|(_, value)| value.is_nan()).map(|(row, _)| row);
        let mut missing: Vec<usize> = missing.collect();
        // A missing diagonal entry that is not stored comes last.
        missing.sort_unstable();
        missing.iter().for_each(|row| rows[*row].skip(column, &along_rows));
        if symmetric {
            return None;
        }
        let mut sum = RunningSum::default();
        missing.iter().for_each(|row| sum.skip(*row, &along_columns));
        Some(sum.finish(&along_columns))
    };
    let columns = checked(0..q.len()).filter_map(column).collect();
    RowColSums { rows: rows.into_iter().map(|row| row.finish(&along_rows)).collect(), columns }
}

/// The sum over a row or column up to its last missing entry so far.
#[derive(Clone, Default)]
struct RunningSum {
    sum: f64,
    next: usize,
}

impl RunningSum {
    /// Adds the entries between the last missing one and this one.
    fn skip(&mut self, missing: usize, sums: &RangeSums) {
        self.sum += sums.sum(self.next..missing);
        self.next = missing + 1;
    }

    /// The sum over the whole row or column.
    fn finish(self, sums: &RangeSums) -> f64 {
        self.sum + sums.sum(self.next..sums.length())
    }
}

/// Sums of nonnegative numbers over any range without cancellation: a binary tree whose nodes hold the sums of their children.
struct RangeSums(Vec<f64>);

impl RangeSums {
    fn new(values: &[f64]) -> Self {
        let length = values.len();
        let mut nodes = vec![0.0; length];
        nodes.extend(values);
        for index in (1..length).rev() {
            nodes[index] = nodes[2 * index] + nodes[2 * index + 1];
        }
        Self(nodes)
    }

    fn length(&self) -> usize {
        self.0.len() / 2
    }

    fn sum(&self, range: Range<usize>) -> f64 {
        let (mut first, mut end) = (range.start + self.length(), range.end + self.length());
        let mut sum = 0.0;
        while first < end {
            if first % 2 == 1 {
                sum += self.0[first];
                first += 1;
            }
            if end % 2 == 1 {
                end -= 1;
                sum += self.0[end];
            }
            first /= 2;
            end /= 2;
        }
        sum
    }
}

/// The matrix with entries `1/s²`, missing where the original is.
struct Precisions<'a>(&'a ResidualView<'a>);

impl Storage for Precisions<'_> {
    fn nrow(&self) -> usize {
        self.0.nrow()
    }

    fn ncol(&self) -> usize {
        self.0.ncol()
    }

    fn has_missing(&self) -> bool {
        true
    }

    fn column<'a>(&'a self, column: usize, rows: Range<usize>, buffer: &'a mut [f64]) -> &'a [f64] {
        self.0.precisions(column, rows, buffer);
        buffer
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use crate::residual::ResidualView;
    use crate::runtime::parallel::Threads;
    use crate::storage::{Sparse, Storage};
    use crate::variational::observed_sums::{dense_sums, sparse_sums};

    /// Squares of loadings of very different sizes: all but one are small.
    fn squares(count: usize) -> Vec<f64> {
        (0..count)
            .map(|index| ((index as f64 + 0.3) * 12.9898).sin().abs() * 1e-20f64.powi(i32::from(index != 2)))
            .collect()
    }

    #[test]
    fn sparse_sums_agree_with_dense_ones() {
        // Rows 2 and 4 have no observed entry; observed entries that are stored do not matter.
        let missing =
            |row: usize, column: usize| row == 2 || row == 4 || column == 2 || column == 4 || row + column == 9;
        for (nrow, ncol, symmetric, without_diagonal) in
            [(7, 7, true, true), (7, 7, true, false), (6, 11, false, false), (1, 5, false, true)]
        {
            let (mut starts, mut rows, mut values) = (vec![0], Vec::new(), Vec::new());
            for column in 0..ncol {
                for row in (0..nrow).filter(|row| missing(*row, column) || (row * column) % 3 == 1) {
                    rows.push(row as i32);
                    values.push(if missing(row, column) { f64::NAN } else { 1.0 });
                }
                starts.push(rows.len() as i32);
            }
            let stored = Sparse::new(nrow, &starts, &rows, &values).expect("compressed columns");
            let stored = if without_diagonal { stored.without_diagonal() } else { stored };
            let (p, q) = (squares(nrow), squares(ncol));
            let found = sparse_sums(&stored, symmetric, &p, &q);
            let expected = dense_sums(&ResidualView::new(&stored, &[], symmetric), Threads::new(1), &p, &q);
            assert_eq!(found.columns.nrows(), if symmetric { 0 } else { stored.ncol() });
            let pairs = found.rows.iter().zip(expected.rows()).chain(found.columns.iter().zip(expected.columns()));
            for (found, expected) in pairs {
                assert!((found - expected).abs() <= 1e-12 * expected, "{found} {expected}");
            }
        }
    }
}
