//! Empirical Bayes: priors on the loadings, and a variational lower bound of the evidence (ELBO).
//!
//! In `w = √d u`, `y = √d v` (one vector if the matrix is symmetric) every `w_i` has a prior `g`, and the posterior is
//! approximated by a product `q = Π q(w_i) Π q(y_j) Π q(b_ij)`. Since `E_q[(A − wyᵀ − b)²]` is the square at the means plus
//! `Var[w_i y_j]`, the optimal `q(b_ij)` is the truncated normal of the model at the means, and
//!
//! ```text
//! ELBO = Σ log EMG(A − w̄ȳᵀ) − V/(2σ²) − Σ KL(q(w_i) ‖ g) − Σ KL(q(y_j) ‖ g'),   V = Σ_ij Var[w_i y_j]
//! ```
//!
//! summed over all factors. With all else held, the optimal `q(w_i)` is the posterior of a normal-means problem
//! ([`crate::prior`]) with
//!
//! ```text
//! s_i² = σ² / Σ_j E[y_j²],   x_i = (Σ_j (x − b̄)_ij ȳ_j + w̄_i Σ_j ȳ_j²) / Σ_j E[y_j²]
//! ```
//!
//! The sums are over the observed entries of a row. If the noise of entries differs, each term, and those of `V`, has the
//! weight `1/s_ij²`. The difference between `x_i` and its present value is the natural gradient of the ELBO. One fused pass
//! computes it for all loadings, and all of them move together; the step size is halved until the ELBO rises. The
//! hyperparameters of `g` maximize the marginal likelihood of these problems, and λ and σ the ELBO; both updates are taken only
//! if it rises. Estimators with an update of their own set λ and σ whatever the ELBO. (W. Wang and M. Stephens 2021, Empirical
//! Bayes matrix factorization, *Journal of Machine Learning Research* 22, for `b = 0`.)
//!
//! A diagonal entry of a symmetric matrix is treated as the product of two independent copies of `w_i`: its exact variance would
//! need the fourth moment, for one entry in n.

pub(crate) mod elbo;
pub(crate) mod fit;
pub(crate) mod observed_sums;
pub(crate) mod optimize;

pub use optimize::{maximize_elbo, VariationalFit, VariationalInit, VariationalOptions};
