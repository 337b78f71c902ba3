//! Rows of zeros on which several factors have a loading.

use crate::pass::sparse::chebyshev::{fit, Interval};
use crate::pass::sparse::grid::Grid;
use crate::pass::sparse::row_sums::{Found, Margin, ROWS};
use crate::pass::sparse::zero_row::{Block, RowYield};
use crate::runtime::parallel::Threads;

/// Steps between nodes, beyond those that one entry asks for, that are tried in turn.
const EXTRA: [usize; 2] = [0, 4];
/// How many rows there must be for each node of a grid.
const ROWS_A_NODE: usize = 2;

impl Margin<'_> {
    /// What such rows yield: from a grid, where that has fewer nodes than they are, or one by one.
    pub(crate) fn overlap(&self, block: &Block, rows: &[u32], found: &mut Found, threads: Threads) {
        let Some(axes) = self.axes(block, rows) else { return self.one_by_one(block, rows, found, threads) };
        for extra in EXTRA {
            let wider = axes.iter().map(|&(interval, order)| (interval, if order > 0 { order + extra } else { 0 }));
            let grid = Grid::new(wider.collect());
            if grid.count().saturating_mul(ROWS_A_NODE) > rows.len() {
                break;
            }
            let nodes = threads.map(grid.count(), |node| self.row(block, &grid.node(node)));
            let values = nodes.iter().map(|(values, _)| *values).collect();
            if let Some(series) = grid.fit(values, self.reachable(block)) {
                nodes.iter().for_each(|(_, maximum)| found.widen(*maximum));
                let at = |index: usize| self.loadings_of(block, rows[index]);
                let put = |index: usize, [product, curvature]: [f64; 2]| found.put(rows[index], product, curvature);
                let sums = series.evaluate(rows.len(), at, put, threads);
                found.add(&sums[2..], 1.0);
                return;
            }
        }
        self.one_by_one(block, rows, found, threads);
    }

    /// For each factor the range of its loadings, and how many steps between nodes a sum over the columns wants there: no
    /// more than an entry of the largest column alone. What other factors say of it takes its residual to where it is smoother.
    fn axes(&self, block: &Block, rows: &[u32]) -> Option<Vec<(Interval, usize)>> {
        let axis = |(place, &factor): (usize, &usize)| {
            let interval = Interval::around(rows.iter().map(|&row| self.loadings[factor][row as usize]));
            let largest = block.others[place].iter().copied().fold(0.0, f64::max);
            let span = Interval::around([0.0, interval.largest() - interval.least()].into_iter());
            let along = |points: &[f64]| points.iter().map(|w| self.entry(block, *w, largest)).collect();
            let series = fit(span, self.tolerance, rows.len(), along)?;
            Some((interval, series.needed(self.tolerance)))
        };
        block.factors.iter().enumerate().map(axis).collect()
    }

    /// What a single entry yields where one factor has the loadings `w` and `y`, with a weight of 1.
    pub(crate) fn entry(&self, block: &Block, w: f64, y: f64) -> RowYield {
        self.row(&Block::entry(block.factors[0], y), &[w]).0
    }

    /// What rows yield, one by one.
    pub(crate) fn one_by_one(&self, block: &Block, rows: &[u32], found: &mut Found, threads: Threads) {
        for rows in rows.chunks(ROWS) {
            let yields = threads.map(rows.len(), |index| self.row(block, &self.loadings_of(block, rows[index])));
            for (&row, (values, maximum)) in rows.iter().zip(yields) {
                found.put(row, values[0], values[1]);
                found.add(&values[2..], 1.0);
                found.widen(maximum);
            }
        }
    }

    fn loadings_of(&self, block: &Block, row: u32) -> Vec<f64> {
        block.factors.iter().map(|&factor| self.loadings[factor][row as usize]).collect()
    }
}
