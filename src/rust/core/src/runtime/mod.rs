//! Services of the running process: threads, cancellation, progress.

pub mod cancel;
pub mod parallel;
pub mod progress;
