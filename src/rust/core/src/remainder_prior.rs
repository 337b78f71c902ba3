//! Prior of the remainder up to its mean: `b = c/λ`, where `c` has mean 1.
//!
//! ```text
//! c ~ π_0 δ_0 + Σ_k π_k Exp(r_k),   π_0 + Σ_k π_k = 1,   E[c] = Σ_k π_k/r_k = 1,   Var[c] = 2 Σ_k π_k/r_k² − 1
//! ```
//!
//! The default is a single exponential of rate 1. Under the others, the density of the residual is a mixture of EMG
//! densities and a normal density, and need not be log-concave. With `κ = λσ`, `t = x/σ`, `z_k = t − κ r_k` and
//! `B_k = z_k + h(z_k)`,
//!
//! ```text
//! f(x) = φ(t)/σ [π_0 + Σ_k π_k κ r_k / h(z_k)],   b̄/σ = Σ_k p_k B_k,   m = 1 − Var[b]/σ² = p_0 + Σ_k p_k h(z_k) B_k − Var_p[B]
//! ```
//!
//! where the responsibilities `p_k` are proportional to the terms in the bracket, and `B_0 = 0`.
//!
//! With `π_0 = 1` there is no remainder: `b = 0`, `λ = ∞`, and the residual is Gaussian noise.

use crate::error::Error;

/// The maximum number of exponentials.
pub const MAX_COMPONENTS: usize = 12;

/// The smallest mean of an exponential, in units of `E[b]`.
///
/// An exponential of mean `a` has `κ = λσ/a`, and the other terms of the slopes lose their digits beside `κ²`. The R
/// interface requires twice this bound, so that rounding of the means does not matter here.
pub const MIN_MEAN: f64 = 5e-5;

/// The distribution of `c`: a point mass at 0 and exponentials, with mean 1; or the point mass alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RemainderPrior {
    atom: f64,
    count: usize,
    weights: [f64; MAX_COMPONENTS],
    rates: [f64; MAX_COMPONENTS],
}

impl RemainderPrior {
    /// The default, `c ~ Exp(1)`.
    pub const EXPONENTIAL: Self = {
        let mut only = [0.0; MAX_COMPONENTS];
        only[0] = 1.0;
        Self { atom: 0.0, count: 1, weights: only, rates: only }
    };

    /// No remainder: `b = 0`.
    pub const NONE: Self = Self { atom: 1.0, count: 0, ..Self::EXPONENTIAL };

    /// Returns the mixture of `components`, pairs of a weight and a mean, where a mean of 0 is the point mass. Weights
    /// are normalised to sum to 1 and means to an overall mean of 1; components of weight 0 are dropped. If only the point
    /// mass is left, that is [`RemainderPrior::NONE`].
    ///
    /// # Errors
    /// [`Error::Range`] if a number is negative or not finite, no weight is positive, the mean of a component
    /// is positive but below [`MIN_MEAN`] relative to the overall mean, or there are more than [`MAX_COMPONENTS`]
    /// exponentials.
    pub fn new(components: impl IntoIterator<Item = (f64, f64)>) -> Result<Self, Error> {
        let mut components: Vec<(f64, f64)> = components.into_iter().filter(|(weight, _)| *weight != 0.0).collect();
        for (what, found) in components.iter().flat_map(|(weight, mean)| [("a weight", *weight), ("a mean", *mean)]) {
            if !(found >= 0.0 && found.is_finite()) {
                return Err(Error::Range { what, expected: "nonnegative and finite", found });
            }
        }
        let total: f64 = components.iter().map(|(weight, _)| weight).sum();
        if total > 0.0 && components.iter().all(|(_, mean)| *mean == 0.0) {
            return Ok(Self::NONE);
        }
        let overall_mean = components.iter().map(|(weight, mean)| weight * mean).sum::<f64>() / total;
        if !(overall_mean > 0.0 && overall_mean.is_finite()) {
            let what = "the mean of the prior of b";
            return Err(Error::Range { what, expected: "positive and finite", found: overall_mean });
        }
        let zeros = components.iter().filter(|(_, mean)| *mean == 0.0);
        let atom = zeros.fold(0.0, |sum, (weight, _)| sum + weight / total);
        let mut prior = Self { atom, count: 0, ..Self::EXPONENTIAL };
        components.retain(|(_, mean)| *mean > 0.0);
        // By increasing rate.
        components.sort_by(|one, other| other.1.total_cmp(&one.1));
        if components.len() > MAX_COMPONENTS {
            let found = components.len() as f64;
            return Err(Error::Range { what: "the number of exponentials", expected: "at most 12", found });
        }
        if let Some(found) = components.last().map(|(_, mean)| mean / overall_mean).filter(|mean| *mean < MIN_MEAN) {
            return Err(Error::Range { what: "the smallest mean", expected: "0 or 5e-5 of the overall mean", found });
        }
        for (weight, mean) in components {
            prior.weights[prior.count] = weight / total;
            prior.rates[prior.count] = overall_mean / mean;
            prior.count += 1;
        }
        Ok(prior)
    }

