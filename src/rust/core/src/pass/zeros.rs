//! What a sweep would find were every entry zero, without going over them one by one.
//!
//! There the residual `−Σ_k w_ik y_jk` depends on the loadings alone. In a row where no factor has a loading it is zero: one
//! entry tells all. In a row where one factor has, every sum over the columns is a smooth function of that loading, and
//! interpolated ([`super::chebyshev`]) where rows are many. Rows on which factors overlap are gone over, but only at the
//! columns where one of them has a loading.

use super::chebyshev::{fit, Series, POINTS};
use super::line::{level, Kernel, Line, Totals};
use super::sums::SUMS;
use super::{margins, Margins, Model, Question, Sums, Sweep};
use crate::noise::Law;
use crate::parallel::Threads;
use crate::view::{Factor, View};
use pulp::{Arch, Simd, WithSimd};
use std::collections::BTreeMap;

/// The most factors: a pattern of loadings is a set of bits.
const MOST_FACTORS: usize = 64;
/// The rows that a thread takes at a time.
const ROWS: usize = 1 << 12;
/// Ranges that are halved so often are gone over row by row instead.
const MOST_HALVINGS: usize = 8;

/// The sweep over zeros; `None` where there are too many factors.
pub(super) fn zeros<const LEVEL: u8>(
    view: &View,
    taken: &[&Factor],
    model: Model,
    question: &Question,
    threads: Threads,
) -> Option<Sweep> {
    if taken.len() + 1 > MOST_FACTORS {
        return None;
    }
    let (p, q) = (question.row_weights, question.column_weights);
    let scaled = |factor: &Factor| -> Vec<f64> { factor.v().iter().map(|v| factor.d * v).collect() };
    let rows = Margin {
        loadings: taken.iter().map(|factor| &factor.u[..]).chain([&model.factor.u[..]]).collect(),
        others: taken.iter().map(|factor| scaled(factor)).chain([scaled(model.factor)]).collect(),
        weights: q,
        model,
        shift: question.shift,
    };
    let mut total = nothing::<LEVEL>(view, question.shift);
    let found = rows.sums_by_row::<LEVEL>(threads);
    total.products.rows = found.products;
    total.curvatures.rows = if LEVEL == level::CURVATURE { found.curvatures } else { Vec::new() };
    total.sums.add(&found.sums, if view.is_symmetric() { 0.5 } else { 1.0 });
    if !view.is_symmetric() {
        let columns = Margin {
            loadings: rows.others.iter().map(|other| &other[..]).collect(),
            others: rows.loadings.iter().map(|loadings| loadings.to_vec()).collect(),
            weights: p,
            model,
            shift: question.shift,
        };
        let found = columns.sums_by_row::<LEVEL>(threads);
        total.products.columns = found.products;
        total.curvatures.columns = if LEVEL == level::CURVATURE { found.curvatures } else { Vec::new() };
    }
    Some(total)
}

fn nothing<const LEVEL: u8>(view: &View, shift: f64) -> Sweep {
    let curvatures = if LEVEL == level::CURVATURE { margins(view) } else { Margins::default() };
    Sweep { products: margins(view), curvatures, sums: Sums::empty(shift) }
}

/// Sums over one side of the matrix for each element of the other, here called a row. The last factor is the model's.
struct Margin<'a> {
    /// `w_ik`, a vector a factor.
    loadings: Vec<&'a [f64]>,
    /// `y_jk`, a vector a factor, with the weight `d_k` on one of the two.
    others: Vec<Vec<f64>>,
    /// `q_j`.
    weights: &'a [f64],
    model: Model<'a>,
    shift: f64,
}

/// By row, and over all.
struct Found {
    products: Vec<f64>,
    curvatures: Vec<f64>,
    sums: Sums,
}

/// The columns where one of some factors has a loading, and the loadings there.
struct Block {
    factors: Vec<usize>,
    others: Vec<Vec<f64>>,
    weights: Vec<f64>,
    /// The number of other columns, and the sums of their weights and squared weights.
    idle: [f64; 3],
}

/// What a row yields: product, curvature, sums.
type Yield = [f64; POINTS];

