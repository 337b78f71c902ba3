//! One factor.

/// One factor `d u vᵀ`, with `u, v ≥ 0` of unit norm, or zero where there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// The weight, `d ≥ 0`.
    pub d: f64,
    /// The loadings of the rows.
    pub u: Vec<f64>,
    /// The loadings of the columns; `None` where the matrix is symmetric and they are those of the rows.
    pub v: Option<Vec<f64>>,
}

impl Factor {
    /// The null factor of a matrix with `nrow` rows; `ncol` is `None` if the matrix is symmetric.
    pub fn zero(nrow: usize, ncol: Option<usize>) -> Self {
        Self { d: 0.0, u: vec![0.0; nrow], v: ncol.map(|ncol| vec![0.0; ncol]) }
    }

    /// The loadings of the columns.
    pub fn v(&self) -> &[f64] {
        self.v.as_deref().unwrap_or(&self.u)
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
