//! All tests of the core in one program: it is linked once.
#![allow(clippy::expect_used)]

mod bayes;
mod cancel;
mod certify;
mod climb;
mod common;
mod deflate;
mod emg;
mod fuzz;
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
mod start;
mod storage;
mod worked_prior;