impl Margin<'_> {
    fn sums_by_row<const LEVEL: u8>(&self, threads: Threads) -> Found {
        let count = self.loadings[0].len();
        let mut found =
            Found { products: vec![0.0; count], curvatures: vec![0.0; count], sums: Sums::empty(self.shift) };
        let mut total = [0.0; SUMS];
        for (pattern, rows) in self.patterns() {
            let block = self.block(pattern);
            match block.factors[..] {
                [] => {
                    let (all, extremes) = self.row::<LEVEL>(&block, &[]);
                    widen(&mut found.sums, extremes);
                    rows.iter().for_each(|&row| (found.products[row], found.curvatures[row]) = (all[0], all[1]));
                    add(&mut total, &all[2..], rows.len() as f64);
                }
                [factor] => self.single::<LEVEL>(&block, factor, rows, &mut found, &mut total, threads),
                _ => self.one_by_one::<LEVEL>(&block, &rows, &mut found, &mut total, threads),
            }
        }
        let extremes = found.sums;
        found.sums =
            Sums { minimum: extremes.minimum, maximum: extremes.maximum, ..Sums::from_values(total, self.shift) };
        found
    }

    /// The rows by the factors that have a loading there.
    fn patterns(&self) -> BTreeMap<u64, Vec<usize>> {
        let mut patterns: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for row in 0..self.loadings[0].len() {
            let bits = self.loadings.iter().enumerate().map(|(factor, w)| u64::from(w[row] != 0.0) << factor);
            patterns.entry(bits.sum()).or_default().push(row);
        }
        patterns
    }

    fn block(&self, pattern: u64) -> Block {
        let factors: Vec<usize> = (0..self.others.len()).filter(|factor| pattern >> factor & 1 == 1).collect();
        let active = |column: usize| factors.iter().any(|&factor| self.others[factor][column] != 0.0);
        let (active, idle): (Vec<usize>, Vec<usize>) = (0..self.weights.len()).partition(|&column| active(column));
        let squares = idle.iter().map(|&column| self.weights[column] * self.weights[column]).sum();
        Block {
            others: factors
                .iter()
                .map(|&factor| active.iter().map(|&column| self.others[factor][column]).collect())
                .collect(),
            weights: active.iter().map(|&column| self.weights[column]).collect(),
            idle: [idle.len() as f64, idle.iter().map(|&column| self.weights[column]).sum(), squares],
            factors,
        }
    }

    /// What one row with the loadings `w` of the block's factors yields, and its least and largest residual.
    fn row<const LEVEL: u8>(&self, block: &Block, w: &[f64]) -> (Yield, [f64; 2]) {
        Arch::new().dispatch(Row::<LEVEL> { margin: self, block, w })
    }

    /// Rows on which one factor has a loading: interpolated, where they are more than its nodes.
    fn single<const LEVEL: u8>(
        &self,
        block: &Block,
        factor: usize,
        mut rows: Vec<usize>,
        found: &mut Found,
        total: &mut [f64; SUMS],
        threads: Threads,
    ) {
        let w = self.loadings[factor];
        rows.sort_by(|&one, &other| w[one].total_cmp(&w[other]));
        let mut ranges = vec![(rows, 0)];
        while let Some((rows, halvings)) = ranges.pop() {
            let (least, largest) = (w[rows[0]], w[rows[rows.len() - 1]]);
            let mut extremes = Sums::empty(self.shift);
            let series = fit(least, largest, rows.len(), |points| {
                let yields = threads.map(points.len(), |index| self.row::<LEVEL>(block, &points[index..index + 1]));
                yields.iter().for_each(|(_, part)| widen(&mut extremes, *part));
                yields.into_iter().map(|(values, _)| values).collect()
            });
            match series {
                Some(series) => {
                    widen(&mut found.sums, [extremes.minimum, extremes.maximum]);
                    self.interpolate(&series, w, &rows, found, total, threads);
                }
                None if halvings < MOST_HALVINGS && rows.len() > ROWS => {
                    // Where the range is wide, halves of it in the log scale.
                    let middle = (least * largest).sqrt();
                    let place = rows.partition_point(|&row| w[row] <= middle).clamp(1, rows.len() - 1);
                    let (low, high) = rows.split_at(place);
                    ranges.extend([(high.to_vec(), halvings + 1), (low.to_vec(), halvings + 1)]);
                }
                None => self.one_by_one::<LEVEL>(block, &rows, found, total, threads),
            }
        }
    }

    fn interpolate(
        &self,
        series: &Series,
        w: &[f64],
        rows: &[usize],
        found: &mut Found,
        total: &mut [f64; SUMS],
        threads: Threads,
    ) {
        let pieces: Vec<&[usize]> = rows.chunks(ROWS).collect();
        let parts = threads.map(pieces.len(), |piece| {
            let mut moments = series.no_moments();
            let values: Vec<[f64; 2]> = pieces[piece].iter().map(|&row| series.at(w[row], &mut moments)).collect();
            (values, moments)
        });
        let mut moments = series.no_moments();
        for (piece, (values, part)) in pieces.iter().zip(parts) {
            moments.iter_mut().zip(&part).for_each(|(total, part)| *total += part);
            for (&row, value) in piece.iter().zip(values) {
                [found.products[row], found.curvatures[row]] = value;
            }
        }
        add(total, &series.summed(&moments)[2..], 1.0);
    }

    fn one_by_one<const LEVEL: u8>(
        &self,
        block: &Block,
        rows: &[usize],
        found: &mut Found,
        total: &mut [f64; SUMS],
        threads: Threads,
    ) {
        let yields = threads.map(rows.len(), |index| {
            let w: Vec<f64> = block.factors.iter().map(|&factor| self.loadings[factor][rows[index]]).collect();
            self.row::<LEVEL>(block, &w)
        });
        for (&row, (values, extremes)) in rows.iter().zip(yields) {
            (found.products[row], found.curvatures[row]) = (values[0], values[1]);
            add(total, &values[2..], 1.0);
            widen(&mut found.sums, extremes);
        }
    }
}

