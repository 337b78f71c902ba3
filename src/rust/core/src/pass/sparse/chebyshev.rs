//! Interpolation of smooth functions of one variable at Chebyshev points.
//!
//! On `[a, b]` a function is `Σ c_k T_k(t)`, `t = (2w − a − b)/(b − a)`, with coefficients from its values at
//! `t_m = cos(πm/M)` by a discrete cosine transform. The coefficients of a function that is analytic in a neighbourhood of the
//! interval decay geometrically, so the last of them estimate the error (L. N. Trefethen 2013, *Approximation Theory and
//! Approximation Practice*, SIAM, chapters 3, 4 and 8). Sums of a function over many points are sums of its coefficients
//! times the moments `Σ T_k(t)` of the points.

use crate::pass::stats::SUMS;
use crate::runtime::parallel::Threads;
use pulp::{Arch, Simd, WithSimd};
use std::f64::consts::PI;

/// The number of functions that are interpolated together: product and curvature of a row, and all sums.
pub(crate) const FUNCTIONS: usize = SUMS + 2;

/// Numbers of intervals between nodes, tried in turn.
const ORDERS: [usize; 5] = [8, 16, 32, 64, 128];
/// The number of last coefficients from which the error is estimated.
pub(crate) const TAIL_LENGTH: usize = 3;
/// The fraction of the tolerance that they may reach: the truncated coefficients, the aliasing at the nodes, and the same of
/// a second interpolation are each about as large.
pub(crate) const TAIL_FRACTION: f64 = 0.125;
/// The number of points whose polynomials are evaluated together.
const LANES: usize = 16;
/// The number of points of a job.
const POINTS_PER_JOB: usize = 1 << 13;

/// The interval on which the functions are interpolated.
#[derive(Clone, Copy)]
pub(crate) struct Interval {
    lower: f64,
    half: f64,
}

