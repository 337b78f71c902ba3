//! Optimizers that know no model.

pub(crate) mod lbfgs;
pub(crate) mod mixture_weights;
