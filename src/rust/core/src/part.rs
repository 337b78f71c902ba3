//! A factor that climbs, and what of it may move.

use crate::view::Factor;

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
pub struct Part {
    /// The factor at the start.
    pub factor: Factor,
    /// What of it may move.
    pub free: Free,
}

impl Part {
    /// A factor whose loadings may move.
    pub fn loadings(factor: Factor) -> Self {
        Self { factor, free: Free::Loadings }
    }

    /// A factor of which only the weight may move.
    pub fn weight(factor: Factor) -> Self {
        Self { factor, free: Free::Weight }
    }
}
