//! Interpolation of smooth functions of several variables on a grid of Chebyshev points.
//!
//! The series of [`super::chebyshev`] in each variable: `Σ c_{k l …} T_k(t_1) T_l(t_2) …`, with as many terms as nodes. The
//! number of nodes along each variable is fixed in advance.

use crate::pass::sparse::chebyshev::{transform, Interval, FUNCTIONS, TAIL_FRACTION, TAIL_LENGTH};
use crate::runtime::parallel::Threads;
use crate::vector::{add_scaled, dot};
use pulp::{Arch, Simd, WithSimd};

/// The number of points of a job.
const POINTS_PER_JOB: usize = 1 << 10;

/// A grid: an interval for each variable, and the number of steps between its nodes. The last variable varies fastest.
pub(crate) struct Grid {
    axes: Vec<(Interval, usize)>,
}

impl Grid {
    pub(crate) fn new(axes: Vec<(Interval, usize)>) -> Self {
        Self { axes }
    }

    /// The number of nodes, saturating.
    pub(crate) fn count(&self) -> usize {
        self.axes.iter().fold(1, |count: usize, (_, order)| count.saturating_mul(order + 1))
    }

    /// The coordinates of a node.
    pub(crate) fn node(&self, mut index: usize) -> Vec<f64> {
        let mut node: Vec<f64> = Vec::with_capacity(self.axes.len());
        for (interval, order) in self.axes.iter().rev() {
            node.push(interval.node(index % (order + 1), *order));
            index /= order + 1;
        }
        node.reverse();
        node
    }

    /// Interpolates functions with these values at the nodes. Returns `None` if the last coefficients along some variable are
    /// larger than `tolerance` times the largest.
    pub(crate) fn fit(&self, mut values: Vec<[f64; FUNCTIONS]>, tolerance: f64) -> Option<GridSeries<'_>> {
        let mut stride = values.len();
        for (_, order) in &self.axes {
            stride /= order + 1;
            for first in (0..values.len()).filter(|index| index / stride % (order + 1) == 0) {
                let fiber: Vec<[f64; FUNCTIONS]> = (0..=*order).map(|step| values[first + step * stride]).collect();
                for (step, coefficients) in transform(&fiber).into_iter().enumerate() {
                    values[first + step * stride] = coefficients;
                }
            }
        }
        let (mut tails, mut stride) = ([0.0_f64; FUNCTIONS], values.len());
        for (_, order) in &self.axes {
            stride /= order + 1;
            let last = |index: &usize| *order > 0 && index / stride % (order + 1) + TAIL_LENGTH > *order;
            for index in (0..values.len()).filter(last) {
                tails.iter_mut().zip(values[index]).for_each(|(tail, c)| *tail = tail.max(c.abs()));
            }
        }
        let largest = |function: usize| values.iter().fold(0.0_f64, |size, c| size.max(c[function].abs()));
        let complete =
            tails.iter().enumerate().all(|(function, tail)| *tail <= TAIL_FRACTION * tolerance * largest(function));
        let leading = [0, 1].map(|function| values.iter().map(|c| c[function]).collect());
        complete.then_some(GridSeries { grid: self, coefficients: values, leading })
    }
}

/// The interpolants on a grid.
pub(crate) struct GridSeries<'a> {
    grid: &'a Grid,
    coefficients: Vec<[f64; FUNCTIONS]>,
    /// The coefficients of the first two functions.
    leading: [Vec<f64>; 2],
}

impl GridSeries<'_> {
    /// Passes the values of the first two functions at each point `at(index)` to `put`, and returns the sums of all functions
    /// over the points.
    pub(crate) fn evaluate(
        &self,
        count: usize,
        at: impl Fn(usize) -> Vec<f64> + Sync,
        mut put: impl FnMut(usize, [f64; 2]),
        threads: Threads,
    ) -> [f64; FUNCTIONS] {
        let arch = Arch::new();
        let terms = self.coefficients.len();
        let mut moments = vec![0.0; terms];
        let work = |piece: usize| {
            let mut buffers = Buffers { terms: Vec::new(), polynomials: Vec::new(), moments: vec![0.0; terms] };
            let range = piece * POINTS_PER_JOB..((piece + 1) * POINTS_PER_JOB).min(count);
            let values = |index| arch.dispatch(Point { series: self, point: &at(index), buffers: &mut buffers });
            (range.map(values).collect::<Vec<[f64; 2]>>(), buffers.moments)
        };
        threads.fold(count.div_ceil(POINTS_PER_JOB), work, |piece, (values, part)| {
            add_scaled(&mut moments, 1.0, &part);
            values.into_iter().enumerate().for_each(|(index, value)| put(piece * POINTS_PER_JOB + index, value));
        });
        let mut sum = [0.0; FUNCTIONS];
        for (coefficients, moment) in self.coefficients.iter().zip(&moments) {
            sum.iter_mut().zip(coefficients).for_each(|(sum, c)| *sum += moment * c);
        }
        sum
    }
}

/// Buffers that are reused from point to point.
struct Buffers {
    /// `T_k(t_1) T_l(t_2) …`, in the order of the coefficients.
    terms: Vec<f64>,
    /// `T_k` of one variable.
    polynomials: Vec<f64>,
    /// The sums of the terms over all points so far.
    moments: Vec<f64>,
}

/// The first two functions at a point, compiled for each instruction set.
struct Point<'a, 'b> {
    series: &'a GridSeries<'a>,
    point: &'a [f64],
    buffers: &'b mut Buffers,
}

impl WithSimd for Point<'_, '_> {
    type Output = [f64; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let Self { series, point, buffers: Buffers { terms, polynomials, moments } } = self;
        terms.clear();
        terms.push(1.0);
        for ((interval, order), w) in series.grid.axes.iter().zip(point) {
            interval.polynomials(*w, *order, polynomials);
            // In reverse order, so that every term is read before it is overwritten.
            let (before, width) = (terms.len(), polynomials.len());
            terms.resize(before * width, 0.0);
            for index in (0..before).rev() {
                let term = terms[index];
                terms[index * width..(index + 1) * width]
                    .iter_mut()
                    .zip(&*polynomials)
                    .for_each(|(to, t)| *to = term * t);
            }
        }
        add_scaled(moments, 1.0, terms);
        [dot(terms, &series.leading[0]), dot(terms, &series.leading[1])]
    }
}

#[cfg(test)]
mod tests {
    use crate::pass::sparse::grid::{Grid, Interval};

    #[test]
    fn a_grid_of_many_variables_has_many_nodes() {
        let axis = (Interval::around([0.0, 1.0].into_iter()), 3);
        assert_eq!(Grid::new(vec![axis; 5]).count(), 1024);
        // 2^64 nodes, which would be 0 in 64 bits.
        assert_eq!(Grid::new(vec![axis; 32]).count(), usize::MAX);
    }
}
