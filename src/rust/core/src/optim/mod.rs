//! Optimizers and an eigen-solver, independent of the model.

pub(crate) mod lanczos;
pub(crate) mod lbfgs;
pub(crate) mod mixture_weights;
pub(crate) mod preconditioner;
