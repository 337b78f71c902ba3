//! Smooth functions of one variable, known by their values at Chebyshev's points.
//!
//! On `[a, b]` a function is `Σ c_k T_k(t)`, `t = (2w − a − b)/(b − a)`, with coefficients from its values at
//! `t_m = cos(πm/M)` by a discrete cosine transform. Those of a function that is analytic around the interval fall
//! geometrically, so the last of them tell how much is missing (L. N. Trefethen 2013, *Approximation Theory and
//! Approximation Practice*, SIAM, chapters 3, 4 and 8). PassStats of a function over many points are those of its coefficients
//! times the moments `Σ T_k(t)` of the points.

use crate::pass::stats::SUMS;
use crate::runtime::parallel::Threads;
use pulp::{Arch, Simd, WithSimd};
use std::f64::consts::PI;

/// How many functions are interpolated at once: a row's product, its curvature and all sums.
pub(crate) const POINTS: usize = SUMS + 2;

/// Numbers of intervals between nodes that are tried in turn.
const ORDERS: [usize; 5] = [8, 16, 32, 64, 128];
/// The last coefficients that are looked at.
pub(crate) const TAIL: usize = 3;
/// The share of the tolerance that they may be: the rest of a series, what its nodes cannot tell from it and the same of a
/// second interpolation are each about as large.
pub(crate) const SHARE: f64 = 0.125;
/// Points whose polynomials are worked out side by side.
const LANES: usize = 16;
/// The points that a thread takes at a time.
const PIECE: usize = 1 << 13;

/// Where the functions are known.
#[derive(Clone, Copy)]
pub(crate) struct Interval {
    least: f64,
    half: f64,
}

impl Interval {
    /// The least that holds some points, of which there is one.
    pub(crate) fn around(points: impl Iterator<Item = f64>) -> Self {
        let (least, largest) = points
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, largest), point| (point.min(least), point.max(largest)));
        Self { least, half: 0.5 * (largest - least) }
    }

    pub(crate) fn least(&self) -> f64 {
        self.least
    }

    pub(crate) fn largest(&self) -> f64 {
        self.least + 2.0 * self.half
    }

    /// The node `m` of so many intervals between nodes.
    pub(crate) fn node(&self, m: usize, order: usize) -> f64 {
        let cosine = if order == 0 { 0.0 } else { (PI * m as f64 / order as f64).cos() };
        self.least + self.half * (1.0 + cosine)
    }

    /// `T_k` for `k = 0, …, order` at a point.
    #[inline(always)]
    pub(crate) fn polynomials(&self, point: f64, order: usize, found: &mut Vec<f64>) {
        let t = self.place(&[point]).0[0];
        found.clear();
        found.extend([1.0, t].into_iter().take(order + 1));
        for k in 2..=order {
            found.push(2.0 * t * found[k - 1] - found[k - 2]);
        }
    }

    /// `t` of some points, and 1 for each lane that has one.
    #[inline(always)]
    fn place(&self, points: &[f64]) -> ([f64; LANES], [f64; LANES]) {
        let (mut t, mut there) = ([0.0; LANES], [0.0; LANES]);
        for (lane, point) in points.iter().enumerate() {
            t[lane] = if self.half > 0.0 { ((point - self.least) / self.half - 1.0).clamp(-1.0, 1.0) } else { 0.0 };
            there[lane] = 1.0;
        }
        (t, there)
    }

    /// `Σ T_k`, `Σ q T_k` and `Σ q² T_k` over points with weights `q`, up to `k = order`.
    pub(crate) fn moments(
        &self,
        order: usize,
        points: &[f64],
        weights: impl Fn(usize) -> f64 + Sync,
        threads: Threads,
    ) -> Vec<[f64; 3]> {
        let arch = Arch::new();
        let parts = threads.map(points.len().div_ceil(PIECE), |piece| {
            let range = piece * PIECE..((piece + 1) * PIECE).min(points.len());
            let weights: Vec<f64> = range.clone().map(&weights).collect();
            arch.dispatch(Moments { interval: self, order, points: &points[range], weights: &weights })
        });
        let mut total = vec![[0.0; 3]; order + 1];
        for part in parts {
            total.iter_mut().flatten().zip(part.iter().flatten()).for_each(|(total, part)| *total += part);
        }
        total
    }
}

/// The functions on an interval.
pub(crate) struct Series {
    interval: Interval,
    /// `c_k` of each function, by `k`.
    coefficients: Vec<[f64; POINTS]>,
}

/// The series of functions whose values `evaluate` gives, their last coefficients at most `tolerance` times the largest;
/// `None` where that would take about as many nodes as there are values `wanted`, or more than are ever tried.
pub(crate) fn fit(
    interval: Interval,
    tolerance: f64,
    wanted: usize,
    mut evaluate: impl FnMut(&[f64]) -> Vec<[f64; POINTS]>,
) -> Option<Series> {
    if interval.half == 0.0 {
        return Some(Series { interval, coefficients: evaluate(&[interval.least]) });
    }
    ORDERS.into_iter().take_while(|order| 2 * order <= wanted).find_map(|order| {
        let nodes: Vec<f64> = (0..=order).map(|m| interval.node(m, order)).collect();
        let series = Series { interval, coefficients: transform(&evaluate(&nodes)) };
        series.is_complete(tolerance).then_some(series)
    })
}

