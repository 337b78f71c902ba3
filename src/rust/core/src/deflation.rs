//! Factor after factor: each is fitted to the matrix minus those before it, and in the end all are refitted together.

use crate::factor::{Factor, FreeFactor};
use crate::fit::{FactorFit, FactorFitter, Refit};
use crate::flatness::mean_flatness;
use crate::init::InitialLoadings;
use crate::noise::ResidualParams;
use crate::residual::Problem;
use crate::runtime::cancel::catch_cancellation;
use crate::runtime::parallel::Threads;
use crate::runtime::progress::{Progress, ProgressCallback, Stage};
use crate::selection::{best_count, criterion, should_continue, Candidate};
use crate::trace::Status;
use crate::variational::elbo::bound;

/// What to look for, and what is known.
pub struct Plan {
    /// Factors whose loadings stay as they are, and whose weights are found first; where factors are kept, an earlier fit
    /// has found the weights, too.
    pub fixed: Vec<Factor>,
    /// Factors that an earlier fit has found.
    pub kept: Vec<Factor>,
    /// λ and σ after these, where a refit starts if no factor is added.
    pub kept_params: Option<ResidualParams>,
    /// Where the first new factors start; those after them have starts of their own.
    pub starts: Vec<InitialLoadings>,
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
            kept_params: None,
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
    let (mut spread, mut kl) = (0.0, 0.0);
    let after = |fit: &FactorFit| {
        spread += fit.spread;
        kl += match &fit.beliefs {
            Some(beliefs) => beliefs.kl(),
            None if fit.status == Status::Null => 0.0,
            None => f64::NAN,
        };
        bound(fit.log_likelihood, spread, fit.params, kl)
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
    method: &dyn FactorFitter,
    threads: Threads,
    on_progress: &mut ProgressCallback,
) -> Deflation {
    let Plan { fixed, kept, kept_params, starts, count, refine } = plan;
    let (fits, candidates) = (Vec::new(), Vec::new());
    let mut search = Search { problem, method, refine, threads, fixed, kept, kept_params, fits, candidates };
    let refit = catch_cancellation(|| search.run(starts, count, on_progress));
    let Search { fixed, fits, candidates, .. } = search;
    let interrupted = refit.is_none() && !problem.storage.is_lost();
    Deflation { fixed, fits, refit: refit.flatten(), candidates, interrupted }
}

/// What became of the next factor.
#[derive(PartialEq)]
enum Next {
    Found,
    Null,
    Ended,
}

/// The factors so far, and how to find more.
pub(crate) struct Search<'a> {
    pub(crate) problem: &'a Problem<'a>,
    pub(crate) method: &'a dyn FactorFitter,
    pub(crate) refine: bool,
    pub(crate) threads: Threads,
    pub(crate) fixed: Vec<Factor>,
    pub(crate) kept: Vec<Factor>,
    pub(crate) kept_params: Option<ResidualParams>,
    pub(crate) fits: Vec<FactorFit>,
    pub(crate) candidates: Vec<Candidate>,
}

