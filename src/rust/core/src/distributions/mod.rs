//! Distributions of the model, and the special functions that they use.

pub mod emg;
pub mod mills;
pub(crate) mod simd;
pub mod truncated_normal;
