//! Smooth functions of one variable, known by their values at Chebyshev's points.
//!
//! On `[a, b]` a function is `Σ c_k T_k(t)`, `t = (2w − a − b)/(b − a)`, with coefficients from its values at
//! `t_m = cos(πm/M)` by a discrete cosine transform. Those of a function that is analytic around the interval fall
//! geometrically, so the last of them tell how much is missing (L. N. Trefethen 2013, *Approximation Theory and
//! Approximation Practice*, SIAM, chapters 3, 4 and 8).

use super::sums::SUMS;
use std::f64::consts::PI;

/// How many functions are interpolated at once: a row's product, its curvature and all sums.
pub(super) const POINTS: usize = SUMS + 2;

/// Numbers of intervals between nodes that are tried in turn.
const ORDERS: [usize; 4] = [16, 32, 64, 128];
/// The last coefficients that are looked at.
const TAIL: usize = 3;
/// What they may be, as a share of the largest coefficient.
const TOLERANCE: f64 = 1e-13;

/// The functions on an interval.
pub(super) struct Series {
    least: f64,
    width: f64,
    /// `c_k` of each function, by `k`.
    coefficients: Vec<[f64; POINTS]>,
}

/// The series of functions whose values `evaluate` gives; `None` where that would take about as many points as there are
/// values to be found, or the tails do not vanish.
pub(super) fn fit(
    least: f64,
    largest: f64,
    wanted: usize,
    mut evaluate: impl FnMut(&[f64]) -> Vec<[f64; POINTS]>,
) -> Option<Series> {
    for order in ORDERS {
        if 2 * order > wanted {
            return None;
        }
        let width = 0.5 * (largest - least);
        if width == 0.0 {
            let coefficients = evaluate(&[least]);
            return Some(Series { least, width: 1.0, coefficients });
        }
        let node = |m: usize| least + width * (1.0 + (PI * m as f64 / order as f64).cos());
        let nodes: Vec<f64> = (0..=order).map(node).collect();
        let series = Series { least, width, coefficients: transform(&evaluate(&nodes)) };
        if series.is_complete() {
            return Some(series);
        }
    }
    None
}

/// `c_k = (2/M) Σ″ f(t_m) cos(πkm/M)`, the ends halved, for `k = 0` and `M` once more.
fn transform(values: &[[f64; POINTS]]) -> Vec<[f64; POINTS]> {
    let order = values.len() - 1;
    let end = |index: usize| if index == 0 || index == order { 0.5 } else { 1.0 };
    let coefficient = |k: usize| {
        let mut sum = [0.0; POINTS];
        for (m, values) in values.iter().enumerate() {
            // The angle is reduced first: its cosine keeps its digits.
            let cosine = (PI * ((k * m) % (2 * order)) as f64 / order as f64).cos();
            let weight = 2.0 / order as f64 * end(m) * end(k) * cosine;
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
        }
        sum
    };
    (0..=order).map(coefficient).collect()
}

impl Series {
    /// Whether the tail of every function is below the tolerance.
    fn is_complete(&self) -> bool {
        let last = self.coefficients.len() - TAIL;
        (0..POINTS).all(|function| {
            let size = |range: &[[f64; POINTS]]| range.iter().fold(0.0_f64, |size, c| size.max(c[function].abs()));
            size(&self.coefficients[last..]) <= TOLERANCE * size(&self.coefficients)
        })
    }

    /// Sums of `T_k`, for [`Series::summed`].
    pub(super) fn no_moments(&self) -> Vec<f64> {
        vec![0.0; self.coefficients.len()]
    }

    /// The first two functions at `w`, and `T_k` there added to the moments.
    pub(super) fn at(&self, w: f64, moments: &mut [f64]) -> [f64; 2] {
        let t = ((w - self.least) / self.width - 1.0).clamp(-1.0, 1.0);
        let (mut polynomial, mut next) = (1.0, t);
        let mut found = [0.0; 2];
        for (coefficients, moment) in self.coefficients.iter().zip(moments) {
            found[0] += polynomial * coefficients[0];
            found[1] += polynomial * coefficients[1];
            *moment += polynomial;
            (polynomial, next) = (next, 2.0 * t * next - polynomial);
        }
        found
    }

    /// All functions, summed over the points that the moments were taken at.
    pub(super) fn summed(&self, moments: &[f64]) -> [f64; POINTS] {
        let mut sum = [0.0; POINTS];
        for (coefficients, moment) in self.coefficients.iter().zip(moments) {
            sum.iter_mut().zip(coefficients).for_each(|(sum, coefficient)| *sum += moment * coefficient);
        }
        sum
    }
}
