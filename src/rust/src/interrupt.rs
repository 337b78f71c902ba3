//! Ctrl-C at the R prompt, noticed without jumping over anything that Rust has to clean up; and where a fit stands, told
//! to R.

use extendr_api::prelude::eval_string;
use nmu_core::runtime::cancel;
use nmu_core::runtime::progress::{Progress, Stage};
use std::cell::Cell;
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
    // SAFETY: the keyboard is looked at on the thread that R called us on, and `check` does not use its argument.
    unsafe { R_ToplevelExec(check, null_mut()) == 0 }
}

/// The time between two looks at the keyboard, and between two words to R.
const PERIOD: Duration = Duration::from_millis(100);
/// The time that a fit has to come to a good end once the user has interrupted it; what takes longer is given up.
const GRACE: Duration = Duration::from_millis(150);

/// What is known of the keyboard. R tells of an interrupt once, and work has several stages, each of which asks.
#[derive(Clone, Copy)]
struct Keyboard {
    /// When it was last looked at.
    looked: Instant,
    /// When the user was first known to have asked to stop the call that runs; nothing where none does.
    heard: Option<Instant>,
    /// How long work may go on after that.
    grace: Duration,
    /// Whether a call runs.
    within: bool,
}

thread_local! {
    static KEYBOARD: Cell<Keyboard> =
        Cell::new(Keyboard { looked: Instant::now(), heard: None, grace: Duration::ZERO, within: false });
}

/// When the user asked to stop.
fn heard() -> Option<Instant> {
    let mut known = KEYBOARD.get();
    if known.heard.is_none() && known.looked.elapsed() >= PERIOD {
        known.heard = interrupted().then(Instant::now);
        known.looked = Instant::now();
        KEYBOARD.set(known);
    }
    known.heard
}

fn is_overdue() -> bool {
    heard().is_some_and(|since| since.elapsed() >= KEYBOARD.get().grace)
}

/// Whether the user has asked to stop what R has called for: what it returns is to say so.
pub(crate) fn was_heard() -> bool {
    KEYBOARD.get().heard.is_some()
}

/// Runs what R has called for; `None` where the user interrupts it.
pub(crate) fn with_cancellation<T>(work: impl FnOnce() -> T) -> Option<T> {
    heeding_after(Duration::ZERO, || {
        let value = work();
        (!was_heard()).then_some(value)
    })
    .flatten()
}

/// Runs a fit; `None` where the user interrupted it before there was anything to return.
pub(crate) fn heeding_late<T>(work: impl FnOnce() -> T) -> Option<T> {
    heeding_after(GRACE, work)
}

fn heeding_after<T>(grace: Duration, work: impl FnOnce() -> T) -> Option<T> {
    let outer = KEYBOARD.get();
    KEYBOARD.set(Keyboard { grace, within: true, ..outer });
    let _restored = Restored(outer);
    cancel::with_cancellation(is_overdue, work)
}

/// Puts back what an outer call knows, however this one ends: a prior of the user's own may call us from within. R tells of
/// an interrupt once, so what one of the two has heard the other has: else the outer one would go on, and call again.
struct Restored(Keyboard);

impl Drop for Restored {
    fn drop(&mut self) {
        let Keyboard { looked, heard, .. } = KEYBOARD.get();
        KEYBOARD.set(Keyboard { looked, heard: heard.filter(|_| self.0.within), ..self.0 });
    }
}

/// Tells R where a fit of a matrix times `scale` stands, and whether the user asked to stop while R was at it. R's function
/// raises no errors, and what jumps out of it ends where extendr evaluates it.
fn told(progress: Progress, scale: f64) -> bool {
    let Progress { stage, factor, iteration, log_likelihood, count } = progress;
    let stage = match stage {
        Stage::Factor => "factor",
        Stage::Refit => "refit",
        Stage::ResidualParams => "noise",
    };
    let log_likelihood = log_likelihood + count * scale.ln();
    let known = if log_likelihood.is_finite() { format!("{log_likelihood:e}") } else { "NA".to_owned() };
    eval_string(&format!("nmu:::progress_tick('{stage}', {}, {iteration}, {known})", factor + 1)).is_err()
}

/// An observer that ends a fit of a matrix times `scale` when the user interrupts it, and tells R how it goes.
pub(crate) fn on_progress(scale: f64) -> impl FnMut(Progress) -> ControlFlow<()> {
    observer_or(scale, || false)
}

/// The same, which also ends a fit once `lost`: when nothing that it finds would be of use.
pub(crate) fn observer_or(scale: f64, lost: impl Fn() -> bool) -> impl FnMut(Progress) -> ControlFlow<()> {
    let mut last = Instant::now();
    move |progress| {
        if last.elapsed() >= PERIOD && heard().is_none() {
            if told(progress, scale) {
                KEYBOARD.set(Keyboard { heard: Some(Instant::now()), ..KEYBOARD.get() });
            }
            last = Instant::now();
        }
        if heard().is_some() || lost() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}
