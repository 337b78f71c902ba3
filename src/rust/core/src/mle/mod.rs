//! Maximum likelihood.

pub(crate) mod alternating;
pub(crate) mod continuation;
pub mod maximize;
pub(crate) mod noise_scales;
pub(crate) mod objective;
pub(crate) mod rank_one;
pub(crate) mod refit;
pub mod remainder_update;
