//! Factors `d u vᵀ`, and factors of which an optimizer may move a part.

use crate::vector::{column, Contiguous};
use faer::Col;

/// One factor `d u vᵀ`, with `u, v ≥ 0` of unit norm, or zero where there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// The weight, `d ≥ 0`.
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

    /// Loadings of the columns, contiguous; those of the rows if the matrix is symmetric.
    pub fn v(&self) -> &[f64] {
        self.v.as_ref().unwrap_or(&self.u).as_slice()
    }
}

/// What of a factor may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Free {
    /// Its loadings, and so its weight.
    Loadings,
    /// Its weight `d` alone.
    Weight,
}

/// A factor that climbs.
#[derive(Clone, Debug)]
pub struct FreeFactor {
    /// The factor at the start.
    pub factor: Factor,
    /// What of it may move.
    pub free: Free,
}

impl FreeFactor {
    /// A factor whose loadings may move.
    pub fn loadings(factor: Factor) -> Self {
        Self { factor, free: Free::Loadings }
    }

    /// A factor of which only the weight may move.
    pub fn weight(factor: Factor) -> Self {
        Self { factor, free: Free::Weight }
    }
}
