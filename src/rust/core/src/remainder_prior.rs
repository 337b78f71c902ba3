//! The shape of the remainder's distribution, its mean apart: `b = c/λ`, where `c` has mean 1.
//!
//! ```text
//! c ~ π_0 δ_0 + Σ_k π_k Exp(r_k),   π_0 + Σ_k π_k = 1,   E[c] = Σ_k π_k/r_k = 1,   Var[c] = 2 Σ_k π_k/r_k² − 1
//! ```
//!
//! One exponential with rate 1 is the model's own. All others make the density of the residual a mixture of EMG densities
//! and of a normal one, which need not be log-concave: with `κ = λσ`, `t = x/σ`, `z_k = t − κ r_k` and `B_k = z_k + h(z_k)`,
//!
//! ```text
//! f(x) = φ(t)/σ [π_0 + Σ_k π_k κ r_k / h(z_k)],   b̄/σ = Σ_k p_k B_k,   m = 1 − Var[b]/σ² = p_0 + Σ_k p_k h(z_k) B_k − Var_p[B]
//! ```
//!
//! where `p_k`, the responsibilities, are the shares of the terms in the bracket, and `B_0 = 0`.

use crate::error::Error;

/// The most exponentials of a law.
pub const MAX_COMPONENTS: usize = 12;

/// The least mean of an exponential, in units of `E[b]`. An exponential of mean `a` has `κ = λσ/a`, and beside `κ²` all else in
/// the slopes loses its digits. The face refuses twice as much, so that rounding does not decide.
pub const MIN_MEAN: f64 = 5e-5;

/// A law of `c`; see the module.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RemainderPrior {
    atom: f64,
    count: usize,
    weights: [f64; MAX_COMPONENTS],
    rates: [f64; MAX_COMPONENTS],
}

impl RemainderPrior {
    /// `c ~ Exp(1)`, the model's own law.
    pub const EXPONENTIAL: Self = {
        let mut only = [0.0; MAX_COMPONENTS];
        only[0] = 1.0;
        Self { atom: 0.0, count: 1, weights: only, rates: only }
    };

    /// The law with these weights and means, a mean of 0 for the point mass, both in units of their own: weights are made
    /// to sum to 1 and the law to have mean 1. Parts without weight are dropped.
    ///
    /// # Errors
    /// [`Error::Range`] where a number is negative or not finite, the mean is not positive, the mean of a part is below
    /// [`MIN_MEAN`] of it and not 0, or the parts are too many.
    pub fn new(parts: impl IntoIterator<Item = (f64, f64)>) -> Result<Self, Error> {
        let mut parts: Vec<(f64, f64)> = parts.into_iter().filter(|(weight, _)| *weight != 0.0).collect();
        for (what, found) in parts.iter().flat_map(|(weight, mean)| [("a weight", *weight), ("a mean", *mean)]) {
            if !(found >= 0.0 && found.is_finite()) {
                return Err(Error::Range { what, expected: "nonnegative and finite", found });
            }
        }
        let total: f64 = parts.iter().map(|(weight, _)| weight).sum();
        let mean = parts.iter().map(|(weight, mean)| weight * mean).sum::<f64>() / total;
        if !(mean > 0.0 && mean.is_finite()) {
            return Err(Error::Range { what: "the mean of a law", expected: "positive and finite", found: mean });
        }
        let zeros = parts.iter().filter(|(_, mean)| *mean == 0.0);
        let mut law =
            Self { atom: zeros.fold(0.0, |sum, (weight, _)| sum + weight / total), count: 0, ..Self::EXPONENTIAL };
        parts.retain(|(_, mean)| *mean > 0.0);
        // The slowest first: it is the least far from any x.
        parts.sort_by(|one, other| other.1.total_cmp(&one.1));
        if parts.len() > MAX_COMPONENTS {
            let found = parts.len() as f64;
            return Err(Error::Range { what: "the number of exponentials", expected: "at most 12", found });
        }
        if let Some(found) = parts.last().map(|(_, own)| own / mean).filter(|share| *share < MIN_MEAN) {
            return Err(Error::Range { what: "the least mean", expected: "0 or 5e-5 of the law's", found });
        }
        for (weight, own) in parts {
            law.weights[law.count] = weight / total;
            law.rates[law.count] = mean / own;
            law.count += 1;
        }
        Ok(law)
    }

    /// The law as numbers, from which [`RemainderPrior::from_numbers`] makes the same, to the bit.
    pub(crate) fn to_numbers(self) -> Vec<f64> {
        std::iter::once(self.atom).chain(self.exponentials().flat_map(|(weight, rate)| [weight, rate])).collect()
    }

    /// The law from such numbers.
    pub(crate) fn from_numbers(numbers: &[f64]) -> Option<Self> {
        let (atom, parts) = numbers.split_first()?;
        let mut law = Self { atom: *atom, count: 0, ..Self::EXPONENTIAL };
        for part in parts.chunks_exact(2) {
            *law.weights.get_mut(law.count)? = part[0];
            *law.rates.get_mut(law.count)? = part[1];
            law.count += 1;
        }
        Some(law)
    }

    /// Whether it is the model's own.
    pub fn is_exponential(&self) -> bool {
        self.count == 1 && self.atom == 0.0
    }

    /// `π_0`.
    pub fn atom(&self) -> f64 {
        self.atom
    }

    /// `π_k` and `r_k`, by increasing rate.
    pub fn exponentials(&self) -> impl ExactSizeIterator<Item = (f64, f64)> + '_ {
        self.weights[..self.count].iter().copied().zip(self.rates[..self.count].iter().copied())
    }

    /// Weights and means, the point mass first where there is one, then by falling mean.
    pub fn parts(&self) -> Vec<(f64, f64)> {
        let atom = (self.atom > 0.0).then_some((self.atom, 0.0));
        atom.into_iter().chain(self.exponentials().map(|(weight, rate)| (weight, 1.0 / rate))).collect()
    }

    /// `Var[c]`; 1 of the model's own law.
    pub fn variance(&self) -> f64 {
        if self.is_exponential() {
            return 1.0;
        }
        2.0 * self.exponentials().map(|(weight, rate)| weight / (rate * rate)).sum::<f64>() - 1.0
    }
}

impl Default for RemainderPrior {
    fn default() -> Self {
        Self::EXPONENTIAL
    }
}
