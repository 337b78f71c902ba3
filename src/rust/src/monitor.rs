//! The progress callback of a fit: reports to R, and ends the fit early.
//!
//! The callback returns `Break` for each of these reasons, so that the fit returns the state that it has. What becomes of
//! that state differs:
//!
//! | reason | result |
//! |---|---|
//! | interrupt | returned, marked as interrupted; computations still running after a grace period are cancelled |
//! | matrix failed | factors that were complete before; R has the error |
//! | prior failed | an error ([`Priors::check`]) |

use crate::convert::{Priors, Units};
use crate::interrupt;
use extendr_api::prelude::*;
use nmu_core::runtime::progress::{Progress, Stage};
use nmu_core::storage::Storage;
use std::ops::ControlFlow;
use std::time::Instant;

/// Watches a fit for reasons to end it, and reports its progress to R.
pub(crate) struct FitMonitor<'a> {
    units: Units,
    report: Option<Function>,
    storage: Option<&'a dyn Storage>,
    priors: Vec<&'a Priors>,
}

impl<'a> FitMonitor<'a> {
    /// A monitor of a fit in the given units, which watches for interrupts. `report` is R's
    /// `function(stage, factor, iteration, loglik)`.
    pub(crate) fn new(units: Units, report: Option<Function>) -> Self {
        Self { units, report, storage: None, priors: Vec::new() }
    }

    /// Watches a matrix, too.
    pub(crate) fn with_storage(self, storage: &'a dyn Storage) -> Self {
        Self { storage: Some(storage), ..self }
    }

    /// Watches priors, too.
    pub(crate) fn with_priors(self, priors: impl IntoIterator<Item = &'a Priors>) -> Self {
        Self { priors: priors.into_iter().collect(), ..self }
    }

    /// Whether there is a reason to end the fit.
    fn must_stop(&self) -> bool {
        interrupt::poll_interrupt()
            || self.priors.iter().any(|priors| priors.failed())
            || self.storage.is_some_and(Storage::is_lost)
    }

    /// Calls R's function. It raises no error, so an evaluation that it does not return from was interrupted.
    fn report(&self, progress: Progress) {
        let Some(function) = &self.report else { return };
        let Progress { stage, factor, iteration, log_likelihood, count } = progress;
        let stage = match stage {
            Stage::Factor => "factor",
            Stage::Refit => "refit",
            Stage::ResidualParams => "noise",
        };
        let log_likelihood = self.units.log_likelihood(log_likelihood, count);
        let loglik = if log_likelihood.is_finite() { log_likelihood.into() } else { Rfloat::na() };
        let (factor, iteration) = ((factor + 1) as f64, iteration as f64);
        let arguments = pairlist!(stage = stage, factor = factor, iteration = iteration, loglik = loglik);
        if function.call(arguments).is_err() {
            interrupt::record_interrupt();
        }
    }

    /// The callback for the core.
    pub(crate) fn callback(self) -> impl FnMut(Progress) -> ControlFlow<()> + 'a {
        let mut reported_at = Instant::now();
        move |progress| {
            if reported_at.elapsed() >= interrupt::POLLING_INTERVAL && !interrupt::poll_interrupt() {
                self.report(progress);
                reported_at = Instant::now();
            }
            if self.must_stop() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        }
    }
}
