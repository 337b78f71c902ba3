//! A matrix with a model of it, ready to be passed over.

use crate::bound::climb;
use nmu_core::error::Error;
use nmu_core::factor::Factor;
use nmu_core::faer::{ColRef, MatRef};
use nmu_core::noise::NoiseScales;
use nmu_core::noise::ResidualParams;
use nmu_core::pass::{product, sweep, Model, PassLevel, PassSpec, RowColSums};
use nmu_core::remainder_prior::RemainderPrior;
use nmu_core::residual::ResidualView;
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::Dense;

/// λ and σ that the notebook's estimation starts from.
pub const NOISE: ResidualParams = ResidualParams { lambda: 1.0, sigma: 0.1 };

/// A matrix, its size and one factor of it.
pub struct Case<'a> {
    storage: Dense<'a>,
    symmetric: bool,
    factor: Factor,
    removed: Vec<Factor>,
}

impl<'a> Case<'a> {
    /// A symmetric matrix, of which `removed` factors have been taken out already.
    ///
    /// # Errors
    /// Where `values` is not `order²` long.
    pub fn symmetric(values: &'a [f64], order: usize, removed: usize) -> Result<Self, Error> {
        let factor = Factor::new(0.5 * order as f64, &even(order), None);
        Self::new(values, (order, order), factor, removed)
    }

    /// A matrix that is treated as a general one.
    ///
    /// # Errors
    /// Where `values` has another length.
    pub fn general(values: &'a [f64], nrow: usize, ncol: usize, removed: usize) -> Result<Self, Error> {
        let d = 0.5 * (nrow as f64 * ncol as f64).sqrt();
        Self::new(values, (nrow, ncol), Factor::new(d, &even(nrow), Some(&even(ncol))), removed)
    }

    fn new(values: &'a [f64], (nrow, ncol): (usize, usize), factor: Factor, removed: usize) -> Result<Self, Error> {
        let storage = Dense::new(MatRef::from_column_major_slice(values, nrow, ncol));
        // Taken out in name only: their weight is too small to change the residual.
        let removed = vec![Factor { d: 1e-12, ..factor.clone() }; removed];
        Ok(Self { storage, symmetric: factor.v.is_none(), factor, removed })
    }

    /// The storage.
    pub fn storage(&self) -> &Dense<'a> {
        &self.storage
    }

    /// The matrix minus what was taken out.
    pub fn view(&self) -> ResidualView<'_> {
        ResidualView::new(&self.storage, &self.removed, self.symmetric)
    }

    /// The entries that count: half of a symmetric matrix.
    pub fn count(&self) -> usize {
        self.view().count() as usize
    }

    /// `A q` and `Aᵀ p`: no model, no `b̄`.
    pub fn product(&self, threads: usize) -> RowColSums {
        product(
            &self.view(),
            ColRef::from_slice(self.factor.u()),
            ColRef::from_slice(self.factor.v()),
            Threads::new(threads),
        )
    }

    /// A climb of the bound under a prior, on a symmetric matrix: the number of sweeps.
    pub fn bound(&self, threads: usize) -> usize {
        climb(&self.storage, &self.factor, NOISE, threads).unwrap_or(0)
    }

    /// One pass, as deep as asked: its products.
    pub fn pass(&self, depth: PassLevel, threads: usize) -> RowColSums {
        self.sweep(&self.view(), depth, threads)
    }

    /// The same under another law of `b`.
    pub fn pass_under(&self, law: RemainderPrior, depth: PassLevel, threads: usize) -> RowColSums {
        self.sweep(&self.view().with_remainder_prior(law), depth, threads)
    }

    /// The same with noise that differs between entries.
    pub fn pass_scattered(&self, scales: &NoiseScales, depth: PassLevel, threads: usize) -> RowColSums {
        self.sweep(&self.view().with_noise_scales(Some(scales)), depth, threads)
    }

    fn sweep(&self, view: &ResidualView, depth: PassLevel, threads: usize) -> RowColSums {
        let model = Model { factor: &self.factor, params: NOISE };
        let question = PassSpec {
            row_weights: ColRef::from_slice(self.factor.u()),
            column_weights: ColRef::from_slice(self.factor.v()),
            shift: 1.0 / NOISE.lambda,
            level: depth,
        };
        sweep(view, model, &question, Threads::new(threads)).products
    }
}

/// The unit vector of equal loadings.
fn even(length: usize) -> Vec<f64> {
    vec![1.0 / (length as f64).sqrt(); length]
}
