//! All tests of the core in one program: it is linked once.
#![allow(clippy::expect_used)]

mod cancel;
mod common;
mod deflation;
mod emg;
mod example;
mod fuzz;
mod gaussian;
mod init;
mod layers;
mod mle;
mod normal;
mod pass;
mod posterior;
mod prior;
mod prior_estimates;
mod prior_limits;
mod remainder_prior;
mod remainder_prior_fit;
mod remote;
mod sparse;
mod storage;
mod underapprox;
mod variational;
mod worked_prior;
