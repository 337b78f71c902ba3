//! What a long computation tells its caller, and how the caller stops it.

use std::ops::ControlFlow;

/// Where a fit stands, told after every iteration.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The factor being fitted, from 0.
    pub factor: usize,
    /// The iterations done on it.
    pub iteration: usize,
}

/// A listener on the calling thread. `Break` ends the fit, which returns what it has.
pub type Observer<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;
