//! Nonnegative matrix underapproximation by EM: the numerical core of the R package `nmu`, with no R in it.
//!
//! # The model
//!
//! ```text
//! A = Σ_k d_k u_k v_kᵀ + b + e,   u, v ≥ 0 of unit norm,  d ≥ 0,  b_ij ~ Exp(λ),  e_ij ~ N(0, σ²)
//! ```
//!
//! With `W` the low-rank part, `x = A − W` the residual and `z = x/σ − λσ`:
//!
//! | what | formula |
//! |---|---|
//! | posterior of `b` | `N(x − λσ², σ²)` truncated to `[0, ∞)` |
//! | `h(z)` | `φ(z)/Φ(z)` |
//! | `b̄ = E[b]` | `σ (z + h)` |
//! | `Var[b]` | `σ² (1 − h (z + h))` |
//! | log-likelihood of `x` | `log λ + λ²σ²/2 − λx + log Φ(z)` |
//!
//! That is the model's own law of `b` and noise that is the same everywhere. Under another [`noise::RemainderPrior`] the posterior of `b`
//! and the density of `x` are mixtures of these and of a point at zero, and with [`noise::NoiseScales`] σ is that of the entry.
//!
//! # The map
//!
//! | layer | modules |
//! |---|---|
//! | several factors | [`deflate`] (factor after factor, and all refitted), [`choose`] (their number), [`fit`] (what is returned) |
//! | one factor | [`em`] (the notebook's iteration), [`climb`] and [`maximize`] (maximum likelihood of a `hill` by `ascent`) |
//! | where a factor starts, and what it is like | [`start`] (leading singular pair), `flatness` (how near it is to a group) |
//! | other aims | [`bayes`] (priors on the loadings, a variational bound), [`certify`] (strict underapproximation) |
//! | what a fit says | [`project`] (loadings of new rows), [`uncertainty`] (standard errors) |
//! | what the sums of a sweep say | [`estimate`] (λ, σ, free weights of the law of `b`) |
//! | the sweep over a matrix | [`pass`], [`expectation`] (`b̄` written down), [`scan`] |
//! | what is swept | [`view`] (a matrix minus factors, each a `factor`), [`part`] (a factor that climbs), [`storage`] (how it is held) |
//! | where factors meet | `pattern` (which of them have a loading where) |
//! | what a sweep looks with | [`noise`] (λ, σ, the law of `b`, noise that differs), [`prior`] (of nonnegative loadings; empirical Bayes) |
//! | distributions | [`emg`], [`truncated`], [`normal`], `lanes` (the same over vector registers), `tail` (coefficients) |
//! | services | [`parallel`], [`observe`], [`cancel`] (work given up halfway), [`memory`], [`error`], `vector` |
//!
//! Calls go downwards only.

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
mod flatness;
pub mod init;
pub mod memory;
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
