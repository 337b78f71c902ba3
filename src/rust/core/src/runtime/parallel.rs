//! Work over a fixed list of jobs, on as many threads as asked.
//!
//! The jobs and the order of their results do not depend on the number of threads, so neither do the bits of any sum
//! taken over them. The threads live for one call: nothing is left behind for a forked process to trip over.

use crate::runtime::cancel;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread::{panicking, Builder};
use std::time::Duration;

/// Callback that a long job polls between steps. Returns true if the job should end early with what it has.
pub type StopCheck<'a> = dyn FnMut() -> bool + 'a;

/// How long the calling thread waits for the others before it asks again whether to stop.
const PATIENCE: Duration = Duration::from_millis(50);

/// The entries that one thread goes over while another is started, and some more.
const ENTRIES_A_THREAD: f64 = 16384.0;

/// The number of threads a computation may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads(NonZeroUsize);

impl Threads {
    /// At least one thread.
    pub fn new(count: usize) -> Self {
        Self(NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN))
    }

    /// No more threads than going over so many entries is worth: to start one takes as long as to go over some thousands.
    pub(crate) fn worth(self, entries: f64) -> Self {
        Self::new(self.0.get().min((entries / ENTRIES_A_THREAD) as usize))
    }

    /// `work(0), …, work(jobs − 1)`, in that order. It may be given up between jobs (see [`cancel`]).
    pub(crate) fn map<T: Send>(self, jobs: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
        let unless_given_up = |job: usize, stop: &mut StopCheck| (!stop()).then(|| work(job));
        let results = self.map_with_stop(jobs, unless_given_up, &mut cancel::is_requested);
        results.into_iter().collect::<Option<_>>().unwrap_or_else(|| cancel::cancel())
    }

    /// The same of long jobs, which are to come to an early end where the stop that they are handed says so.
    ///
    /// `ask` knows whether to stop. It is asked on the calling thread alone: by the jobs that this thread takes, and while
    /// it waits for the others.
    pub(crate) fn map_with_stop<T: Send>(
        self,
        jobs: usize,
        work: impl Fn(usize, &mut StopCheck) -> T + Sync,
        ask: &mut StopCheck,
    ) -> Vec<T> {
        let slots: Vec<Mutex<Option<T>>> = (0..jobs).map(|_| Mutex::new(None)).collect();
        let fill = |job: usize, stop: &mut StopCheck| {
            let found = work(job, stop);
            *slots[job].lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        };
        self.each(jobs, &fill, ask);
        slots.into_iter().filter_map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }

    /// Does every job once. All that is about threads is here, compiled once for all kinds of work.
    fn each(self, jobs: usize, work: &(dyn Fn(usize, &mut StopCheck) + Sync), ask: &mut StopCheck) {
        let stopped = AtomicBool::new(false);
        let mut asking = || {
            let stop = stopped.load(Ordering::Relaxed) || ask();
            stopped.store(stop, Ordering::Relaxed);
            stop
        };
        let threads = self.0.get().min(jobs);
        if threads <= 1 {
            return (0..jobs).for_each(|job| work(job, &mut asking));
        }
        let next = AtomicUsize::new(0);
        let take_jobs = |stop: &mut StopCheck| loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            if job >= jobs {
                return;
            }
            work(job, stop);
        };
        std::thread::scope(|scope| {
            let (at_work, all_done) = channel::<()>();
            let help = |at_work| {
                take_jobs(&mut || stopped.load(Ordering::Relaxed));
                drop(at_work);
            };
            let helpers: Vec<_> = (1..threads)
                .filter_map(|_| {
                    let at_work = at_work.clone();
                    // Where the system refuses a thread, there are fewer: the others do its jobs.
                    Builder::new().spawn_scoped(scope, move || help(at_work)).ok()
                })
                .collect();
            drop(at_work);
            let _told = ToldAtUnwinding(&stopped);
            take_jobs(&mut asking);
            while all_done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                asking();
            }
            for helper in helpers {
                helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            }
        });
    }

    /// Gives `take` what [`Threads::map`] would return, in its order, with no more results held at a time than a few a
    /// thread: for results that are large.
    pub(crate) fn fold<T: Send>(self, jobs: usize, work: impl Fn(usize) -> T + Sync, mut take: impl FnMut(usize, T)) {
        let most = 2 * self.0.get();
        for first in (0..jobs).step_by(most) {
            let results = self.map(most.min(jobs - first), |job| work(first + job));
            results.into_iter().enumerate().for_each(|(job, result)| take(first + job, result));
        }
    }
}

/// Tells the other threads to stop where the calling one unwinds: it waits for them, and they could go on for long.
struct ToldAtUnwinding<'a>(&'a AtomicBool);

impl Drop for ToldAtUnwinding<'_> {
    fn drop(&mut self) {
        self.0.fetch_or(panicking(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use crate::runtime::cancel::{cancel, catch_cancellation};
    use crate::runtime::parallel::Threads;

    #[test]
    fn results_keep_the_order_of_the_jobs() {
        for threads in [0, 1, 2, 7] {
            let squares = Threads::new(threads).map(100, |job| job * job);
            assert!(squares.iter().enumerate().all(|(job, &square)| square == job * job));
            let mut folded = Vec::new();
            Threads::new(threads).fold(100, |job| job * job, |job, square| folded.push((job, square)));
            assert!(folded.into_iter().eq(squares.into_iter().enumerate()));
        }
    }

    #[test]
    fn all_jobs_hear_that_the_calling_thread_unwinds() {
        let caller = std::thread::current().id();
        let found = catch_cancellation(|| {
            let work = |_, stop: &mut super::StopCheck| {
                if std::thread::current().id() == caller {
                    cancel();
                }
                // Without end, unless it is told.
                (0..).take_while(|_| !stop()).count()
            };
            Threads::new(3).map_with_stop(9, work, &mut || false)
        });
        assert_eq!(found, None);
    }

    #[test]
    fn all_jobs_hear_that_they_are_to_stop() {
        for threads in [1, 2, 3] {
            let mut asked = 0;
            let caller = std::thread::current().id();
            let mut ask = || {
                assert_eq!(std::thread::current().id(), caller);
                asked += 1;
                asked > 3
            };
            // Each job goes on until it is told to stop.
            let turns =
                Threads::new(threads).map_with_stop(9, |_, stop| (0..).take_while(|_| !stop()).count(), &mut ask);
            assert_eq!(turns.len(), 9);
            assert_eq!(asked, 4);
        }
    }
}
