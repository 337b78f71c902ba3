//! Factor after factor: each is fitted to the matrix minus those before it, and in the end all are refitted together.

mod search;

use crate::bayes::bound;
use crate::cancel::attempt;
use crate::choose::Candidate;
use crate::fit::{FactorFit, Method, Refit, Status};
use crate::noise::Noise;
use crate::observe::Observer;
use crate::parallel::Threads;
use crate::start::Start;
use crate::storage::Storage;
use crate::view::{Factor, View};
use search::Search;

/// The matrix to take factors out of.
pub struct Problem<'a> {
    /// How it is held.
    pub storage: &'a dyn Storage,
    /// Whether it equals its transpose.
    pub symmetric: bool,
    /// What its entries are multiplied by as they are read: the factors, λ and σ are found in these units.
    pub scale: f64,
}

impl Problem<'_> {
    /// The matrix minus `factors`.
    pub fn view<'b>(&'b self, factors: &'b [Factor]) -> View<'b> {
        View::new(self.storage, factors, self.symmetric).in_units(self.scale)
    }
}

/// What to look for, and what is known.
pub struct Plan {
    /// Factors whose loadings stay as they are, and whose weights are found first; where factors are kept, an earlier fit
    /// has found the weights, too.
    pub fixed: Vec<Factor>,
    /// Factors that an earlier fit has found.
    pub kept: Vec<Factor>,
    /// λ and σ after these, where a refit starts if no factor is added.
    pub kept_noise: Option<Noise>,
    /// Where the first new factors start; those after them have starts of their own.
    pub starts: Vec<Start>,
    /// How many new factors.
    pub count: Count,
    /// Whether all factors are refitted together in the end.
    pub refine: bool,
}

/// How many factors to look for.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    /// So many, null ones among them.
    Exactly(usize),
    /// As many as the data ask for, within a limit.
    AtMost(usize),
}

impl Plan {
    /// How many factors there will be at least, null ones among them.
    pub fn least_factors(&self) -> usize {
        let new = match self.count {
            Count::Exactly(count) => count,
            Count::AtMost(_) => 1,
        };
        self.fixed.len() + self.kept.len() + new
    }

    /// So many factors of which nothing is known, one after another.
    pub fn of(count: usize) -> Self {
        Self {
            fixed: Vec::new(),
            kept: Vec::new(),
            kept_noise: None,
            starts: Vec::new(),
            count: Count::Exactly(count),
            refine: false,
        }
    }
}

/// What was found.
pub struct Deflation {
    /// The fixed factors with their weights.
    pub fixed: Vec<Factor>,
    /// The new factors.
    pub fits: Vec<FactorFit>,
    /// All factors, refitted: the fixed ones, those that were kept, and the new ones.
    pub refit: Option<Refit>,
    /// What spoke for 1, 2, … new factors, where their number was chosen.
    pub candidates: Vec<Candidate>,
    /// Whether something was given up of which nothing was known yet: a factor, or a refit.
    pub interrupted: bool,
}

impl Deflation {
    /// The bound of the evidence after each new factor; NaN where there are no priors, and from a factor on that has none.
    pub fn elbos(&self) -> Vec<f64> {
        elbos(&self.fits)
    }
}

/// What the loadings of all factors so far cost is taken off the log-likelihood.
fn elbos(fits: &[FactorFit]) -> Vec<f64> {
    let (mut spread, mut divergence) = (0.0, 0.0);
    let after = |fit: &FactorFit| {
        spread += fit.spread;
        divergence += match &fit.beliefs {
            Some(beliefs) => beliefs.divergence(),
            None if fit.status == Status::Null => 0.0,
            None => f64::NAN,
        };
        bound(fit.log_likelihood, spread, fit.noise, divergence)
    };
    fits.iter().map(after).collect()
}

/// Takes factors out of a matrix, in the order in which they are found.
///
/// It ends early where λ and σ can no longer be estimated or the observer says so; that last factor is kept, if anything is
/// known of it. It also ends where entries can no longer be read: then only what was found before is kept.
pub fn deflate(
    problem: &Problem,
    plan: Plan,
    method: &dyn Method,
    threads: Threads,
    observer: &mut Observer,
) -> Deflation {
    let Plan { fixed, kept, kept_noise, starts, count, refine } = plan;
    let (fits, candidates) = (Vec::new(), Vec::new());
    let mut search = Search { problem, method, refine, threads, fixed, kept, kept_noise, fits, candidates };
    let refit = attempt(|| search.run(starts, count, observer));
    let Search { fixed, fits, candidates, .. } = search;
    let interrupted = refit.is_none() && !problem.storage.is_lost();
    Deflation { fixed, fits, refit: refit.flatten(), candidates, interrupted }
}
