//! All tests of the core in one program: it is linked once.
#![allow(clippy::expect_used)]

mod cancel;
mod common;
mod deflation;
mod emg;
mod fuzz;
mod init;
mod law;
mod law_fit;
mod layers;
mod mle;
mod normal;
mod pass;
mod posterior;
mod prior;
mod prior_estimates;
mod prior_limits;
mod remote;
mod sparse;
mod storage;
mod underapprox;
mod variational;
mod worked_prior;
