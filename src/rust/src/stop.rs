//! Reasons to end the running call of the core, which its cancellation check and its callbacks record for this thread.
//!
//! | reason | result of a fit |
//! |---|---|
//! | interrupt | returned, marked as interrupted; computations still running after a grace period are cancelled |
//! | matrix failed | factors that were complete before; R has the error |
//! | prior failed | an error |
//!
//! R would jump over Rust values that must be dropped, so user interrupts (Ctrl-C) are noticed without a jump. The other two
//! abandon the computation where they occur.

use nmu_core::runtime::cancel::{self, Request};
use std::cell::{Cell, RefCell};
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

/// Asks R whether the user has interrupted since it was last asked.
fn ask_r() -> bool {
    // SAFETY: R is asked on the thread that it called us on, and `check` does not use its argument.
    unsafe { R_ToplevelExec(check, null_mut()) == 0 }
}

/// Polling interval for user interrupts and for progress reports.
pub(crate) const POLLING_INTERVAL: Duration = Duration::from_millis(100);
/// Time that a fit has to return its state after an interrupt. Work that takes longer is cancelled.
const GRACE_PERIOD: Duration = Duration::from_millis(150);

/// What becomes of a call that the user interrupts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnInterrupt {
    /// It ends at once, and R gets `NULL`.
    End,
    /// It returns what it has found so far, within a grace period; `NULL` if that is nothing.
    ReturnPartial,
}

impl OnInterrupt {
    /// Time that the call may go on after an interrupt.
    fn grace(self) -> Duration {
        match self {
            Self::End => Duration::ZERO,
            Self::ReturnPartial => GRACE_PERIOD,
        }
    }
}

/// Interrupt state of the running call. R reports an interrupt once, while several stages of the work have to know of it.
#[derive(Clone, Copy)]
struct InterruptState {
    /// Time of the last poll.
    polled_at: Instant,
    /// Time at which an interrupt of the running call was noticed.
    interrupted_at: Option<Instant>,
    /// What an interrupt does; `None` while no call is running.
    on_interrupt: Option<OnInterrupt>,
}

thread_local! {
    static INTERRUPTS: Cell<InterruptState> = Cell::new(InterruptState {
        polled_at: Instant::now(),
        interrupted_at: None,
        on_interrupt: None,
    });
    /// The first failure of a prior in the running call.
    static FAILURE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Polls R at most once per interval, and returns the time at which an interrupt was noticed.
fn poll() -> Option<Instant> {
    let mut state = INTERRUPTS.get();
    if state.interrupted_at.is_none() && state.polled_at.elapsed() >= POLLING_INTERVAL {
        state.interrupted_at = ask_r().then(Instant::now);
        state.polled_at = Instant::now();
        INTERRUPTS.set(state);
    }
    state.interrupted_at
}

/// Polls R; true once the user has interrupted.
pub(crate) fn poll_interrupt() -> bool {
    poll().is_some()
}

/// The core's cancellation check: a stop after an interrupt, then cancellation once the grace period is over.
fn request() -> Request {
    let grace = INTERRUPTS.get().on_interrupt.map_or(Duration::ZERO, OnInterrupt::grace);
    match poll() {
        None => Request::Continue,
        Some(since) if since.elapsed() < grace => Request::Stop,
        Some(_) => Request::Cancel,
    }
}

/// Whether the running call has been interrupted, which its result has to report. Does not poll.
pub(crate) fn was_interrupted() -> bool {
    INTERRUPTS.get().interrupted_at.is_some()
}

/// Records an interrupt that R noticed while it evaluated a function for us.
pub(crate) fn record_interrupt() {
    INTERRUPTS.set(InterruptState { interrupted_at: Some(Instant::now()), ..INTERRUPTS.get() });
}

/// Ends the running call with an error, since a prior has failed: the core's interfaces of priors return no errors.
pub(crate) fn fail(reason: String) -> ! {
    FAILURE.set(Some(reason));
    cancel::abandon()
}

/// The running call: its cancellation check is installed until the value is dropped.
///
/// The state of an outer call is restored then, however the inner one ends: a custom prior may call us from within a fit. R
/// reports an interrupt once, so the outer call takes over one that the inner call has noticed: it would go on and call again.
pub(crate) struct RunningCall {
    outer: InterruptState,
    _installed: cancel::Installed,
}

impl RunningCall {
    pub(crate) fn start(on_interrupt: OnInterrupt) -> Self {
        let outer = INTERRUPTS.get();
        INTERRUPTS.set(InterruptState { on_interrupt: Some(on_interrupt), ..outer });
        Self { outer, _installed: cancel::install(request) }
    }

    /// The failure of a prior, which is taken.
    pub(crate) fn failure(&self) -> Option<String> {
        FAILURE.take()
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        let InterruptState { polled_at, interrupted_at, .. } = INTERRUPTS.get();
        let interrupted_at = interrupted_at.filter(|_| self.outer.on_interrupt.is_some());
        INTERRUPTS.set(InterruptState { polled_at, interrupted_at, ..self.outer });
    }
}
