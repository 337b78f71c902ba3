//! Priors on nonnegative quantities with noisy observations: the empirical Bayes normal-means problem.
//!
//! The loadings of a factor given everything else, and the remainder `b` given the factors, are instances of it:
//!
//! ```text
//! x_i ~ N(w_i, s_i²),   w_i ≥ 0,   w_i ~ g
//! log marginal    ℓ(x, s) = log ∫ N(x | w, s²) g(dw)
//! posterior       q(dw) = N(x | w, s²) g(dw) / exp ℓ(x, s)
//! divergence      KL(q ‖ g) = E_q[log N(x | w, s²)] − ℓ(x, s)
//! ```
//!
//! A [`Family`] is a parametric set of priors. It estimates the hyperparameters that are not given by maximising
//! `Σ ℓ(x_i, s_i)`, and returns a [`Prior`]. (J. Willwerscheid and M. Stephens 2021, ebnm: an R package for solving the
//! empirical Bayes normal means problem using a variety of prior families, arXiv:2110.00152.)
//!
//! | family | `g` | hyperparameters |
//! |---|---|---|
//! | [`Flat`] | `1` on `w ≥ 0`, improper | none |
//! | [`Maximum`] | none: the point estimate that maximises the likelihood | none |
//! | [`Exponential`] | `Exp(rate)` | rate |
//! | [`PointExponential`] | `(1 − π) δ₀ + π Exp(rate)` | `π`, rate |
//! | [`GeneralizedBinary`] | `(1 − π) δ₀ + π N₊(μ, (ρμ)²)` | `π`, `μ`, `ρ` |
//! | [`Mixture`] | `Σ π_k g_k`, half-normals or exponentials | scales, `π_k` |
//!
//! `N₊` is a normal truncated to `[0, ∞)`. All families except the first two are mixtures of the components in
//! [`component`]. To add a family, implement [`Family`] in a file of its own; a prior that is not such a mixture also
//! implements [`Prior`].

pub mod component;
pub(crate) mod families;
pub(crate) mod generalized_binary;
pub(crate) mod mixture;
pub(crate) mod observations;
pub(crate) mod profile_likelihood;

pub use families::{remainder, Exponential, Flat, Maximum, PointExponential};
pub use generalized_binary::GeneralizedBinary;
pub use mixture::{Mixture, Shape};
pub use observations::Observations;

use crate::distributions::mills::HALF_LOG_TAU;
use crate::error::Error;
use std::any::Any;
use std::borrow::Cow;
use std::fmt::Debug;

/// Posterior summaries of one `w`, and the marginal likelihood of its `x`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Posterior {
    /// `E[w]`.
    pub mean: f64,
    /// `E[w²]`.
    pub second_moment: f64,
    /// `Var[w]`, computed without cancellation where it is much smaller than `E[w²]`.
    pub variance: f64,
    /// The local false sign rate, which is `P(w = 0)` since no `w` is negative.
    pub lfsr: f64,
    /// `ℓ(x, s)`, the log of the marginal density of `x`.
    pub log_marginal: f64,
}

impl Posterior {
    /// Returns `KL(q ‖ g) = E_q[log N(x | w, s²)] − ℓ`, where
    /// `E_q[log N] = −½ log(2πs²) − ((x − E[w])² + Var[w])/(2s²)`.
    ///
    /// The absolute error is that of `ℓ`. Under an improper prior the value may be negative.
    pub fn kl(&self, x: f64, s: f64) -> f64 {
        let (offset, sd) = ((x - self.mean) / s, self.variance.sqrt() / s);
        -HALF_LOG_TAU - s.ln() - 0.5 * (offset * offset + sd * sd) - self.log_marginal
    }
}

/// A hyperparameter, given or estimated, of one or more values.
#[derive(Clone, Debug, PartialEq)]
pub struct Hyperparameter {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its values.
    pub values: Vec<f64>,
    /// The power of the unit of `w` in the values: the prior of `c·w` has `values · c^power`.
    pub power: i32,
}

impl Hyperparameter {
    fn new(name: &'static str, values: Vec<f64>, power: i32) -> Self {
        Self { name: Cow::Borrowed(name), values, power }
    }
}

/// A prior `g` on `w ≥ 0` with known hyperparameters.
pub trait Prior: Debug {
    /// Returns the posterior of `w` given `x ~ N(w, s²)` with `s > 0`.
    fn posterior(&self, x: f64, s: f64) -> Posterior;

    /// Returns the posterior of each pair. Fits call this one, so priors with a cost per call can evaluate all pairs at
    /// once.
    fn posteriors(&self, observations: &Observations) -> Vec<Posterior> {
        observations.iter().map(|(x, s)| self.posterior(x, s)).collect()
    }

    /// Returns the hyperparameters, given or estimated.
    fn hyperparameters(&self) -> Vec<Hyperparameter>;

    /// Returns the prior for a family that recognises its own priors, in [`Family::estimate_from`].
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }

    /// Returns `Σ ℓ(x_i, s_i)`, the objective that the hyperparameters maximise.
    fn log_likelihood(&self, observations: &Observations) -> f64 {
        observations.iter().map(|(x, s)| self.posterior(x, s).log_marginal).sum()
    }
}

/// A parametric family of priors, some of whose hyperparameters may be given.
pub trait Family: Debug {
    /// Returns the prior with the given hyperparameters, and with the others maximising `Σ ℓ(x_i, s_i)`.
    ///
    /// Estimates must be equivariant: if all `x` and `s` are multiplied by a constant, so is the scale of the prior.
    fn estimate(&self, observations: &Observations) -> Box<dyn Prior>;

    /// Like [`estimate`](Self::estimate), for a family whose search may start at the prior of similar observations. The
    /// marginal likelihood is then at least that of the previous prior, at a maximum that may be a local one.
    ///
    /// Fits call it in all rounds of a stage but the first.
    fn estimate_from(&self, _previous: &dyn Prior, observations: &Observations) -> Box<dyn Prior> {
        self.estimate(observations)
    }
}

/// Checks that a hyperparameter, if given, is positive and finite.
fn check_positive(what: &'static str, value: Option<f64>) -> Result<(), Error> {
    match value {
        Some(found) if !(found > 0.0 && found.is_finite()) => {
            Err(Error::Range { what, expected: "positive and finite", found })
        }
        _ => Ok(()),
    }
}

/// Checks that a probability, if given, is in `[0, 1]`.
fn check_probability(what: &'static str, value: Option<f64>) -> Result<(), Error> {
    match value {
        Some(found) if !(0.0..=1.0).contains(&found) => Err(Error::Range { what, expected: "between 0 and 1", found }),
        _ => Ok(()),
    }
}
