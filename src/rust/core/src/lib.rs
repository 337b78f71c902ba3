//! Nonnegative matrix underapproximation by EM: the numerical core of the R package `nmu`. It does not depend on R.
//!
//! # Model
//!
//! ```text
//! A = Σ_k d_k u_k v_kᵀ + b + e,   u, v ≥ 0 of unit norm,  d ≥ 0,  b_ij ~ Exp(λ),  e_ij ~ N(0, σ²)
//! ```
//!
//! # Notation
//!
//! `W` is the low-rank part, `x = A − W` the residual, `b` the remainder, `e` the noise, and `z = x/σ − λσ`.
//!
//! | quantity | formula |
//! |---|---|
//! | posterior of `b` | `N(x − λσ², σ²)` truncated to `[0, ∞)` |
//! | `h(z)` | `φ(z)/Φ(z)` |
//! | `b̄ = E[b]` | `σ (z + h)` |
//! | `Var[b]` | `σ² (1 − h (z + h))` |
//! | log-likelihood of `x` | `log λ + λ²σ²/2 − λx + log Φ(z)`, exponentially modified Gaussian |
//!
//! This is for an exponential remainder and noise with the same variance everywhere. Under another
//! [`RemainderPrior`](remainder_prior::RemainderPrior) the posterior of `b` and the density of `x` are mixtures of these and of a
//! point mass at zero. With [`NoiseScales`](noise::NoiseScales) σ is that of the entry.
//!
//! # Layers
//!
//! A module imports only from rows below its own (`tests/layers` checks this).
//!
//! | layer | modules |
//! |---|---|
//! | several factors | `deflation` |
//! | fitters | `fitter`, `predict` |
//! | empirical Bayes | `variational` |
//! | maximum likelihood | `mle` |
//! | one iteration, options and results | `em`, `fit`, `selection`, `underapprox` |
//! | what a fit consists of | `posterior`, `standard_errors`, `init`, `noise_estimators`, `noise_derivatives`, `posterior_mean` |
//! | priors of loadings | `prior` |
//! | optimizers | `optim` |
//! | the fused pass over the entries | `pass` |
//! | matrix minus factors | `residual`, `trace` |
//! | matrices and factors | `storage`, `factor`, `support` |
//! | distributions | `distributions` |
//! | parameters of the residual | `noise`, `remainder_prior` |
//! | services | `runtime`, `vector` |
//! | errors | `error` |
//!
//! # Example
//!
//! `examples/two_blocks.rs`, which the tests compile and run, fits two overlapping blocks:
//!
//! ```text
//! let storage = Dense::new(a.as_ref());
//! let problem = Problem { storage: &storage, symmetric: true, scale: 1.0 };
//! let fitter = ModelFitter { options };
//! let fit = deflate(&problem, Plan::new(2), &fitter, Threads::new(1), &mut no_report);
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub use faer;

pub mod deflation;
pub mod distributions;
pub mod em;
pub mod error;
pub mod factor;
pub mod fit;
pub mod fitter;
pub mod init;
pub mod mle;
pub mod noise;
pub mod noise_derivatives;
pub mod noise_estimators;
mod optim;
pub mod pass;
pub mod posterior;
pub mod posterior_mean;
pub mod predict;
pub mod prior;
pub mod remainder_prior;
pub mod residual;
pub mod runtime;
pub mod selection;
pub mod standard_errors;
pub mod storage;
mod support;
pub mod trace;
pub mod underapprox;
pub mod variational;
pub mod vector;
