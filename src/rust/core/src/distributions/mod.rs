//! Distributions that the model is made of, and the functions behind them.

pub mod emg;
pub mod mills;
pub(crate) mod simd;
pub mod truncated_normal;
