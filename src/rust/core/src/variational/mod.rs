//! Priors on the loadings: a variational bound of the evidence, and how it is climbed.
//!
//! In `w = √d u`, `y = √d v` (one vector where the matrix is symmetric) every `w_i` has a prior `g`, and the posterior is
//! sought among products `q = Π q(w_i) Π q(y_j) Π q(b_ij)`. Since `E_q[(A − wyᵀ − b)²]` is the square at the means plus
//! `Var[w_i y_j]`, the best `q(b_ij)` is the truncated normal of the model at the means, and what remains is
//!
//! ```text
//! ELBO = Σ log EMG(A − w̄ȳᵀ) − V/(2σ²) − Σ KL(q(w_i) ‖ g) − Σ KL(q(y_j) ‖ g'),   V = Σ_ij Var[w_i y_j]
//! ```
//!
//! summed over all factors. With all else held, the best `q(w_i)` is the posterior of a normal-means problem
//! ([`crate::prior`]) with
//!
//! ```text
//! s_i² = σ² / Σ_j E[y_j²],   x_i = (Σ_j (x − b̄)_ij ȳ_j + w̄_i Σ_j ȳ_j²) / Σ_j E[y_j²]
//! ```
//!
//! (sums over the observed entries of a row; where the noise of entries differs, each of them, and those of `V`, has the
//! weight `1/s_ij²`), and `x_i` less its value so far is the natural gradient of the bound. All of
//! them move together, which one sweep of the fused pass allows for, by a share of that way that is halved until the
//! bound rises. Hyperparameters of `g` maximise the marginal likelihood of these problems, λ and σ the bound; both are
//! taken only where it rises; where a rule gives λ and σ, they follow it, and the bound may fall. (W. Wang and M. Stephens
//! 2021, Empirical Bayes matrix factorization, *Journal of Machine Learning Research* 22, for `b = 0`.)
//!
//! A diagonal entry of a symmetric matrix is taken as the product of two independent copies of `w_i`: its own variance
//! would ask for the fourth moment, and is one of n.

pub(crate) mod elbo;
pub(crate) mod fit;
pub(crate) mod observed_sums;
pub(crate) mod optimize;
pub(crate) mod way;

#[cfg(test)]
mod tests;

pub use optimize::maximize_elbo;
pub use way::{NoiseUpdate, PriorStage, VariationalFit, VariationalInit, VariationalOptions};