    /// Returns the parameters as numbers, which [`RemainderPrior::from_numbers`] restores exactly.
    pub(crate) fn to_numbers(self) -> Vec<f64> {
        std::iter::once(self.atom).chain(self.exponentials().flat_map(|(weight, rate)| [weight, rate])).collect()
    }

    /// Restores a prior from its [`RemainderPrior::to_numbers`]; `None` if there are no numbers or too many.
    pub(crate) fn from_numbers(numbers: &[f64]) -> Option<Self> {
        let (atom, exponentials) = numbers.split_first()?;
        let mut prior = Self { atom: *atom, count: 0, ..Self::EXPONENTIAL };
        for pair in exponentials.chunks_exact(2) {
            *prior.weights.get_mut(prior.count)? = pair[0];
            *prior.rates.get_mut(prior.count)? = pair[1];
            prior.count += 1;
        }
        Some(prior)
    }

    /// Returns whether `c` is a single exponential.
    pub fn is_exponential(&self) -> bool {
        self.count == 1 && self.atom == 0.0
    }

    /// Returns whether there is no remainder.
    pub fn is_none(&self) -> bool {
        self.count == 0
    }

    /// Returns `π_0`.
    pub fn atom(&self) -> f64 {
        self.atom
    }

    /// Returns the pairs `(π_k, r_k)` of the exponentials, by increasing rate.
    pub fn exponentials(&self) -> impl ExactSizeIterator<Item = (f64, f64)> + '_ {
        self.weights[..self.count].iter().copied().zip(self.rates[..self.count].iter().copied())
    }

    /// Returns the weights and means of all components: the point mass, if any, then exponentials by decreasing mean.
    pub fn components(&self) -> Vec<(f64, f64)> {
        let atom = (self.atom > 0.0).then_some((self.atom, 0.0));
        atom.into_iter().chain(self.exponentials().map(|(weight, rate)| (weight, 1.0 / rate))).collect()
    }

    /// Returns `Var[c]`, which is 1 for a single exponential and 0 without a remainder.
    pub fn variance(&self) -> f64 {
        if self.is_exponential() {
            return 1.0;
        }
        if self.is_none() {
            return 0.0;
        }
        2.0 * self.exponentials().map(|(weight, rate)| weight / (rate * rate)).sum::<f64>() - 1.0
    }
}

impl Default for RemainderPrior {
    fn default() -> Self {
        Self::EXPONENTIAL
    }
}

/// Family of priors of the remainder: what is known in advance.
#[derive(Clone, Debug, PartialEq)]
pub enum RemainderPriorFamily {
    /// The prior is known up to its mean.
    Known(RemainderPrior),
    /// `(1 − π) δ_0 + π Exp(·)`, with `π` estimated.
    PointExponential,
    /// Mixture of exponentials with these means, in units of `E[b]`, and estimated weights; a mean of 0 is a point mass.
    Mixture(ComponentMeans),
}

impl RemainderPriorFamily {
    /// Whether there is no remainder.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Known(prior) if prior.is_none())
    }
}

impl Default for RemainderPriorFamily {
    /// A single exponential.
    fn default() -> Self {
        Self::Known(RemainderPrior::EXPONENTIAL)
    }
}

/// Means of the components of a mixture in decreasing order, with 1 between the largest and the smallest.
#[derive(Clone, Debug, PartialEq)]
pub struct ComponentMeans(pub(crate) Vec<f64>);

impl ComponentMeans {
    /// Sorts the means and drops duplicates. At most twelve positive means, none below [`MIN_MEAN`], and possibly 0.
    ///
    /// # Errors
    /// [`Error::Range`] if they are not, or 1 is not between the smallest and the largest.
    pub fn new(means: &[f64]) -> Result<Self, Error> {
        let mut means = means.to_vec();
        means.sort_by(|one, other| other.total_cmp(one));
        means.dedup();
        if let Some(&found) = means.iter().find(|mean| !(**mean >= 0.0 && mean.is_finite())) {
            return Err(Error::Range { what: "a mean", expected: "nonnegative and finite", found });
        }
        if let Some(&found) = means.iter().find(|mean| **mean > 0.0 && **mean < MIN_MEAN) {
            return Err(Error::Range { what: "a mean", expected: "0 or at least 5e-5", found });
        }
        let positive = means.iter().filter(|mean| **mean > 0.0).count();
        if positive > MAX_COMPONENTS {
            return Err(Error::Range { what: "the number of means", expected: "at most 12", found: positive as f64 });
        }
        match means[..] {
            [largest, .., least] if largest > 1.0 && least < 1.0 => Ok(Self(means)),
            _ => {
                let found = means.first().copied().unwrap_or(0.0);
                Err(Error::Range {
                    what: "the largest of several means",
                    expected: "above 1, and the least below",
                    found,
                })
            }
        }
    }
}
