//! The sweep over a matrix of zeros, without visiting each entry.
//!
//! The residual of a zero, `−Σ_k w_ik y_jk`, depends on the loadings alone. In a row without loadings it is zero, and one
//! entry determines all. In a row with a loading on one factor, every sum over the columns is a smooth function of that
//! loading, and is interpolated ([`super::chebyshev`]) if there are many such rows. At its nodes, the terms of the columns are
//! smooth functions of the column loadings, and are summed in the same way. In rows where factors overlap, the sums are
//! functions of all their loadings. They are interpolated on a grid ([`super::grid`]) if that has fewer nodes than there are
//! rows; otherwise they are computed row by row, over the columns where one of the factors has a loading.

use crate::factor::Factor;
use crate::pass::kernel::{kernel_level, ColumnRun, ColumnSums, Kernel};
use crate::pass::sparse::chebyshev::FUNCTIONS;
use crate::pass::sparse::row_sums::{Row, RowEvaluator, RowValues, ZeroRowSums};
use crate::pass::{KernelSpec, Model, PassOutput, PassStats, RowColSums};
use crate::remainder_prior::RemainderPrior;
use crate::residual::{residual_kind, ResidualView};
use crate::runtime::parallel::Threads;
use crate::support::{loading_supports, Support, MAX_FACTORS};
use crate::vector::column;
use pulp::{Arch, Simd, WithSimd};

/// The sweep that treats all entries as zeros.
pub(crate) struct Zeros<'a> {
    pub(crate) view: &'a ResidualView<'a>,
    /// The factors that are subtracted.
    pub(crate) subtracted: &'a [&'a Factor],
    pub(crate) model: Model<'a>,
    pub(crate) spec: &'a KernelSpec<'a>,
    /// The largest admissible error of a sum, relative to the largest sum.
    pub(crate) tolerance: f64,
    /// Evaluates a row of zeros.
    pub(crate) evaluate_row: RowEvaluator,
    /// Whether curvatures are requested.
    pub(crate) curved: bool,
    pub(crate) threads: Threads,
}

impl<'a> Zeros<'a> {
    /// All factors, the model's last.
    pub(crate) fn factors(&self) -> impl Iterator<Item = &'a Factor> + 'a {
        self.subtracted.iter().copied().chain([self.model.factor])
    }

    /// The sweep by supports of the factors. `None` if there are too many factors, or if matching the supports of rows with
    /// those of columns would take longer than a sweep over all entries.
    pub(crate) fn by_support(&self) -> Option<PassOutput> {
        let Self { view, subtracted, model, spec, tolerance, evaluate_row, curved, threads } = *self;
        if subtracted.len() + 1 > MAX_FACTORS {
            return None;
        }
        let rows = ZeroRowSums {
            loadings: self.factors().map(|factor| factor.u()).collect(),
            others: self.factors().map(Factor::v).collect(),
            d: self.factors().map(|factor| factor.d).collect(),
            weights: spec.column_weights,
            model,
            shift: spec.shift,
            tolerance,
            evaluate_row,
            curved,
        };
        let symmetric = view.is_symmetric();
        let down = loading_supports(&rows.loadings, view.nrow());
        let across = if symmetric { Vec::new() } else { loading_supports(&rows.others, view.ncol()) };
        let cost = |supports: &[Support], others: usize| -> f64 {
            supports.iter().map(|support| support.count() as f64 * others as f64).sum()
        };
        if cost(&down, view.ncol()) + cost(&across, view.nrow()) > view.count() {
            return None;
        }
        let mut total = PassOutput {
            products: RowColSums::zeros_of(view),
            curvatures: Default::default(),
            sums: PassStats::empty(spec.shift),
        };
        let by_row = rows.sums_by_row(down, threads);
        total.products.rows = column(&by_row.products);
        total.curvatures.rows = column(&by_row.curvatures);
        total.sums.add(&by_row.sums, if symmetric { 0.5 } else { 1.0 });
        if !symmetric {
            let ZeroRowSums { loadings, others, d, .. } = rows;
            let columns = ZeroRowSums { loadings: others, others: loadings, d, weights: spec.row_weights, ..rows };
            let by_column = columns.sums_by_row(across, threads);
            total.products.columns = column(&by_column.products);
            total.curvatures.columns = column(&by_column.curvatures);
        }
        Some(total)
    }
}

/// Returns the values of a row of zeros and its largest residual.
pub(crate) fn evaluate_row<const LEVEL: u8>(row: Row) -> (RowValues, f64) {
    Arch::new().dispatch(RowPass::<LEVEL>(row))
}

/// [`evaluate_row`], compiled for each instruction set.
struct RowPass<'a, const LEVEL: u8>(Row<'a>);

impl<const LEVEL: u8> WithSimd for RowPass<'_, LEVEL> {
    type Output = (RowValues, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Row { block, w, model, last, shift } = self.0;
        let length = block.weights.len();
        let mut entries = vec![0.0; length];
        let zeros = vec![0.0; length];
        let (mut loading, mut loadings) = (0.0, &zeros[..]);
        for ((&factor, other), &w) in block.factors.iter().zip(&block.others).zip(w) {
            if factor == last {
                (loading, loadings) = (w, other);
            } else {
                entries.iter_mut().zip(other).for_each(|(entry, y)| *entry -= w * y);
            }
        }
        let mut kernel = Kernel::<S, LEVEL, false, { residual_kind::EXPONENTIAL }>::new(
            simd,
            model.params,
            &RemainderPrior::EXPONENTIAL,
            shift,
        );
        let mut products = vec![0.0; length];
        let mut curvatures = vec![0.0; if LEVEL == kernel_level::CURVATURE { length } else { 0 }];
        let active = simd.vectorize(ColumnRun {
            kernel: &mut kernel,
            entries: &entries,
            loadings,
            weights: &block.weights,
            products: &mut products,
            curvatures: &mut curvatures,
            loading,
            weight: 1.0,
            scales: &[],
            column_scale: 1.0,
        });
        // At all other columns the residual is zero.
        let mut inactive = kernel.fresh();
        let ColumnSums { product, curvature } = simd.vectorize(ColumnRun {
            kernel: &mut inactive,
            entries: &[0.0],
            loadings: &[0.0],
            weights: &[1.0],
            products: &mut [0.0],
            curvatures: &mut [0.0],
            loading: 0.0,
            weight: 1.0,
            scales: &[],
            column_scale: 1.0,
        });
        let [count, weights, squares] = block.inactive;
        let (active_sums, inactive_sums) = (kernel.sums(), inactive.sums());
        let mut values = [0.0; FUNCTIONS];
        values[0] = active.product + weights * product;
        values[1] = active.curvature + squares * curvature;
        let sums = active_sums.values().into_iter().zip(inactive_sums.values());
        values[2..].iter_mut().zip(sums).for_each(|(to, (active, inactive))| *to = active + count * inactive);
        let maximum = active_sums.maximum.max(if count > 0.0 { inactive_sums.maximum } else { f64::NEG_INFINITY });
        (values, maximum)
    }
}