/// `c_k = (2/M) Σ″ f(t_m) cos(πkm/M)`, the ends halved, for `k = 0` and `M` once more.
pub(crate) fn transform(values: &[[f64; POINTS]]) -> Vec<[f64; POINTS]> {
    let order = values.len() - 1;
    if order == 0 {
        return values.to_vec();
    }
    let end = |index: usize| if index == 0 || index == order { 0.5 } else { 1.0 };
    // Angles are reduced to the first turn: their cosines keep their digits, and there are few of them.
    let cosines: Vec<f64> = (0..2 * order).map(|step| (PI * step as f64 / order as f64).cos()).collect();
    let coefficient = |k: usize| {
        let mut sum = [0.0; POINTS];
        for (m, values) in values.iter().enumerate() {
            let weight = 2.0 / order as f64 * end(m) * end(k) * cosines[(k * m) % (2 * order)];
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
        }
        sum
    };
    (0..=order).map(coefficient).collect()
}

impl Series {
    /// Whether the tail of every function is below the tolerance.
    fn is_complete(&self, tolerance: f64) -> bool {
        let last = self.coefficients.len() - TAIL;
        (0..POINTS).all(|function| {
            let size = |range: &[[f64; POINTS]]| range.iter().fold(0.0_f64, |size, c| size.max(c[function].abs()));
            size(&self.coefficients[last..]) <= SHARE * tolerance * size(&self.coefficients)
        })
    }

    /// `c_k` of each function, by `k`.
    pub(crate) fn coefficients(&self) -> &[[f64; POINTS]] {
        &self.coefficients
    }

    /// The highest `k` that would do as well.
    pub(crate) fn needed(&self, tolerance: f64) -> usize {
        let size = |function: usize| self.coefficients.iter().fold(0.0_f64, |size, c| size.max(c[function].abs()));
        let least: [f64; POINTS] = std::array::from_fn(|function| SHARE * tolerance * size(function));
        let counts = |c: &[f64; POINTS]| c.iter().zip(&least).any(|(c, least)| c.abs() > *least);
        let last = self.coefficients.iter().rposition(counts).unwrap_or(0);
        (last + TAIL).min(self.order())
    }

    /// The highest `k`.
    pub(crate) fn order(&self) -> usize {
        self.coefficients.len() - 1
    }

    /// The first two functions at some points.
    pub(crate) fn values(&self, points: &[f64]) -> Vec<[f64; 2]> {
        Arch::new().dispatch(Values { series: self, points })
    }

    /// All functions, summed over points with such moments: the first with their weights, the second with the squares of
    /// these.
    pub(crate) fn summed(&self, moments: &[[f64; 3]]) -> [f64; POINTS] {
        let mut sum = [0.0; POINTS];
        for (coefficients, [count, weights, squares]) in self.coefficients.iter().zip(moments) {
            let moments = [weights, squares].into_iter().chain(std::iter::repeat(count));
            sum.iter_mut().zip(coefficients).zip(moments).for_each(|((sum, c), moment)| *sum += moment * c);
        }
        sum
    }
}

/// `T_k` for `k = 0, …, order`, by `T_{k+1} = 2t T_k − T_{k−1}`.
#[inline(always)]
fn polynomials(t: &[f64; LANES], order: usize, mut take: impl FnMut(usize, &[f64; LANES])) {
    let (mut now, mut next) = ([1.0; LANES], *t);
    for k in 0..=order {
        take(k, &now);
        for lane in 0..LANES {
            let after = 2.0 * t[lane] * next[lane] - now[lane];
            now[lane] = next[lane];
            next[lane] = after;
        }
    }
}

/// [`Interval::moments`], compiled for each instruction set.
struct Moments<'a> {
    interval: &'a Interval,
    order: usize,
    points: &'a [f64],
    weights: &'a [f64],
}

impl WithSimd for Moments<'_> {
    type Output = Vec<[f64; 3]>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let Self { interval, order, points, weights } = self;
        let mut lanes = vec![[[0.0; LANES]; 3]; order + 1];
        for (points, weights) in points.chunks(LANES).zip(weights.chunks(LANES)) {
            let (t, there) = interval.place(points);
            let mut q = [0.0; LANES];
            q[..weights.len()].copy_from_slice(weights);
            polynomials(&t, order, |k, values| {
                let [count, weights, squares] = &mut lanes[k];
                for lane in 0..LANES {
                    let weighted = q[lane] * values[lane];
                    count[lane] += there[lane] * values[lane];
                    weights[lane] += weighted;
                    squares[lane] += q[lane] * weighted;
                }
            });
        }
        lanes.iter().map(|sums| sums.map(|lanes| lanes.iter().sum())).collect()
    }
}

/// [`Series::values`], compiled for each instruction set.
struct Values<'a> {
    series: &'a Series,
    points: &'a [f64],
}

impl WithSimd for Values<'_> {
    type Output = Vec<[f64; 2]>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let Series { interval, coefficients } = self.series;
        let mut found = Vec::with_capacity(self.points.len());
        for points in self.points.chunks(LANES) {
            let mut values = [[0.0; LANES]; 2];
            polynomials(&interval.place(points).0, coefficients.len() - 1, |k, polynomial| {
                for (values, coefficient) in values.iter_mut().zip(coefficients[k]) {
                    for lane in 0..LANES {
                        values[lane] += coefficient * polynomial[lane];
                    }
                }
            });
            found.extend((0..points.len()).map(|lane| [values[0][lane], values[1][lane]]));
        }
        found
    }
}
