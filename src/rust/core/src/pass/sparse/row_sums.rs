//! Sums over zeros for each row or column, grouped by the support of the factors there.

use crate::pass::sparse::chebyshev::{fit, Interval, Series, FUNCTIONS};
use crate::pass::sparse::grid::Grid;
use crate::pass::stats::SUMS;
use crate::pass::{Model, PassStats};
use crate::runtime::parallel::Threads;
use crate::support::Support;

/// The number of rows of a job, and the minimal number of rows of a range that is halved.
pub(crate) const ROWS_PER_JOB: usize = 1 << 12;
/// The rounding error of a sum of `n` terms, relative to its size, is about `√n` times this.
const ROUNDING: f64 = 8.0 * f64::EPSILON;
/// After so many halvings, the rows of a range are evaluated one by one.
const MAX_HALVINGS: usize = 8;
/// Numbers of additional steps between nodes, beyond those that a single entry needs, tried in turn.
const EXTRA_STEPS: [usize; 2] = [0, 4];
/// The minimal number of rows per node of a grid.
const MIN_ROWS_PER_NODE: usize = 2;

/// Some factors, and the columns where at least one of them has a loading.
pub(crate) struct Block {
    /// The factors.
    pub(crate) factors: Vec<usize>,
    /// `y_jk` at these columns, one vector per factor.
    pub(crate) others: Vec<Vec<f64>>,
    /// `q_j` at these columns.
    pub(crate) weights: Vec<f64>,
    /// The number of all other columns, and the sums of their weights and squared weights.
    pub(crate) inactive: [f64; 3],
}

impl Block {
    /// A single column of weight 1, where one factor has the loading `y`.
    pub(crate) fn entry(factor: usize, y: f64) -> Self {
        Self { factors: vec![factor], others: vec![vec![y]], weights: vec![1.0], inactive: [0.0; 3] }
    }
}

/// The values of a row: product, curvature and sums.
pub(crate) type RowValues = [f64; FUNCTIONS];

/// A function that evaluates a row, at some level of the pass.
pub(crate) type RowEvaluator = fn(Row) -> (RowValues, f64);

/// A row with the loadings `w` of the block's factors.
pub(crate) struct Row<'a> {
    pub(crate) block: &'a Block,
    pub(crate) w: &'a [f64],
    pub(crate) model: Model<'a>,
    /// The index of the factor of the model.
    pub(crate) last: usize,
    pub(crate) shift: f64,
}

/// Sums over one side of the matrix for each element of the other, here called a row. The last factor is the model's.
pub(crate) struct ZeroRowSums<'a> {
    /// `w_ik`, one vector per factor.
    pub(crate) loadings: Vec<&'a [f64]>,
    /// `y_jk` without the weight `d_k`, one vector per factor.
    pub(crate) others: Vec<&'a [f64]>,
    /// `d_k`.
    pub(crate) d: Vec<f64>,
    /// `q_j`.
    pub(crate) weights: &'a [f64],
    pub(crate) model: Model<'a>,
    pub(crate) shift: f64,
    pub(crate) tolerance: f64,
    pub(crate) evaluate_row: RowEvaluator,
    pub(crate) curved: bool,
}

/// Sums by row, and over all rows.
pub(crate) struct RowSums {
    pub(crate) products: Vec<f64>,
    pub(crate) curvatures: Vec<f64>,
    pub(crate) sums: PassStats,
    total: [f64; SUMS],
}

impl RowSums {
    /// Sets the product and the curvature of a row.
    pub(crate) fn put(&mut self, row: u32, product: f64, curvature: f64) {
        self.products[row as usize] = product;
        // Empty if curvatures are not requested.
        if let Some(sum) = self.curvatures.get_mut(row as usize) {
            *sum = curvature;
        }
    }

    /// Adds to the sums over all rows.
    pub(crate) fn add(&mut self, part: &[f64], weight: f64) {
        self.total.iter_mut().zip(part).for_each(|(total, part)| *total += weight * part);
    }

    /// Raises the largest residual to at least `maximum`.
    pub(crate) fn raise_maximum(&mut self, maximum: f64) {
        self.sums.maximum = self.sums.maximum.max(maximum);
    }
}

