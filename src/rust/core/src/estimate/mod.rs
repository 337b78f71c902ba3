//! Rules that estimate λ and σ, and what else is free in the law of the remainder, from the sums of a pass.
//!
//! To add an estimator, implement [`Estimator`] in a file of its own. Maximum likelihood is not one of them: it climbs
//! the same hill as the loadings, and [`crate::maximise`] takes both up together with the slopes in [`likelihood`].

mod family;
pub mod likelihood;
mod moments;
mod notebook;

pub use family::{LawFamily, Means};
pub use moments::Moments;
pub use notebook::Notebook;

use crate::noise::{Bounds, Noise};
use crate::pass::Sums;

/// A rule that gives λ and σ from what a pass has seen of the residual.
pub trait Estimator {
    /// The estimate, or `None` where the rule has no positive one.
    fn estimate(&self, sums: &Sums, bounds: &Bounds) -> Option<Noise>;
}

/// Whether a number can be a λ or σ.
fn usable(value: f64) -> bool {
    value > 0.0 && value.is_finite()
}
