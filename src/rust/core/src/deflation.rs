//! Greedy deflation: each factor is fitted to the matrix minus the earlier ones, then all are refitted jointly.

use crate::error::Error;
use crate::factor::{Factor, FreeFactor};
use crate::fit::{elbo, FactorFit, JointRefit};
use crate::fitter::FactorFitter;
use crate::flatness::mean_flatness;
use crate::init::InitialLoadings;
use crate::noise::ResidualParams;
use crate::posterior::FactorPosterior;
use crate::residual::{Problem, ResidualView};
use crate::runtime::cancel::{catch_end, End};
use crate::runtime::parallel::Threads;
use crate::runtime::progress::{Progress, ProgressCallback, Stage};
use crate::selection::{best_count, criterion, should_continue, Candidate};
use crate::trace::Status;

/// Which factors to fit, and which are known.
pub struct Plan {
    /// Factors whose loadings are held. Their weights are estimated first, unless factors are kept: then an earlier fit has
    /// estimated them.
    pub fixed: Vec<Factor>,
    /// Factors of an earlier fit.
    pub kept: Vec<Factor>,
    /// λ and σ of that fit: starting values of a refit if no factor is added.
    pub kept_params: Option<ResidualParams>,
    /// Initial loadings of the first new factors; later ones choose their own.
    pub init: Vec<InitialLoadings>,
    /// Number of new factors.
    pub count: Count,
    /// Whether all factors are refitted jointly in the end.
    pub refine: bool,
}

/// Number of new factors.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    /// This number, null factors included.
    Exactly(usize),
    /// The number that the selection criterion chooses, at most this.
    AtMost(usize),
}

impl Plan {
    /// A plan for `count` new factors, without a refit.
    pub fn new(count: usize) -> Self {
        Self {
            fixed: Vec::new(),
            kept: Vec::new(),
            kept_params: None,
            init: Vec::new(),
            count: Count::Exactly(count),
            refine: false,
        }
    }

    /// Smallest number of factors of the result, null factors included.
    pub fn min_factors(&self) -> usize {
        let new = match self.count {
            Count::Exactly(count) => count,
            Count::AtMost(_) => 1,
        };
        self.fixed.len() + self.kept.len() + new
    }
}

/// Result of a deflation.
pub struct Deflation {
    /// The fixed factors with their weights.
    pub fixed: Vec<Factor>,
    /// The new factors, in the order in which they were fitted.
    pub fits: Vec<FactorFit>,
    /// The joint refit of the fixed, the kept and the new factors.
    pub refit: Option<JointRefit>,
    /// Selection criteria for 1, 2, … new factors, if their number was chosen.
    pub candidates: Vec<Candidate>,
    /// Whether a factor or a refit was cancelled before it had a result.
    pub interrupted: bool,
}

impl Deflation {
    /// The ELBO after each new factor; NaN without priors, and from the first factor on that has none.
    pub fn elbos(&self) -> Vec<f64> {
        elbos(&self.fits)
    }
}

/// The ELBO after each factor: variances and divergences add up over factors.
fn elbos(fits: &[FactorFit]) -> Vec<f64> {
    let (mut low_rank_variance, mut kl) = (0.0, 0.0);
    let after = |fit: &FactorFit| {
        let model = &fit.model;
        low_rank_variance += model.low_rank_variance;
        kl += match model.posteriors.first() {
            Some(posterior) => FactorPosterior::kl(posterior),
            None if model.status == Status::Null => 0.0,
            None => f64::NAN,
        };
        elbo(model.log_likelihood, low_rank_variance, model.params, kl)
    };
    fits.iter().map(after).collect()
}

/// Fits factors to a matrix one after another.
///
/// Ends early if λ and σ can no longer be estimated or a stop is requested; that last factor is kept if it has a result. Also
/// ends if it is abandoned, since entries can no longer be read; then the factors completed before are kept.
pub fn deflate(
    problem: &Problem,
    plan: Plan,
    fitter: &dyn FactorFitter,
    threads: Threads,
    progress: &mut ProgressCallback,
) -> Deflation {
    let Plan { fixed, kept, kept_params, init, count, refine } = plan;
    let (fits, candidates) = (Vec::new(), Vec::new());
    let mut greedy = Greedy { problem, fitter, refine, threads, fixed, kept, kept_params, fits, candidates };
    let refit = catch_end(|| greedy.run(init, count, progress));
    let Greedy { fixed, fits, candidates, .. } = greedy;
    let interrupted = refit.as_ref().err() == Some(&End::Cancelled);
    Deflation { fixed, fits, refit: refit.ok().flatten(), candidates, interrupted }
}

/// Outcome of fitting one more factor.
#[derive(PartialEq)]
enum Next {
    Added,
    Null,
    Ended,
}

/// A deflation in progress. A cancellation leaves the factors completed so far.
struct Greedy<'a> {
    problem: &'a Problem<'a>,
    fitter: &'a dyn FactorFitter,
    refine: bool,
    threads: Threads,
    fixed: Vec<Factor>,
    kept: Vec<Factor>,
    kept_params: Option<ResidualParams>,
    fits: Vec<FactorFit>,
    candidates: Vec<Candidate>,
}