impl ZeroRowSums<'_> {
    /// The sums of each row, given the supports of the factors on the rows.
    pub(crate) fn sums_by_row(&self, supports: Vec<Support>, threads: Threads) -> RowSums {
        let count = self.loadings[0].len();
        let mut row_sums = RowSums {
            products: vec![0.0; count],
            curvatures: vec![0.0; if self.curved { count } else { 0 }],
            sums: PassStats::empty(self.shift),
            total: [0.0; SUMS],
        };
        for support in supports {
            let block = self.block(&support);
            match block.factors[..] {
                [] => {
                    let (values, maximum) = self.row(&block, &[]);
                    row_sums.raise_maximum(maximum);
                    support.elements.iter().for_each(|&row| row_sums.put(row, values[0], values[1]));
                    row_sums.add(&values[2..], support.elements.len() as f64);
                }
                [factor] if !block.weights.is_empty() => {
                    self.single(&block, factor, support.elements, &mut row_sums, threads);
                }
                _ => self.overlap(&block, &support.elements, &mut row_sums, threads),
            }
        }
        row_sums.sums =
            PassStats { maximum: row_sums.sums.maximum, ..PassStats::from_values(row_sums.total, self.shift) };
        row_sums
    }

    /// The columns on which the factors of a support have loadings.
    fn block(&self, support: &Support) -> Block {
        let factors: Vec<usize> = support.factors().collect();
        let (mut others, mut weights) = (vec![Vec::new(); factors.len()], Vec::new());
        let mut inactive = [0.0; 3];
        for (column, &weight) in self.weights.iter().enumerate() {
            if factors.iter().any(|&factor| self.d[factor] * self.others[factor][column] != 0.0) {
                weights.push(weight);
                others.iter_mut().zip(&factors).for_each(|(other, &k)| other.push(self.d[k] * self.others[k][column]));
            } else {
                inactive = [inactive[0] + 1.0, inactive[1] + weight, inactive[2] + weight * weight];
            }
        }
        Block { factors, others, weights, inactive }
    }

    /// The tolerance, or the rounding error of a sum over the columns if that is larger.
    pub(crate) fn attainable_tolerance(&self, block: &Block) -> f64 {
        self.tolerance.max(ROUNDING * (block.weights.len() as f64).sqrt())
    }

    /// The values of one row with the loadings `w` on the block's factors, and its largest residual.
    pub(crate) fn row(&self, block: &Block, w: &[f64]) -> (RowValues, f64) {
        let last = self.others.len() - 1;
        (self.evaluate_row)(Row { block, w, model: self.model, last, shift: self.shift })
    }

    /// Adds rows with a loading on one factor, by interpolation if there are more rows than nodes.
    fn single(&self, block: &Block, factor: usize, rows: Vec<u32>, row_sums: &mut RowSums, threads: Threads) {
        let w = |row: &u32| self.loadings[factor][*row as usize];
        let columns = Interval::around(block.others[0].iter().copied());
        let mut ranges = vec![(rows, 0)];
        while let Some((rows, halvings)) = ranges.pop() {
            let interval = Interval::around(rows.iter().map(w));
            let mut moments = Vec::new();
            let series = fit(interval, self.attainable_tolerance(block), rows.len(), |nodes| {
                self.at_nodes(block, columns, nodes, &mut moments, threads)
            });
            match series {
                Some(series) => {
                    row_sums.raise_maximum(if block.inactive[0] > 0.0 {
                        0.0
                    } else {
                        -interval.lower() * columns.lower()
                    });
                    self.interpolate(&series, interval, self.loadings[factor], &rows, row_sums, threads);
                }
                None if halvings < MAX_HALVINGS && rows.len() > ROWS_PER_JOB => {
                    // A wide range is halved on the log scale.
                    let middle = (interval.lower() * interval.upper()).sqrt();
                    let (low, high): (Vec<u32>, Vec<u32>) = rows.iter().partition(|row| w(row) <= middle);
                    let halves = [high, low].into_iter().filter(|rows| !rows.is_empty());
                    ranges.extend(halves.map(|rows| (rows, halvings + 1)));
                }
                None => self.one_by_one(block, &rows, row_sums, threads),
            }
        }
    }

    /// The values of rows with the loadings `nodes` on the block's only factor. `moments` caches those of the columns.
    fn at_nodes(
        &self,
        block: &Block,
        columns: Interval,
        nodes: &[f64],
        moments: &mut Vec<[f64; 3]>,
        threads: Threads,
    ) -> Vec<RowValues> {
        let series = threads.map(nodes.len(), |node| {
            let along = |columns: &[f64]| columns.iter().map(|y| self.entry(block, nodes[node], *y)).collect();
            fit(columns, self.tolerance, block.weights.len(), along)
        });
        let series: Option<Vec<Series>> = series.into_iter().collect();
        let Some(series) = series else {
            return threads.map(nodes.len(), |node| self.row(block, &nodes[node..=node]).0);
        };
        let order = series.iter().map(Series::order).max().unwrap_or(0);
        if moments.len() <= order {
            *moments = columns.moments(order, &block.others[0], |column| block.weights[column], threads);
        }
        let empty = Block { factors: Vec::new(), others: Vec::new(), weights: Vec::new(), inactive: block.inactive };
        let inactive = self.row(&empty, &[]).0;
        let sum = |series: &Series| {
            let mut sum = series.summed(moments);
            sum.iter_mut().zip(inactive).for_each(|(sum, inactive)| *sum += inactive);
            sum
        };
        series.iter().map(sum).collect()
    }

    /// Adds rows whose sums `series` gives as functions of their loadings `w`.
    fn interpolate(
        &self,
        series: &Series,
        interval: Interval,
        w: &[f64],
        rows: &[u32],
        row_sums: &mut RowSums,
        threads: Threads,
    ) {
        let pieces: Vec<&[u32]> = rows.chunks(ROWS_PER_JOB).collect();
        let mut moments = vec![[0.0; 3]; series.order() + 1];
        threads.fold(
            pieces.len(),
            |piece| {
                let points: Vec<f64> = pieces[piece].iter().map(|&row| w[row as usize]).collect();
                let part = interval.moments(series.order(), &points, |_| 0.0, Threads::new(1));
                (series.values(&points), part)
            },
            |piece, (values, part)| {
                moments.iter_mut().zip(part).for_each(|(total, part)| total[0] += part[0]);
                for (&row, [product, curvature]) in pieces[piece].iter().zip(values) {
                    row_sums.put(row, product, curvature);
                }
            },
        );
        row_sums.add(&series.summed(&moments)[2..], 1.0);
    }

    /// Adds rows on which factors overlap: from a grid if that has fewer nodes than there are rows, otherwise one by one.
    pub(crate) fn overlap(&self, block: &Block, rows: &[u32], row_sums: &mut RowSums, threads: Threads) {
        let Some(axes) = self.axes(block, rows) else { return self.one_by_one(block, rows, row_sums, threads) };
        for extra in EXTRA_STEPS {
            let wider = axes.iter().map(|&(interval, order)| (interval, if order > 0 { order + extra } else { 0 }));
            let grid = Grid::new(wider.collect());
            if grid.count().saturating_mul(MIN_ROWS_PER_NODE) > rows.len() {
                break;
            }
            let nodes = threads.map(grid.count(), |node| self.row(block, &grid.node(node)));
            let values = nodes.iter().map(|(values, _)| *values).collect();
            if let Some(series) = grid.fit(values, self.attainable_tolerance(block)) {
                nodes.iter().for_each(|(_, maximum)| row_sums.raise_maximum(*maximum));
                let at = |index: usize| self.loadings_of(block, rows[index]);
                let put = |index: usize, [product, curvature]: [f64; 2]| row_sums.put(rows[index], product, curvature);
                let sums = series.evaluate(rows.len(), at, put, threads);
                row_sums.add(&sums[2..], 1.0);
                return;
            }
        }
        self.one_by_one(block, rows, row_sums, threads);
    }

    /// The range of loadings on each factor, and the number of steps between nodes that a sum over the columns needs there. No
    /// more are needed than for a single entry of the largest column loading: other factors move the residual to where the
    /// functions are smoother.
    fn axes(&self, block: &Block, rows: &[u32]) -> Option<Vec<(Interval, usize)>> {
        let axis = |(position, &factor): (usize, &usize)| {
            let interval = Interval::around(rows.iter().map(|&row| self.loadings[factor][row as usize]));
            let largest = block.others[position].iter().copied().fold(0.0, f64::max);
            let span = Interval::around([0.0, interval.upper() - interval.lower()].into_iter());
            let along = |points: &[f64]| points.iter().map(|w| self.entry(block, *w, largest)).collect();
            let series = fit(span, self.tolerance, rows.len(), along)?;
            Some((interval, series.needed(self.tolerance)))
        };
        block.factors.iter().enumerate().map(axis).collect()
    }

    /// The values of a single entry of weight 1 where one factor has the loadings `w` and `y`.
    pub(crate) fn entry(&self, block: &Block, w: f64, y: f64) -> RowValues {
        self.row(&Block::entry(block.factors[0], y), &[w]).0
    }

    /// Adds rows one by one.
    pub(crate) fn one_by_one(&self, block: &Block, rows: &[u32], row_sums: &mut RowSums, threads: Threads) {
        for rows in rows.chunks(ROWS_PER_JOB) {
            let values_by_row = threads.map(rows.len(), |index| self.row(block, &self.loadings_of(block, rows[index])));
            for (&row, (values, maximum)) in rows.iter().zip(values_by_row) {
                row_sums.put(row, values[0], values[1]);
                row_sums.add(&values[2..], 1.0);
                row_sums.raise_maximum(maximum);
            }
        }
    }

    fn loadings_of(&self, block: &Block, row: u32) -> Vec<f64> {
        block.factors.iter().map(|&factor| self.loadings[factor][row as usize]).collect()
    }
}
