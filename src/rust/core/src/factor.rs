//! Factors `d u vᵀ`, and factors of which an optimizer may move a part.

use crate::vector::{column, norm, Contiguous};
use faer::{Col, ColRef};

/// A factor `d u vᵀ` with `u, v ≥ 0`, of unit norm or zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// Weight, `d ≥ 0`.
    pub d: f64,
    /// Loadings of the rows.
    pub u: Col<f64>,
    /// Loadings of the columns; `None` if the matrix is symmetric, so that they equal `u`.
    pub v: Option<Col<f64>>,
}

impl Factor {
    /// The null factor of a matrix with `nrow` rows; `ncol` is `None` if the matrix is symmetric.
    pub fn zero(nrow: usize, ncol: Option<usize>) -> Self {
        Self { d: 0.0, u: Col::zeros(nrow), v: ncol.map(Col::zeros) }
    }

    /// The factor with weight `d` and these loadings; `v` is `None` if the matrix is symmetric.
    pub fn new(d: f64, u: &[f64], v: Option<&[f64]>) -> Self {
        Self { d, u: column(u), v: v.map(column) }
    }

    /// Loadings of the rows, contiguous.
    pub fn u(&self) -> &[f64] {
        self.u.as_slice()
    }

    /// Loadings of the columns; those of the rows if the matrix is symmetric.
    pub fn v_column(&self) -> ColRef<'_, f64> {
        self.v.as_ref().unwrap_or(&self.u).as_ref()
    }

    /// Loadings of the columns, contiguous; those of the rows if the matrix is symmetric.
    pub fn v(&self) -> &[f64] {
        self.v.as_ref().unwrap_or(&self.u).as_slice()
    }

    /// The same product with loadings of unit norm and all weight in `d`; zero loadings stay zero.
    pub(crate) fn normalised(self) -> Self {
        let Self { mut d, mut u, mut v } = self;
        let mut unit = |loadings: &mut [f64], power: i32| {
            let length = norm(loadings);
            d *= length.powi(power);
            loadings.iter_mut().for_each(|loading| *loading = if length > 0.0 { *loading / length } else { 0.0 });
        };
        unit(u.as_slice_mut(), if v.is_some() { 1 } else { 2 });
        if let Some(v) = &mut v {
            unit(v.as_slice_mut(), 1);
        }
        Self { d, u, v }
    }
}

/// The part of a factor that an optimizer may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Free {
    /// The loadings, and with them the weight.
    Loadings,
    /// The weight `d` alone.
    Weight,
}

/// A factor that is optimized.
#[derive(Clone, Debug)]
pub struct FreeFactor {
    /// Its starting value.
    pub factor: Factor,
    /// The part that may move.
    pub free: Free,
}

impl FreeFactor {
    /// A factor whose loadings may move.
    pub fn loadings(factor: Factor) -> Self {
        Self { factor, free: Free::Loadings }
    }

    /// A factor whose weight alone may move.
    pub fn weight(factor: Factor) -> Self {
        Self { factor, free: Free::Weight }
    }
}