impl Interval {
    /// The smallest interval that contains some points, of which there is at least one.
    pub(crate) fn around(points: impl Iterator<Item = f64>) -> Self {
        let (lower, upper) = points
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(lower, upper), point| (point.min(lower), point.max(upper)));
        Self { lower, half: 0.5 * (upper - lower) }
    }

    pub(crate) fn lower(&self) -> f64 {
        self.lower
    }

    pub(crate) fn upper(&self) -> f64 {
        self.lower + 2.0 * self.half
    }

    /// The node `m` of `order + 1` nodes.
    pub(crate) fn node(&self, m: usize, order: usize) -> f64 {
        let cosine = if order == 0 { 0.0 } else { (PI * m as f64 / order as f64).cos() };
        self.lower + self.half * (1.0 + cosine)
    }

    /// `T_k` for `k = 0, …, order` at a point.
    #[inline(always)]
    pub(crate) fn polynomials(&self, point: f64, order: usize, values: &mut Vec<f64>) {
        let t = self.lanes_of(&[point]).0[0];
        values.clear();
        values.extend([1.0, t].into_iter().take(order + 1));
        for k in 2..=order {
            values.push(2.0 * t * values[k - 1] - values[k - 2]);
        }
    }

    /// `t` of some points, and 1 for each lane that has a point.
    #[inline(always)]
    fn lanes_of(&self, points: &[f64]) -> ([f64; LANES], [f64; LANES]) {
        let (mut t, mut present) = ([0.0; LANES], [0.0; LANES]);
        for (lane, point) in points.iter().enumerate() {
            t[lane] = if self.half > 0.0 { ((point - self.lower) / self.half - 1.0).clamp(-1.0, 1.0) } else { 0.0 };
            present[lane] = 1.0;
        }
        (t, present)
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
        let parts = threads.map(points.len().div_ceil(POINTS_PER_JOB), |piece| {
            let range = piece * POINTS_PER_JOB..((piece + 1) * POINTS_PER_JOB).min(points.len());
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

/// The interpolants on an interval.
pub(crate) struct Series {
    interval: Interval,
    /// `c_k` of each function, indexed by `k`.
    coefficients: Vec<[f64; FUNCTIONS]>,
}

/// Interpolates functions whose values `evaluate` returns, so that the last coefficients are at most `tolerance` times the
/// largest. Returns `None` if that takes about as many nodes as there are values `wanted`, or more than the maximal order.
pub(crate) fn fit(
    interval: Interval,
    tolerance: f64,
    wanted: usize,
    mut evaluate: impl FnMut(&[f64]) -> Vec<[f64; FUNCTIONS]>,
) -> Option<Series> {
    if interval.half == 0.0 {
        return Some(Series { interval, coefficients: evaluate(&[interval.lower]) });
    }
    ORDERS.into_iter().take_while(|order| 2 * order <= wanted).find_map(|order| {
        let nodes: Vec<f64> = (0..=order).map(|m| interval.node(m, order)).collect();
        let series = Series { interval, coefficients: transform(&evaluate(&nodes)) };
        series.is_complete(tolerance).then_some(series)
    })
}

/// `c_k = (2/M) Σ″ f(t_m) cos(πkm/M)`, where `Σ″` halves the first and the last term; `c_0` and `c_M` are halved once more.
pub(crate) fn transform(values: &[[f64; FUNCTIONS]]) -> Vec<[f64; FUNCTIONS]> {
    let order = values.len() - 1;
    if order == 0 {
        return values.to_vec();
    }
    let end = |index: usize| if index == 0 || index == order { 0.5 } else { 1.0 };
    // Angles are reduced to the first turn, which keeps the digits of their cosines; there are few of them.
    let cosines: Vec<f64> = (0..2 * order).map(|step| (PI * step as f64 / order as f64).cos()).collect();
    let coefficient = |k: usize| {
        let mut sum = [0.0; FUNCTIONS];
        for (m, values) in values.iter().enumerate() {
            let weight = 2.0 / order as f64 * end(m) * end(k) * cosines[(k * m) % (2 * order)];
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
        }
        sum
    };
    (0..=order).map(coefficient).collect()
}

impl Series {
    /// Whether the last coefficients of every function are below the tolerance.
    fn is_complete(&self, tolerance: f64) -> bool {
        let last = self.coefficients.len() - TAIL_LENGTH;
        (0..FUNCTIONS).all(|function| {
            let size = |range: &[[f64; FUNCTIONS]]| range.iter().fold(0.0_f64, |size, c| size.max(c[function].abs()));
            size(&self.coefficients[last..]) <= TAIL_FRACTION * tolerance * size(&self.coefficients)
        })
    }

    /// `c_k` of each function, indexed by `k`.
    pub(crate) fn coefficients(&self) -> &[[f64; FUNCTIONS]] {
        &self.coefficients
    }

    /// The lowest order that would also attain the tolerance.
    pub(crate) fn needed(&self, tolerance: f64) -> usize {
        let size = |function: usize| self.coefficients.iter().fold(0.0_f64, |size, c| size.max(c[function].abs()));
        let thresholds: [f64; FUNCTIONS] = std::array::from_fn(|function| TAIL_FRACTION * tolerance * size(function));
        let counts = |c: &[f64; FUNCTIONS]| c.iter().zip(&thresholds).any(|(c, threshold)| c.abs() > *threshold);
        let last = self.coefficients.iter().rposition(counts).unwrap_or(0);
        (last + TAIL_LENGTH).min(self.order())
    }

    /// The largest `k`.
    pub(crate) fn order(&self) -> usize {
        self.coefficients.len() - 1
    }

    /// The values of the first two functions at some points.
    pub(crate) fn values(&self, points: &[f64]) -> Vec<[f64; 2]> {
        Arch::new().dispatch(Values { series: self, points })
    }

    /// The sums of all functions over points with these moments: the first function weighted by `q`, the second by `q²`, the
    /// others unweighted.
    pub(crate) fn summed(&self, moments: &[[f64; 3]]) -> [f64; FUNCTIONS] {
        let mut sum = [0.0; FUNCTIONS];
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
            let (t, present) = interval.lanes_of(points);
            let mut q = [0.0; LANES];
            q[..weights.len()].copy_from_slice(weights);
            polynomials(&t, order, |k, values| {
                let [count, weights, squares] = &mut lanes[k];
                for lane in 0..LANES {
                    let weighted = q[lane] * values[lane];
                    count[lane] += present[lane] * values[lane];
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
        let mut result = Vec::with_capacity(self.points.len());
        for points in self.points.chunks(LANES) {
            let mut values = [[0.0; LANES]; 2];
            polynomials(&interval.lanes_of(points).0, coefficients.len() - 1, |k, polynomial| {
                for (values, coefficient) in values.iter_mut().zip(coefficients[k]) {
                    for lane in 0..LANES {
                        values[lane] += coefficient * polynomial[lane];
                    }
                }
            });
            result.extend((0..points.len()).map(|lane| [values[0][lane], values[1][lane]]));
        }
        result
    }
}
