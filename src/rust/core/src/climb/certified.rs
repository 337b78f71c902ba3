//! A certified underapproximation as a model: λ and σ of what it leaves.

use super::Climb;
use crate::cancel::attempt;
use crate::certify::{self, Certified, Settings};
use crate::deflate::Problem;
use crate::error::Error;
use crate::fit::Refit;
use crate::observe::Observer;
use crate::parallel::Threads;
use crate::view::Factor;

/// A certified underapproximation, and λ and σ of what it leaves.
pub struct Underapproximation {
    /// The factors.
    pub factors: Vec<Certified>,
    /// λ and σ by the rule, with these factors; `None` where there was no time for them.
    pub model: Option<Refit>,
    /// The number of observed entries, as in the sums of a pass; NaN where there was no time to count them.
    pub count: f64,
}

impl Climb<'_> {
    /// Finds factors whose sum is nowhere larger than the matrix, and then λ and σ.
    ///
    /// # Errors
    /// Those of [`certify::underapproximate`].
    pub fn underapproximate(
        &self,
        problem: &Problem,
        settings: &Settings,
        threads: Threads,
        observer: &mut Observer,
    ) -> Result<Underapproximation, Error> {
        let certified = certify::underapproximate(problem, settings, threads, observer)?;
        let factors: Vec<Factor> = certified.iter().map(|certified| certified.factor.clone()).collect();
        let view = problem.view(&[]);
        let model = attempt(|| self.settle(&view, factors, threads, observer));
        let unknown = if view.has_missing() { f64::NAN } else { view.count() };
        let count = model.as_ref().map_or(unknown, |model| model.count);
        Ok(Underapproximation { factors: certified, model, count })
    }
}
