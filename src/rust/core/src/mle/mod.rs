//! Maximum likelihood of factors, λ, σ, the remainder's prior and noise scales.
//!
//! | step | module |
//! |---|---|
//! | the log-likelihood as an objective, and its maximization | [`objective`], [`maximize`] |
//! | block coordinate ascent over all that is free | `alternating`, `remainder_update`, `noise_scales` |
//! | one factor, with continuation over lower bounds on `λσ` | `rank_one` |
//! | all factors jointly, from one start | [`refit`] |
//! | joint fits of 1, 2, … factors, each from the one before | `extend` |

pub(crate) mod alternating;
pub(crate) mod context;
pub(crate) mod extend;
pub mod maximize;
pub(crate) mod noise_scales;
pub mod objective;
pub(crate) mod rank_one;
pub mod refit;
pub(crate) mod remainder_update;
