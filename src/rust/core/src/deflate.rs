//! Factor after factor: each is fitted to the matrix minus those before it.

use crate::fit::{FactorFit, FitFactor, Status};
use crate::observe::{Observer, Progress};
use crate::parallel::Threads;
use crate::start::Start;
use crate::storage::Storage;
use crate::view::{Factor, View};

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

/// What is known before the first factor is looked for.
#[derive(Default)]
pub struct Given {
    /// Factors that are taken out as they are.
    pub kept: Vec<Factor>,
    /// Where the first new factors start; those after them have starts of their own.
    pub starts: Vec<Start>,
}

/// Takes up to `count` factors out of a matrix, one after another, in the order in which they are found.
///
/// It ends early where λ and σ can no longer be estimated or the observer says so; that last factor is kept.
pub fn deflate(
    problem: &Problem,
    given: Given,
    count: usize,
    method: &dyn FitFactor,
    threads: Threads,
    observer: &mut Observer,
) -> Vec<FactorFit> {
    let Given { kept: mut factors, starts } = given;
    let mut starts = starts.into_iter();
    let mut fits: Vec<FactorFit> = Vec::new();
    for index in 0..count {
        let mut tell = |progress: Progress| observer(Progress { factor: index, ..progress });
        let fit = method.fit(&problem.view(&factors), starts.next(), threads, &mut tell);
        let ended = matches!(fit.status, Status::Noise | Status::Interrupted);
        factors.push(fit.factor.clone());
        fits.push(fit);
        if ended {
            break;
        }
    }
    fits
}