impl Greedy<'_> {
    fn run(&mut self, init: Vec<InitialLoadings>, count: Count, progress: &mut ProgressCallback) -> Option<JointRefit> {
        if self.kept.is_empty() && !self.fixed.is_empty() {
            let view = self.problem.view(&[]);
            self.fixed = self.fitter.estimate_weights(&view, self.fixed.clone(), self.threads, progress);
        }
        let mut init = init.into_iter();
        match count {
            Count::Exactly(count) => {
                while self.fits.len() < count {
                    if self.next_factor(init.next(), progress) == Next::Ended {
                        return None;
                    }
                }
                self.refit(count, progress)
            }
            Count::AtMost(limit) => {
                let mut refits = Vec::new();
                while self.fits.len() < limit && should_continue(&self.candidates) {
                    match self.next_factor(init.next(), progress) {
                        Next::Ended => return None,
                        Next::Null => break,
                        Next::Added => {
                            let refit = self.refit(self.fits.len(), progress);
                            self.candidates.push(self.candidate(refit.as_ref()));
                            refits.push(refit);
                        }
                    }
                }
                // If no factor is worthwhile, one null factor reports that, unless there are kept ones.
                let min_count = usize::from(self.kept.is_empty());
                let count = best_count(&self.candidates).max(min_count).min(self.fits.len());
                self.fits.truncate(count);
                // The refit is known, unless one was interrupted: then this one ends likewise and says so.
                let interrupted = |refit: &JointRefit| refit.model.status == Status::Interrupted;
                let known = (1..=refits.len()).contains(&count) && !refits.iter().flatten().any(interrupted);
                if known {
                    refits.swap_remove(count - 1)
                } else {
                    self.refit(count, progress)
                }
            }
        }
    }

    /// Fits one more factor to the matrix minus the factors so far.
    fn next_factor(&mut self, init: Option<InitialLoadings>, progress: &mut ProgressCallback) -> Next {
        let index = self.fits.len();
        let subtracted: Vec<Factor> = self.factors(index).cloned().collect();
        let mut report = |event: Progress| progress(event.in_stage(Stage::Factor, index));
        let fit = self.fitter.fit(&self.problem.view(&subtracted), init, self.threads, &mut report);
        let next = match fit.model.status {
            Status::NoEstimate | Status::Interrupted => Next::Ended,
            Status::Null => Next::Null,
            _ => Next::Added,
        };
        self.fits.push(fit);
        next
    }

    /// The fixed, the kept and the first `count` new factors.
    fn factors(&self, count: usize) -> impl Iterator<Item = &Factor> {
        self.fixed.iter().chain(&self.kept).chain(self.fits[..count].iter().map(FactorFit::factor))
    }

    /// The joint refit of all of them, if it is asked for.
    fn refit(&self, count: usize, progress: &mut ProgressCallback) -> Option<JointRefit> {
        let params = self.fits[..count].last().map(|fit| fit.model.params).or(self.kept_params);
        let free = |(index, factor): (usize, &Factor)| {
            let factor = factor.clone();
            if index < self.fixed.len() {
                FreeFactor::weight(factor)
            } else {
                FreeFactor::loadings(factor)
            }
        };
        let factors: Vec<FreeFactor> = self.factors(count).enumerate().map(free).collect();
        let view = self.problem.view(&[]);
        let mut report = |event: Progress| progress(event.in_stage(Stage::Refit, count.saturating_sub(1)));
        self.refine.then(|| self.fitter.refit(&view, &factors, params, self.threads, &mut report)).flatten()
    }

    /// The selection criteria of the factors so far, `refit` being their joint refit.
    fn candidate(&self, refit: Option<&JointRefit>) -> Candidate {
        let count = self.fits.len();
        let factors: Vec<Factor> = self.factors(count).cloned().collect();
        let last = &self.fits[count - 1].model;
        // The ELBO penalizes factors by itself.
        let elbo = elbos(&self.fits)[count - 1];
        let joint = refit.map(|refit| {
            let penalized = || criterion(refit.candidate.log_likelihood, last.count, &refit.candidate.factors);
            (if elbo.is_nan() { penalized() } else { refit.model.elbo() }, mean_flatness(&refit.candidate.factors))
        });
        let (joint, joint_flatness) = joint.unwrap_or((f64::NAN, f64::NAN));
        Candidate {
            path: if elbo.is_nan() { criterion(last.log_likelihood, last.count, &factors) } else { elbo },
            path_flatness: mean_flatness(&factors),
            joint,
            joint_flatness,
        }
    }
}

/// The peak number of values that a fit holds per row, and per column of a general matrix: a base and an increment per
/// factor. Fits of symmetric sparse matrices in a limited address space took 51 to 60 with one factor, and 81 to 110
/// with four that are refitted.
const VALUES_PER_ROW: [usize; 2] = [48, 20];

/// Checks that the memory for a fit of `factors` factors, beside the matrix, is available. It is allocated and freed.
///
/// A failed allocation within a fit would abort the process; here it is an error.
///
/// # Errors
/// [`Error::Memory`] if the allocation fails.
pub fn check_memory(view: &ResidualView, factors: usize) -> Result<(), Error> {
    let length = view.nrow() + if view.is_symmetric() { 0 } else { view.ncol() };
    let [base, per_factor] = VALUES_PER_ROW;
    let values = per_factor.saturating_mul(factors).saturating_add(base).saturating_mul(length);
    let error = |_| Error::Memory { what: "the vectors of a fit" };
    Vec::<f64>::new().try_reserve_exact(values).map_err(error)
}
