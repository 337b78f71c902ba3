//! The progress callback of a fit: reports to R.

use crate::convert::Units;
use crate::stop::{poll_interrupt, record_interrupt, POLLING_INTERVAL};
use extendr_api::prelude::*;
use nmu_core::runtime::progress::{Progress, Stage};
use std::time::Instant;

/// Reports the progress of a fit to R.
pub(crate) struct FitMonitor {
    units: Units,
    report: Option<Function>,
}

impl FitMonitor {
    /// A monitor of a fit in the given units. `report` is R's `function(stage, factor, iteration, loglik)`.
    pub(crate) fn new(units: Units, report: Option<Function>) -> Self {
        Self { units, report }
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
            record_interrupt();
        }
    }

    /// The callback for the core. Once the user has interrupted, R is not called again.
    pub(crate) fn callback(self) -> impl FnMut(Progress) {
        let mut reported_at = Instant::now();
        move |progress| {
            if reported_at.elapsed() >= POLLING_INTERVAL && !poll_interrupt() {
                self.report(progress);
                reported_at = Instant::now();
            }
        }
    }
}