impl Search<'_> {
    /// Finds all that is asked for, and refits it. What is found stays found where this is given up.
    pub(crate) fn run(
        &mut self,
        starts: Vec<InitialLoadings>,
        count: Count,
        on_progress: &mut ProgressCallback,
    ) -> Option<Refit> {
        if self.kept.is_empty() && !self.fixed.is_empty() {
            let view = self.problem.view(&[]);
            self.fixed = self.method.weights(&view, self.fixed.clone(), self.threads, on_progress);
        }
        let mut starts = starts.into_iter();
        match count {
            Count::Exactly(count) => {
                while self.fits.len() < count {
                    if self.next(starts.next(), on_progress) == Next::Ended {
                        return None;
                    }
                }
                self.refit(count, on_progress)
            }
            Count::AtMost(limit) => {
                let mut refits = Vec::new();
                while self.fits.len() < limit && should_continue(&self.candidates) {
                    match self.next(starts.next(), on_progress) {
                        Next::Ended => return None,
                        Next::Null => break,
                        Next::Found => {
                            let refit = self.refit(self.fits.len(), on_progress);
                            self.candidates.push(self.candidate(refit.as_ref()));
                            refits.push(refit);
                        }
                    }
                }
                // Where there is nothing, one null factor says so; it has nothing to say beside factors that were kept.
                let least = usize::from(self.kept.is_empty());
                let count = best_count(&self.candidates).max(least).min(self.fits.len());
                self.fits.truncate(count);
                // The refit is known, unless the observer ended the last one: then this one ends likewise and says so.
                let interrupted = |refit: &Refit| refit.status == Status::Interrupted;
                let known = (1..=refits.len()).contains(&count) && !refits.iter().flatten().any(interrupted);
                if known {
                    refits.swap_remove(count - 1)
                } else {
                    self.refit(count, on_progress)
                }
            }
        }
    }

    /// Fits one more factor to what those so far leave.
    fn next(&mut self, start: Option<InitialLoadings>, on_progress: &mut ProgressCallback) -> Next {
        let index = self.fits.len();
        let subtracted: Vec<Factor> = self.factors(index).cloned().collect();
        let mut tell = |progress: Progress| on_progress(progress.in_stage(Stage::Factor, index));
        let fit = self.method.fit(&self.problem.view(&subtracted), start, self.threads, &mut tell);
        if self.problem.storage.is_lost() {
            return Next::Ended;
        }
        let next = match fit.status {
            Status::NoEstimate | Status::Interrupted => Next::Ended,
            Status::Null => Next::Null,
            _ => Next::Found,
        };
        self.fits.push(fit);
        next
    }

    /// The fixed, the kept and the first `count` new factors.
    fn factors(&self, count: usize) -> impl Iterator<Item = &Factor> {
        self.fixed.iter().chain(&self.kept).chain(self.fits[..count].iter().map(|fit| &fit.factor))
    }

    /// All of them refitted, where that is wanted.
    fn refit(&self, count: usize, on_progress: &mut ProgressCallback) -> Option<Refit> {
        let params = self.fits[..count].last().map(|fit| fit.params).or(self.kept_params);
        let fixed = self.fixed.len();
        let part = |(index, factor): (usize, &Factor)| {
            let factor = factor.clone();
            if index < fixed {
                FreeFactor::weight(factor)
            } else {
                FreeFactor::loadings(factor)
            }
        };
        let parts: Vec<FreeFactor> = self.factors(count).enumerate().map(part).collect();
        let view = self.problem.view(&[]);
        let mut tell = |progress: Progress| on_progress(progress.in_stage(Stage::Refit, count.saturating_sub(1)));
        let refit = self.refine.then(|| self.method.refit(&view, &parts, params, self.threads, &mut tell)).flatten();
        refit.filter(|_| !self.problem.storage.is_lost())
    }

    /// What speaks for the number of factors so far, of which `refit` is the refit.
    fn candidate(&self, refit: Option<&Refit>) -> Candidate {
        let count = self.fits.len();
        let factors: Vec<Factor> = self.factors(count).cloned().collect();
        let last = &self.fits[count - 1];
        // Where there are priors the bound weighs a factor by itself, without a penalty.
        let bound = elbos(&self.fits)[count - 1];
        let joint = refit.map(|refit| {
            let penalised = || criterion(refit.top.log_likelihood, last.count, &refit.top.factors);
            (if bound.is_nan() { penalised() } else { refit.elbo }, mean_flatness(&refit.top.factors))
        });
        let (joint, joint_flatness) = joint.unwrap_or((f64::NAN, f64::NAN));
        Candidate {
            path: if bound.is_nan() { criterion(last.log_likelihood, last.count, &factors) } else { bound },
            path_flatness: mean_flatness(&factors),
            joint,
            joint_flatness,
        }
    }
}
