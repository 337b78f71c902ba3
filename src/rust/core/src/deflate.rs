//! Factor after factor: each is fitted to the matrix minus those before it.

use crate::fit::{FactorFit, FitFactor, Status};
use crate::observe::{Observer, Progress};
use crate::parallel::Threads;
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

/// Takes up to `count` factors out of a matrix, one after another, in the order in which they are found.
///
/// It ends early where λ and σ can no longer be estimated or the observer says so; that last factor is kept.
pub fn deflate(
    problem: &Problem,
    count: usize,
    method: &dyn FitFactor,
    threads: Threads,
    observer: &mut Observer,
) -> Vec<FactorFit> {
    let mut fits: Vec<FactorFit> = Vec::new();
    let mut factors: Vec<Factor> = Vec::new();
    for index in 0..count {
        let view = View::new(problem.storage, &factors, problem.symmetric).in_units(problem.scale);
        let mut tell = |progress: Progress| observer(Progress { factor: index, ..progress });
        let fit = method.fit(&view, threads, &mut tell);
        let ended = matches!(fit.status, Status::Noise | Status::Interrupted);
        factors.push(fit.factor.clone());
        fits.push(fit);
        if ended {
            break;
        }
    }
    fits
}
