//! Random problems under random settings: whatever they are, a fit ends, without a panic, with finite numbers, without an
//! objective that falls, with the log-likelihood that its factors have entry by entry, the same for every number of threads;
//! and a certified underapproximation exceeds no entry.
//!
//! A problem is a number, from which it is drawn. `corpus.txt` keeps those that once failed, or that show a kind; they are
//! always tried. Then follow `NMU_FUZZ` others (300 where it is not set), from `NMU_FUZZ_FROM` on.

mod case;
mod check;
mod likelihood;
mod matrix;
mod settings;

use case::Case;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::Instant;

fn asked(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

fn corpus() -> Vec<u64> {
    let lines = include_str!("corpus.txt").lines();
    lines.filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

/// What is wrong with what comes of one problem.
fn complaint(seed: u64) -> Option<String> {
    let case = Case::new(seed);
    let begun = Instant::now();
    let answer = catch_unwind(AssertUnwindSafe(|| case.run()));
    let text = match answer {
        Ok(Ok(())) => return None,
        Ok(Err(text)) => text,
        Err(panic) => format!("panic: {:?}", panic.downcast_ref::<String>()),
    };
    Some(format!("{seed}: {text} after {:.1} s\n  {case}", begun.elapsed().as_secs_f64()))
}

#[test]
fn no_problem_leads_to_a_panic_a_nan_a_hang_or_a_fall() {
    let from = asked("NMU_FUZZ_FROM", 0);
    let seeds = corpus().into_iter().chain(from..from + asked("NMU_FUZZ", 300));
    let complaints: Vec<String> = seeds.filter_map(complaint).collect();
    assert!(complaints.is_empty(), "{} complaints\n{}", complaints.len(), complaints.join("\n"));
}
