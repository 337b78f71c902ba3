//! The search for one factor after another.

use super::{elbos, Count, Problem};
use crate::choose::{chosen, criterion, goes_on, Candidate};
use crate::fit::{FactorFit, Method, Refit, Status};
use crate::flatness::mean_flatness;
use crate::noise::Noise;
use crate::observe::{Observer, Progress, Stage};
use crate::parallel::Threads;
use crate::part::Part;
use crate::start::Start;
use crate::view::Factor;

/// What became of the next factor.
#[derive(PartialEq)]
enum Next {
    Found,
    Null,
    Ended,
}

/// The factors so far, and how to find more.
pub(super) struct Search<'a> {
    pub(super) problem: &'a Problem<'a>,
    pub(super) method: &'a dyn Method,
    pub(super) refine: bool,
    pub(super) threads: Threads,
    pub(super) fixed: Vec<Factor>,
    pub(super) kept: Vec<Factor>,
    pub(super) kept_noise: Option<Noise>,
    pub(super) fits: Vec<FactorFit>,
    pub(super) candidates: Vec<Candidate>,
}

impl Search<'_> {
    /// Finds all that is asked for, and refits it. What is found stays found where this is given up.
    pub(super) fn run(&mut self, starts: Vec<Start>, count: Count, observer: &mut Observer) -> Option<Refit> {
        if self.kept.is_empty() && !self.fixed.is_empty() {
            let view = self.problem.view(&[]);
            self.fixed = self.method.weights(&view, self.fixed.clone(), self.threads, observer);
        }
        let mut starts = starts.into_iter();
        match count {
            Count::Exactly(count) => {
                while self.fits.len() < count {
                    if self.next(starts.next(), observer) == Next::Ended {
                        return None;
                    }
                }
                self.refit(count, observer)
            }
            Count::AtMost(limit) => {
                let mut refits = Vec::new();
                while self.fits.len() < limit && goes_on(&self.candidates) {
                    match self.next(starts.next(), observer) {
                        Next::Ended => return None,
                        Next::Null => break,
                        Next::Found => {
                            let refit = self.refit(self.fits.len(), observer);
                            self.candidates.push(self.candidate(refit.as_ref()));
                            refits.push(refit);
                        }
                    }
                }
                // Where there is nothing, one null factor says so; it has nothing to say beside factors that were kept.
                let least = usize::from(self.kept.is_empty());
                let count = chosen(&self.candidates).max(least).min(self.fits.len());
                self.fits.truncate(count);
                // The refit is known, unless the observer ended the last one: then this one ends likewise and says so.
                let interrupted = |refit: &Refit| refit.status == Status::Interrupted;
                let known = (1..=refits.len()).contains(&count) && !refits.iter().flatten().any(interrupted);
                if known {
                    refits.swap_remove(count - 1)
                } else {
                    self.refit(count, observer)
                }
            }
        }
    }

    /// Fits one more factor to what those so far leave.
    fn next(&mut self, start: Option<Start>, observer: &mut Observer) -> Next {
        let index = self.fits.len();
        let taken: Vec<Factor> = self.factors(index).cloned().collect();
        let mut tell = |progress: Progress| observer(progress.of(Stage::Factor, index));
        let fit = self.method.fit(&self.problem.view(&taken), start, self.threads, &mut tell);
        if self.problem.storage.is_lost() {
            return Next::Ended;
        }
        let next = match fit.status {
            Status::Noise | Status::Interrupted => Next::Ended,
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
    fn refit(&self, count: usize, observer: &mut Observer) -> Option<Refit> {
        let noise = self.fits[..count].last().map(|fit| fit.noise).or(self.kept_noise);
        let fixed = self.fixed.len();
        let part = |(index, factor): (usize, &Factor)| {
            let factor = factor.clone();
            if index < fixed {
                Part::weight(factor)
            } else {
                Part::loadings(factor)
            }
        };
        let parts: Vec<Part> = self.factors(count).enumerate().map(part).collect();
        let view = self.problem.view(&[]);
        let mut tell = |progress: Progress| observer(progress.of(Stage::Refit, count.saturating_sub(1)));
        let refit = self.refine.then(|| self.method.refit(&view, &parts, noise, self.threads, &mut tell)).flatten();
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
