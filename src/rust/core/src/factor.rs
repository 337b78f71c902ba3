//! One factor.

use crate::view::View;

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
    /// The factor that takes nothing out of a view.
    pub(crate) fn zero(view: &View) -> Self {
        let v = (!view.is_symmetric()).then(|| vec![0.0; view.ncol()]);
        Self { d: 0.0, u: vec![0.0; view.nrow()], v }
    }

    /// The loadings of the columns.
    pub fn v(&self) -> &[f64] {
        self.v.as_deref().unwrap_or(&self.u)
    }
}
