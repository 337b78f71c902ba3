//! Work that is given up halfway.
//!
//! A sweep over a large matrix takes seconds, and what it has summed by halves is of no use. Between the pieces of its work
//! it asks the caller's listener, and unwinds where that says so, up to whoever knows a last good state, which
//! [`catch_cancellation`]s what may be given up. No function in between has to hand anything on, and none can take half a sweep for a
//! whole one. The listener hears on the thread that set it, and there alone.

use std::cell::Cell;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

/// Says whether to give up.
pub type CancelCheck = fn() -> bool;

thread_local! {
    static LISTENER: Cell<Option<CancelCheck>> = const { Cell::new(None) };
}

/// What unwinds: it is no panic, and no hook hears of it.
struct Cancelled;

/// Runs `work` with a listener; `None` where it was given up.
pub fn with_cancellation<T>(listener: CancelCheck, work: impl FnOnce() -> T) -> Option<T> {
    let _restored = Restored(LISTENER.replace(Some(listener)));
    catch_cancellation(work)
}

/// What `work` returns; `None` where it was given up. Panics go on.
pub fn catch_cancellation<T>(work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(value) => Some(value),
        Err(payload) if payload.is::<Cancelled>() => None,
        Err(payload) => resume_unwind(payload),
    }
}

/// Whether work is to be given up.
pub(crate) fn is_requested() -> bool {
    LISTENER.get().is_some_and(|listener| listener())
}

/// Unwinds to the last [`catch_cancellation`].
pub(crate) fn cancel() -> ! {
    resume_unwind(Box::new(Cancelled))
}

/// Unwinds where work is to be given up: for loops that are long and have no threads.
pub fn check() {
    if is_requested() {
        cancel();
    }
}

/// How many items pass between two questions.
const STRIDE: usize = 1 << 12;

/// The same items, on the way through which it is asked now and then whether to give up.
pub fn checked<I: Iterator>(items: I) -> impl Iterator<Item = I::Item> {
    items.enumerate().map(|(index, item)| {
        if index % STRIDE == 0 {
            check();
        }
        item
    })
}

/// Puts back the listener of an outer call, however an inner one ends.
struct Restored(Option<CancelCheck>);

impl Drop for Restored {
    fn drop(&mut self) {
        LISTENER.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use crate::runtime::cancel::{catch_cancellation, check, checked, is_requested, with_cancellation, STRIDE};
    use crate::runtime::parallel::Threads;
    use std::cell::Cell;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    thread_local! {
        static PATIENCE: Cell<usize> = const { Cell::new(0) };
    }

    fn impatient() -> bool {
        PATIENCE.set(PATIENCE.get().saturating_sub(1));
        PATIENCE.get() == 0
    }

    #[test]
    fn work_is_given_up_when_the_listener_says_so() {
        static GIVEN_UP: AtomicBool = AtomicBool::new(false);
        let listener = || {
            GIVEN_UP.store(impatient(), Ordering::Relaxed);
            GIVEN_UP.load(Ordering::Relaxed)
        };
        for threads in [1, 2, 3].map(Threads::new) {
            // Other threads wait until it is said: they could be through with all jobs before the listener is asked.
            GIVEN_UP.store(false, Ordering::Relaxed);
            let caller = thread::current().id();
            let wait = |job: usize| {
                while thread::current().id() != caller && !GIVEN_UP.load(Ordering::Relaxed) {
                    thread::yield_now();
                }
                job
            };
            let mut parts = Vec::new();
            let whole = with_cancellation(listener, || {
                PATIENCE.set(usize::MAX);
                parts.push(catch_cancellation(|| threads.map(2, |job| job)));
                PATIENCE.set(3);
                parts.push(catch_cancellation(|| threads.map(100, wait)));
                check();
            });
            assert_eq!(whole, None);
            assert_eq!(parts, [Some(vec![0, 1]), None]);
            assert_eq!(threads.map(3, |job| job), [0, 1, 2]);
        }
    }

    #[test]
    fn what_ends_in_time_is_not_given_up_and_an_outer_listener_is_put_back() {
        let found = with_cancellation(
            || true,
            || (with_cancellation(|| false, || Threads::new(2).map(9, |job| job)), is_requested()),
        );
        assert_eq!(found, Some((Some((0..9).collect()), true)));
    }

    #[test]
    fn long_loops_are_given_up_on_their_way() {
        PATIENCE.set(3);
        let mut seen = 0;
        assert_eq!(with_cancellation(impatient, || checked(0..3 * STRIDE).for_each(|_| seen += 1)), None);
        assert_eq!(seen, 2 * STRIDE);
        assert_eq!(checked(0..3 * STRIDE).count(), 3 * STRIDE);
    }

    #[test]
    fn panics_go_on() {
        let panic = std::panic::catch_unwind(|| catch_cancellation(|| std::panic::resume_unwind(Box::new("no end"))));
        assert_eq!(panic.err().and_then(|panic| panic.downcast_ref::<&str>().copied()), Some("no end"));
    }
}
