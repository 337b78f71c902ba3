//! Ctrl-C at the R prompt, noticed without jumping over anything that Rust has to clean up; and where a fit stands, told
//! to R.

use extendr_api::prelude::eval_string;
use nmu_core::observe::{Progress, Stage};
use std::ops::ControlFlow;
use std::os::raw::c_void;
use std::ptr::null_mut;
use std::time::{Duration, Instant};

extern "C" {
    fn R_ToplevelExec(function: extern "C" fn(*mut c_void), data: *mut c_void) -> i32;
    fn R_CheckUserInterrupt();
}

extern "C" fn check(_: *mut c_void) {
    // SAFETY: called by R_ToplevelExec on R's own thread; R's jump out of this call ends in R_ToplevelExec and passes
    // no Rust frame that owns anything.
    unsafe { R_CheckUserInterrupt() }
}

/// Whether the user asked to stop.
fn interrupted() -> bool {
    // SAFETY: observers are called on the thread that R called us on, and `check` does not use its argument.
    unsafe { R_ToplevelExec(check, null_mut()) == 0 }
}

/// Tells R where a fit of a matrix times `scale` stands, and whether the user asked to stop while R was at it. R's function
/// raises no errors, and what jumps out of it ends where extendr evaluates it.
fn told(progress: Progress, scale: f64) -> bool {
    let Progress { stage, factor, iteration, log_likelihood, count } = progress;
    let stage = match stage {
        Stage::Factor => "factor",
        Stage::Refit => "refit",
        Stage::Noise => "noise",
    };
    let log_likelihood = log_likelihood + count * scale.ln();
    let known = if log_likelihood.is_finite() { format!("{log_likelihood:e}") } else { "NA".to_owned() };
    eval_string(&format!("nmu:::progress_tick('{stage}', {}, {iteration}, {known})", factor + 1)).is_err()
}

/// The time between two looks at the keyboard.
const PERIOD: Duration = Duration::from_millis(100);

/// The keyboard, looked at every now and then. R tells of an interrupt once, and work has several stages: having heard of one,
/// this says so to each of them.
struct Watch {
    last: Instant,
    stopped: bool,
}

impl Watch {
    fn new() -> Self {
        Self { last: Instant::now(), stopped: false }
    }

    /// Whether to stop; `look` tells of it, and is asked when it is time to.
    fn stops(&mut self, look: impl FnOnce() -> bool) -> bool {
        if !self.stopped && self.last.elapsed() >= PERIOD {
            self.stopped = look();
            self.last = Instant::now();
        }
        self.stopped
    }
}

/// Whether the user has asked to stop.
pub(crate) fn stop() -> impl FnMut() -> bool {
    let mut watch = Watch::new();
    move || watch.stops(interrupted)
}

/// An observer that ends a fit of a matrix times `scale` when the user interrupts it, and tells R how it goes.
pub(crate) fn observer(scale: f64) -> impl FnMut(Progress) -> ControlFlow<()> {
    observer_or(scale, || false)
}

/// The same, which also ends a fit once `lost`: when nothing that it finds would be of use.
pub(crate) fn observer_or(scale: f64, lost: impl Fn() -> bool) -> impl FnMut(Progress) -> ControlFlow<()> {
    let mut watch = Watch::new();
    move |progress| {
        if watch.stops(|| interrupted() || told(progress, scale)) || lost() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}
