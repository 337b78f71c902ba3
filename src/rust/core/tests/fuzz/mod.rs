//! Fuzz tests with random problems and random settings. Every fit must terminate without a panic, with finite numbers,
//! an objective that never decreases, a log-likelihood that agrees with a computation entry by entry, and results that
//! do not depend on the number of threads. A certified underapproximation must exceed no entry.
//!
//! Each problem is drawn from a seed. `corpus.txt` lists the seeds of past failures and of particular kinds of
//! problems; they always run. `NMU_FUZZ` further seeds follow (default 300), starting at `NMU_FUZZ_FROM`.

mod case;
mod check;
mod likelihood;
mod matrix;
mod settings;

use case::Case;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::Instant;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn corpus() -> Vec<u64> {
    let lines = include_str!("corpus.txt").lines();
    lines.filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

/// A description of the failure of one problem; `None` if it passes.
fn failure(seed: u64) -> Option<String> {
    let case = Case::new(seed);
    let start = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| case.run()));
    let text = match result {
        Ok(Ok(())) => return None,
        Ok(Err(text)) => text,
        Err(panic) => format!("panic: {:?}", panic.downcast_ref::<String>()),
    };
    Some(format!("{seed}: {text} after {:.1} s\n  {case}", start.elapsed().as_secs_f64()))
}

#[test]
fn random_problems_are_fitted_without_failure() {
    let from = variable("NMU_FUZZ_FROM", 0);
    let seeds = corpus().into_iter().chain(from..from + variable("NMU_FUZZ", 300));
    let failures: Vec<String> = seeds.filter_map(failure).collect();
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}
