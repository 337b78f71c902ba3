//! PassStats over zeros for each row, or each column, by which factors have a loading there.

use crate::pass::sparse::chebyshev::{fit, Interval, Series};
use crate::pass::sparse::zero_row::{Block, Look, Row, RowYield};
use crate::pass::stats::SUMS;
use crate::pass::{Model, PassStats};
use crate::runtime::parallel::Threads;
use crate::support::Support;

/// The rows that a thread takes at a time, and the least that are halved.
pub(crate) const ROWS: usize = 1 << 12;
/// A sum of `n` numbers has lost some `√n` times this.
const ROUNDING: f64 = 8.0 * f64::EPSILON;
/// Ranges that are halved so often are gone over row by row instead.
const MAX_HALVINGS: usize = 8;

/// PassStats over one side of the matrix for each element of the other, here called a row. The last factor is the model's.
pub(crate) struct Margin<'a> {
    /// `w_ik`, a vector a factor.
    pub(crate) loadings: Vec<&'a [f64]>,
    /// `y_jk`, a vector a factor, but for the weight.
    pub(crate) others: Vec<&'a [f64]>,
    /// `d_k`.
    pub(crate) d: Vec<f64>,
    /// `q_j`.
    pub(crate) weights: &'a [f64],
    pub(crate) model: Model<'a>,
    pub(crate) shift: f64,
    pub(crate) tolerance: f64,
    pub(crate) look: Look,
    pub(crate) curved: bool,
}

/// By row, and over all.
pub(crate) struct Found {
    pub(crate) products: Vec<f64>,
    pub(crate) curvatures: Vec<f64>,
    pub(crate) sums: PassStats,
    total: [f64; SUMS],
}

impl Found {
    pub(crate) fn put(&mut self, row: u32, product: f64, curvature: f64) {
        self.products[row as usize] = product;
        // Without rows where none are asked for.
        if let Some(place) = self.curvatures.get_mut(row as usize) {
            *place = curvature;
        }
    }

    pub(crate) fn add(&mut self, part: &[f64], weight: f64) {
        self.total.iter_mut().zip(part).for_each(|(total, part)| *total += weight * part);
    }

    pub(crate) fn widen(&mut self, maximum: f64) {
        self.sums.maximum = self.sums.maximum.max(maximum);
    }
}

impl Margin<'_> {
    /// The sums of each row, whose patterns of loadings these are.
    pub(crate) fn sums_by_row(&self, supports: Vec<Support>, threads: Threads) -> Found {
        let count = self.loadings[0].len();
        let mut found = Found {
            products: vec![0.0; count],
            curvatures: vec![0.0; if self.curved { count } else { 0 }],
            sums: PassStats::empty(self.shift),
            total: [0.0; SUMS],
        };
        for pattern in supports {
            let block = self.block(&pattern);
            match block.factors[..] {
                [] => {
                    let (all, maximum) = self.row(&block, &[]);
                    found.widen(maximum);
                    pattern.elements.iter().for_each(|&row| found.put(row, all[0], all[1]));
                    found.add(&all[2..], pattern.elements.len() as f64);
                }
                [factor] if !block.weights.is_empty() => {
                    self.single(&block, factor, pattern.elements, &mut found, threads);
                }
                _ => self.overlap(&block, &pattern.elements, &mut found, threads),
            }
        }
        found.sums = PassStats { maximum: found.sums.maximum, ..PassStats::from_values(found.total, self.shift) };
        found
    }

    /// What the rows of a pattern meet.
    fn block(&self, pattern: &Support) -> Block {
        let factors: Vec<usize> = pattern.factors().collect();
        let (mut others, mut weights) = (vec![Vec::new(); factors.len()], Vec::new());
        let mut idle = [0.0; 3];
        for (column, &weight) in self.weights.iter().enumerate() {
            if factors.iter().any(|&factor| self.d[factor] * self.others[factor][column] != 0.0) {
                weights.push(weight);
                others.iter_mut().zip(&factors).for_each(|(other, &k)| other.push(self.d[k] * self.others[k][column]));
            } else {
                idle = [idle[0] + 1.0, idle[1] + weight, idle[2] + weight * weight];
            }
        }
        Block { factors, others, weights, idle }
    }

    /// The tolerance, or what a sum over the columns, one after another, is not better known than.
    pub(crate) fn reachable(&self, block: &Block) -> f64 {
        self.tolerance.max(ROUNDING * (block.weights.len() as f64).sqrt())
    }

    /// What one row with the loadings `w` of the block's factors yields, and its largest residual.
    pub(crate) fn row(&self, block: &Block, w: &[f64]) -> (RowYield, f64) {
        let last = self.others.len() - 1;
        (self.look)(Row { block, w, model: self.model, last, shift: self.shift })
    }

    /// Rows on which one factor has a loading: interpolated, where they are more than its nodes.
    fn single(&self, block: &Block, factor: usize, rows: Vec<u32>, found: &mut Found, threads: Threads) {
        let w = |row: &u32| self.loadings[factor][*row as usize];
        let columns = Interval::around(block.others[0].iter().copied());
        let mut ranges = vec![(rows, 0)];
        while let Some((rows, halvings)) = ranges.pop() {
            let interval = Interval::around(rows.iter().map(w));
            let mut moments = Vec::new();
            let series = fit(interval, self.reachable(block), rows.len(), |nodes| {
                self.at_nodes(block, columns, nodes, &mut moments, threads)
            });
            match series {
                Some(series) => {
                    found.widen(if block.idle[0] > 0.0 { 0.0 } else { -interval.least() * columns.least() });
                    self.interpolate(&series, interval, self.loadings[factor], &rows, found, threads);
                }
                None if halvings < MAX_HALVINGS && rows.len() > ROWS => {
                    // Where the range is wide, halves of it in the log scale.
                    let middle = (interval.least() * interval.largest()).sqrt();
                    let (low, high): (Vec<u32>, Vec<u32>) = rows.iter().partition(|row| w(row) <= middle);
                    let halves = [high, low].into_iter().filter(|rows| !rows.is_empty());
                    ranges.extend(halves.map(|rows| (rows, halvings + 1)));
                }
                None => self.one_by_one(block, &rows, found, threads),
            }
        }
    }

    /// What rows with the loadings `nodes` of the block's only factor yield. `moments` are those of the columns, as far as
    /// they are known.
    fn at_nodes(
        &self,
        block: &Block,
        columns: Interval,
        nodes: &[f64],
        moments: &mut Vec<[f64; 3]>,
        threads: Threads,
    ) -> Vec<RowYield> {
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
        let nothing = Block { factors: Vec::new(), others: Vec::new(), weights: Vec::new(), idle: block.idle };
        let idle = self.row(&nothing, &[]).0;
        let sum = |series: &Series| {
            let mut sum = series.summed(moments);
            sum.iter_mut().zip(idle).for_each(|(sum, idle)| *sum += idle);
            sum
        };
        series.iter().map(sum).collect()
    }

    fn interpolate(
        &self,
        series: &Series,
        interval: Interval,
        w: &[f64],
        rows: &[u32],
        found: &mut Found,
        threads: Threads,
    ) {
        let pieces: Vec<&[u32]> = rows.chunks(ROWS).collect();
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
                    found.put(row, product, curvature);
                }
            },
        );
        found.add(&series.summed(&moments)[2..], 1.0);
    }
}
