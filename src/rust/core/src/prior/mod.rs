//! Priors of nonnegative quantities whose noisy values are seen: the normal-means problem.
//!
//! Loadings of a factor, given all else, and the remainder `b`, given the factors, are the same problem:
//!
//! ```text
//! x_i ~ N(w_i, s_i²),   w_i ≥ 0,   w_i ~ g
//! log marginal    ℓ(x, s) = log ∫ N(x | w, s²) g(dw)
//! posterior       q(dw) = N(x | w, s²) g(dw) / exp ℓ(x, s)
//! divergence      KL(q ‖ g) = E_q[log N(x | w, s²)] − ℓ(x, s)
//! ```
//!
//! A [`Family`] is a set of priors; the hyperparameters that it is not given maximise `Σ ℓ(x_i, s_i)`, and what comes
//! out is a [`Prior`]. (J. Willwerscheid and M. Stephens 2021, ebnm: an R package for solving the empirical Bayes
//! normal means problem using a variety of prior families, arXiv:2110.00152.)
//!
//! | family | `g` | hyperparameters |
//! |---|---|---|
//! | [`Flat`] | `1` on `w ≥ 0`, improper | none |
//! | [`Maximum`] | none: `w` is where the likelihood is largest | none |
//! | [`Exponential`] | `Exp(rate)` | rate |
//! | [`PointExponential`] | `(1 − π) δ₀ + π Exp(rate)` | `π`, rate |
//! | [`GeneralizedBinary`] | `(1 − π) δ₀ + π N₊(μ, (ρμ)²)` | `π`, `μ`, `ρ` |
//! | [`Mixture`] | `Σ π_k g_k`, half-normals or exponentials | scales, `π_k` |
//!
//! `N₊` is truncated to `[0, ∞)`. All but the first two are mixtures of the components in [`component`], put together in
//! `estimated`. To add a family, implement [`Family`] in a file of its own; a prior that is no such mixture implements
//! [`Prior`], too.

pub mod component;
pub(crate) mod component_mixture;
pub(crate) mod exponential;
pub(crate) mod flat;
pub(crate) mod generalized_binary;
pub(crate) mod maximum;
pub(crate) mod mixture;
pub(crate) mod observations;
pub(crate) mod point_exponential;
pub(crate) mod profile_likelihood;
pub(crate) mod remainder;

pub use exponential::Exponential;
pub use flat::Flat;
pub use generalized_binary::GeneralizedBinary;
pub use maximum::Maximum;
pub use mixture::{Mixture, Shape};
pub use observations::Observations;
pub use point_exponential::PointExponential;
pub use remainder::remainder;

use crate::distributions::mills::HALF_LOG_TAU;
use crate::error::Error;
use std::borrow::Cow;
use std::fmt::Debug;

/// What is known of one `w` after its `x` was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Posterior {
    /// `E[w]`.
    pub mean: f64,
    /// `E[w²]`.
    pub second: f64,
    /// `Var[w]`, to all digits also where it is small beside `E[w²]`.
    pub variance: f64,
    /// `P(w = 0)`: the local zero rate, and since no `w` is negative, the local false sign rate as well.
    pub zero: f64,
    /// `ℓ(x, s)`, the log of the marginal density of `x`.
    pub log_marginal: f64,
}

impl Posterior {
    /// `KL(q ‖ g) = E_q[log N(x | w, s²)] − ℓ`, where `E_q[log N] = −½ log(2πs²) − ((x − E[w])² + Var[w])/(2s²)`.
    ///
    /// Its absolute error is that of `ℓ`; of an improper prior it may be negative.
    pub fn kl(&self, x: f64, s: f64) -> f64 {
        let (off, spread) = ((x - self.mean) / s, self.variance.sqrt() / s);
        -HALF_LOG_TAU - s.ln() - 0.5 * (off * off + spread * spread) - self.log_marginal
    }
}

/// One or more values of a hyperparameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Hyperparameter {
    /// What it is called.
    pub name: Cow<'static, str>,
    /// Its values.
    pub values: Vec<f64>,
    /// The power of the unit of `w` that they are in: those of the prior of `c·w` are `values · c^power`.
    pub power: i32,
}

impl Hyperparameter {
    fn new(name: &'static str, values: Vec<f64>, power: i32) -> Self {
        Self { name: Cow::Borrowed(name), values, power }
    }
}

/// A prior `g` of `w ≥ 0`, with nothing left to estimate.
pub trait Prior: Debug {
    /// What `x ~ N(w, s²)` with `s > 0` says of `w`.
    fn posterior(&self, x: f64, s: f64) -> Posterior;

    /// That of each pair: what fits ask for, so that a prior whose every answer is costly can give all at once.
    fn posteriors(&self, observations: &Observations) -> Vec<Posterior> {
        observations.iter().map(|(x, s)| self.posterior(x, s)).collect()
    }

    /// The hyperparameters, given or estimated.
    fn hyperparameters(&self) -> Vec<Hyperparameter>;

    /// `Σ ℓ(x_i, s_i)`: what the hyperparameters maximise.
    fn log_likelihood(&self, observations: &Observations) -> f64 {
        observations.iter().map(|(x, s)| self.posterior(x, s).log_marginal).sum()
    }
}

/// Priors that differ in their hyperparameters, some of which may be given.
pub trait Family: Debug {
    /// The prior whose hyperparameters are those given and otherwise maximise `Σ ℓ(x_i, s_i)`.
    ///
    /// Multiplying all `x` and `s` by a constant multiplies the prior's scale by it, and does nothing else.
    fn estimate(&self, observations: &Observations) -> Box<dyn Prior>;
}

/// Refuses a hyperparameter that is given and neither positive nor finite.
fn check_positive(what: &'static str, value: Option<f64>) -> Result<(), Error> {
    match value {
        Some(found) if !(found > 0.0 && found.is_finite()) => {
            Err(Error::Range { what, expected: "positive and finite", found })
        }
        _ => Ok(()),
    }
}

/// Refuses a probability that is given and not in `[0, 1]`.
fn check_probability(what: &'static str, value: Option<f64>) -> Result<(), Error> {
    match value {
        Some(found) if !(0.0..=1.0).contains(&found) => Err(Error::Range { what, expected: "between 0 and 1", found }),
        _ => Ok(()),
    }
}
