//! A matrix with a model, ready for passes.

use crate::elbo::fit_with_prior;
use nmu_core::factor::Factor;
use nmu_core::faer::MatRef;
use nmu_core::noise::{NoiseScales, ResidualParams};
use nmu_core::pass::{product, sweep, Model, PassLevel, RowColSums};
use nmu_core::remainder_prior::RemainderPrior;
use nmu_core::residual::ResidualView;
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::Dense;

/// Initial λ and σ of the notebook's estimation.
pub const PARAMS: ResidualParams = ResidualParams { lambda: 1.0, sigma: 0.1 };

/// A matrix, one factor, and factors that are subtracted.
pub struct Case<'a> {
    storage: Dense<'a>,
    symmetric: bool,
    factor: Factor,
    subtracted: Vec<Factor>,
}

impl<'a> Case<'a> {
    /// A symmetric matrix minus a number of factors.
    ///
    /// # Panics
    /// If the length of `values` is not `order²`.
    pub fn symmetric(values: &'a [f64], order: usize, subtracted: usize) -> Self {
        let factor = Factor::new(0.5 * order as f64, &equal_loadings(order), None);
        Self::new(values, (order, order), factor, subtracted)
    }

    /// A general matrix minus a number of factors.
    ///
    /// # Panics
    /// If the length of `values` is not `nrow · ncol`.
    pub fn general(values: &'a [f64], nrow: usize, ncol: usize, subtracted: usize) -> Self {
        let d = 0.5 * (nrow as f64 * ncol as f64).sqrt();
        Self::new(values, (nrow, ncol), Factor::new(d, &equal_loadings(nrow), Some(&equal_loadings(ncol))), subtracted)
    }

    fn new(values: &'a [f64], (nrow, ncol): (usize, usize), factor: Factor, subtracted: usize) -> Self {
        let storage = Dense::new(MatRef::from_column_major_slice(values, nrow, ncol));
        // Their weight is too small to change the residual: only the time of the subtraction matters.
        let subtracted = vec![Factor { d: 1e-12, ..factor.clone() }; subtracted];
        Self { storage, symmetric: factor.v.is_none(), factor, subtracted }
    }

    /// The storage.
    pub fn storage(&self) -> &Dense<'a> {
        &self.storage
    }

    /// The matrix minus the subtracted factors.
    pub fn view(&self) -> ResidualView<'_> {
        ResidualView::new(&self.storage, &self.subtracted, self.symmetric)
    }

    /// The number of entries that a pass reads: half of a symmetric matrix.
    pub fn count(&self) -> usize {
        self.view().count() as usize
    }

    /// `A q` and `Aᵀ p`, without a model.
    pub fn product(&self, threads: usize) -> RowColSums {
        product(&self.view(), self.factor.u.as_ref(), self.factor.v_column(), Threads::new(threads))
    }

    /// Maximizes the ELBO under a prior, for a symmetric matrix; returns the number of sweeps.
    pub fn fit_with_prior(&self, threads: usize) -> usize {
        fit_with_prior(&self.storage, &self.factor, PARAMS, threads).unwrap_or(0)
    }

    /// The products of a pass.
    pub fn pass(&self, level: PassLevel, threads: usize) -> RowColSums {
        self.sweep(&self.view(), level, threads)
    }

    /// The products of a pass under another prior of `b`.
    pub fn pass_with_prior(&self, prior: RemainderPrior, level: PassLevel, threads: usize) -> RowColSums {
        self.sweep(&self.view().with_remainder_prior(prior), level, threads)
    }

    /// The products of a pass with heteroscedastic noise.
    pub fn pass_with_noise_scales(&self, scales: &NoiseScales, level: PassLevel, threads: usize) -> RowColSums {
        self.sweep(&self.view().with_noise_scales(Some(scales)), level, threads)
    }

    fn sweep(&self, view: &ResidualView, level: PassLevel, threads: usize) -> RowColSums {
        let model = Model { factor: &self.factor, params: PARAMS };
        sweep(view, model, &model.spec(level), Threads::new(threads)).products
    }
}

/// The unit vector with equal elements.
fn equal_loadings(length: usize) -> Vec<f64> {
    vec![1.0 / (length as f64).sqrt(); length]
}
