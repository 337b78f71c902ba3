//! What a climb of the bound is told, and what it returns.

use crate::factor::Factor;
use crate::mle::maximize::Settings;
use crate::noise::{Bounds, ResidualParams};
use crate::noise_estimators::NoiseEstimator;
use crate::pass::PassStats;
use crate::posterior::FactorPosterior;
use crate::prior::Family;
use crate::trace::{Status, Trace};

/// The priors of one stage of a schedule.
#[derive(Clone, Copy, Debug)]
pub struct PriorStage<'a> {
    /// That of the loadings of the rows.
    pub rows: &'a dyn Family,
    /// That of the loadings of the columns, where the matrix is not symmetric.
    pub columns: &'a dyn Family,
}

/// How λ and σ follow the beliefs.
#[derive(Clone, Copy)]
pub enum NoiseUpdate<'a> {
    /// They are held.
    Held,
    /// They climb the bound, within bounds of their own.
    ModelFitter(Bounds),
    /// A rule gives them after each round.
    NoiseRule(&'a dyn NoiseEstimator, Bounds),
}

/// Where a climb of the bound begins.
#[derive(Clone, Copy)]
pub struct VariationalInit<'a> {
    /// The factors, for now known for certain.
    pub factors: &'a [Factor],
    /// Factors whose loadings stay, and whose weights climb with λ and σ.
    pub fixed: &'a [Factor],
    /// λ and σ.
    pub params: ResidualParams,
}

/// How the bound is climbed.
#[derive(Clone, Copy)]
pub struct VariationalOptions<'a> {
    /// The priors, one stage after another.
    pub schedule: &'a [PriorStage<'a>],
    /// How λ and σ follow.
    pub noises: NoiseUpdate<'a>,
    /// When to stop; no more of it is used.
    pub settings: Settings,
}

/// Where a climb of the bound ended.
pub struct VariationalFit {
    /// What is believed of each factor.
    pub beliefs: Vec<FactorPosterior>,
    /// The factors of the means, of unit norm; zero where a prior took a factor away.
    pub factors: Vec<Factor>,
    /// The fixed factors, with their weights.
    pub fixed: Vec<Factor>,
    /// λ and σ.
    pub params: ResidualParams,
    /// The sums of a sweep at the means.
    pub sums: PassStats,
    /// The variance of the factors, summed over the entries.
    pub spread: f64,
    /// The bound.
    pub elbo: f64,
    /// A value a step.
    pub trace: Vec<Trace>,
    /// Why it ended.
    pub status: Status,
}