fn widen(sums: &mut Sums, [minimum, maximum]: [f64; 2]) {
    sums.minimum = sums.minimum.min(minimum);
    sums.maximum = sums.maximum.max(maximum);
}

fn add(total: &mut [f64; SUMS], part: &[f64], weight: f64) {
    total.iter_mut().zip(part).for_each(|(total, part)| *total += weight * part);
}

/// One row of zeros, compiled for each instruction set.
struct Row<'a, const LEVEL: u8> {
    margin: &'a Margin<'a>,
    block: &'a Block,
    w: &'a [f64],
}

impl<const LEVEL: u8> WithSimd for Row<'_, LEVEL> {
    /// What it yields, and the extremes.
    type Output = (Yield, [f64; 2]);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Self { margin, block, w } = self;
        let model = margin.others.len() - 1;
        let length = block.weights.len();
        let mut entries = vec![0.0; length];
        let nothing = vec![0.0; length];
        let (mut loading, mut loadings) = (0.0, &nothing[..]);
        for ((&factor, other), &w) in block.factors.iter().zip(&block.others).zip(w) {
            if factor == model {
                (loading, loadings) = (w, other);
            } else {
                entries.iter_mut().zip(other).for_each(|(entry, y)| *entry -= w * y);
            }
        }
        let mut products = vec![0.0; length];
        let mut curvatures = vec![0.0; if LEVEL == level::CURVATURE { length } else { 0 }];
        let mut kernel =
            Kernel::<S, LEVEL, false, false>::new(simd, margin.model.noise, &Law::EXPONENTIAL, margin.shift);
        let active = kernel.line(Line {
            entries: &entries,
            loadings,
            weights: &block.weights,
            products: &mut products,
            curvatures: &mut curvatures,
            loading,
            weight: 1.0,
            deviations: &[],
            deviation: 1.0,
        });
        // Everywhere else the residual is zero.
        let mut rest = kernel.fresh();
        let (mut room, mut bent) = ([0.0], [0.0]);
        let Totals { product, curvature } = rest.line(Line {
            entries: &[0.0],
            loadings: &[0.0],
            weights: &[1.0],
            products: &mut room,
            curvatures: &mut bent,
            loading: 0.0,
            weight: 1.0,
            deviations: &[],
            deviation: 1.0,
        });
        let [count, weights, squares] = block.idle;
        let (active_sums, rest) = (kernel.sums(), rest.sums());
        let mut found = [0.0; POINTS];
        found[0] = active.product + weights * product;
        found[1] = active.curvature + squares * curvature;
        let sums = active_sums.values().into_iter().zip(rest.values());
        found[2..].iter_mut().zip(sums).for_each(|(to, (active, rest))| *to = active + count * rest);
        let idle = |extreme: f64, other: f64| if count > 0.0 { extreme } else { other };
        let minimum = active_sums.minimum.min(idle(rest.minimum, f64::INFINITY));
        let maximum = active_sums.maximum.max(idle(rest.maximum, f64::NEG_INFINITY));
        (found, [minimum, maximum])
    }
}
