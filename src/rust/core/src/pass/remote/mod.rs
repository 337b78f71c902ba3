//! Passes over entries that other processes hold.

pub(crate) mod protocol;
pub(crate) mod wire;
pub(crate) mod worker;

pub use worker::serve_request;
