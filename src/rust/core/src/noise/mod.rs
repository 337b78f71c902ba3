//! λ and σ, and the rules that estimate them from the sums of a pass.
//!
//! To add an estimator, implement [`Estimator`] in a file of its own.

mod notebook;

pub use notebook::Notebook;

use crate::pass::Sums;

/// The two parameters of the residual: `b ~ Exp(λ)` (rate, so `E[b] = 1/λ`) and `e ~ N(0, σ²)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// The rate of `b`, in units of `1/A`.
    pub lambda: f64,
    /// The standard deviation of `e`, in units of `A`.
    pub sigma: f64,
}

/// A rule that gives λ and σ from what a pass has seen of the residual.
pub trait Estimator {
    /// The estimate, or `None` where the rule has no positive one.
    fn estimate(&self, sums: &Sums) -> Option<Noise>;
}
