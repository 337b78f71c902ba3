//! One row of zeros, at the columns where some factors have a loading.

use crate::pass::kernel::{level, Kernel, Line, Totals};
use crate::pass::sparse::chebyshev::POINTS;
use crate::pass::Model;
use crate::remainder_prior::RemainderPrior;
use pulp::{Arch, Simd, WithSimd};

/// Some factors, and the columns where one of them has a loading.
pub(crate) struct Block {
    /// The factors.
    pub(crate) factors: Vec<usize>,
    /// `y_jk` at these columns, a vector a factor.
    pub(crate) others: Vec<Vec<f64>>,
    /// `q_j` there.
    pub(crate) weights: Vec<f64>,
    /// The number of all other columns, and the sums of their weights and squared weights.
    pub(crate) idle: [f64; 3],
}

impl Block {
    /// A single column, of weight 1, where one factor has the loading `y`.
    pub(crate) fn entry(factor: usize, y: f64) -> Self {
        Self { factors: vec![factor], others: vec![vec![y]], weights: vec![1.0], idle: [0.0; 3] }
    }
}

/// What a row yields: product, curvature, sums.
pub(crate) type RowYield = [f64; POINTS];

/// [`look`], at some level.
pub(crate) type Look = fn(Row) -> (RowYield, f64);

/// A row with the loadings `w` of the block's factors.
pub(crate) struct Row<'a> {
    pub(crate) block: &'a Block,
    pub(crate) w: &'a [f64],
    pub(crate) model: Model<'a>,
    /// Which factor is the model's.
    pub(crate) last: usize,
    pub(crate) shift: f64,
}

/// What a row yields, and its largest residual.
pub(crate) fn look<const LEVEL: u8>(row: Row) -> (RowYield, f64) {
    Arch::new().dispatch(RowPass::<LEVEL>(row))
}

/// The same, compiled for each instruction set.
struct RowPass<'a, const LEVEL: u8>(Row<'a>);

impl<const LEVEL: u8> WithSimd for RowPass<'_, LEVEL> {
    type Output = (RowYield, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Row { block, w, model, last, shift } = self.0;
        let length = block.weights.len();
        let mut entries = vec![0.0; length];
        let nothing = vec![0.0; length];
        let (mut loading, mut loadings) = (0.0, &nothing[..]);
        for ((&factor, other), &w) in block.factors.iter().zip(&block.others).zip(w) {
            if factor == last {
                (loading, loadings) = (w, other);
            } else {
                entries.iter_mut().zip(other).for_each(|(entry, y)| *entry -= w * y);
            }
        }
        let mut kernel = Kernel::<S, LEVEL, false, false>::new(simd, model.params, &RemainderPrior::EXPONENTIAL, shift);
        let mut room = vec![0.0; length];
        let mut curvatures = vec![0.0; if LEVEL == level::CURVATURE { length } else { 0 }];
        let active = kernel.line(Line {
            entries: &entries,
            loadings,
            weights: &block.weights,
            products: &mut room,
            curvatures: &mut curvatures,
            loading,
            weight: 1.0,
            deviations: &[],
            deviation: 1.0,
        });
        // Everywhere else the residual is zero.
        let mut rest = kernel.fresh();
        let Totals { product, curvature } = rest.line(Line {
            entries: &[0.0],
            loadings: &[0.0],
            weights: &[1.0],
            products: &mut [0.0],
            curvatures: &mut [0.0],
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
        let maximum = active_sums.maximum.max(if count > 0.0 { rest.maximum } else { f64::NEG_INFINITY });
        (found, maximum)
    }
}
