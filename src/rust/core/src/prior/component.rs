//! Components of a prior (a point mass at 0, an exponential, a truncated normal) and mixtures of them.
//!
//! With `t = x/s`, `N₀ = N(x | 0, s²)` and `Φ`, `h`, `B = z + h(z)` of the standard normal:
//!
//! ```text
//! zero           ℓ = log N₀
//!
//! Exp(rate)      κ = rate s,  z = t − κ           posterior N(x − κs, s²) truncated
//!                ℓ = log rate + κ²/2 − κt + log Φ(z), the EMG density of crate::distributions::emg
//!                ∂ℓ/∂ log scale = κB − 1 = tB − E[(w/s)²]
//!
//! N₊(m, τ²)      r² = s² + τ²,  p = s/r,  q = τ/r,  d = (x − m)/r
//!                z = tq + (m/τ)p                  posterior N(sqz, (sq)²) truncated
//!                ℓ = log N(x | m, r²) + log Φ(z) − log Φ(m/τ)
//!                ∂ℓ/∂ log scale = E[w] (x − m)/r² − q²,  scale: m and τ together
//!                ∂ℓ/∂ log τ = (qd + ph)² − p² h B − q² + (m/τ) h(m/τ)
//! ```
//!
//! The slopes are the posterior expectations of the slopes of `log g` (Fisher's identity), simplified until no large
//! terms cancel. Two forms of `ℓ` are kept. If `x` is far out and a component fits it, `ℓ` is moderate and `ℓ − log N₀`
//! is huge. If no component fits it, `ℓ` is huge, and only `ℓ − log N₀`, which is moderate, distinguishes the
//! components. Each form is computed separately, since `−½d² − ½z² = −½t² − ½(m/τ)²` exactly (and
//! `κ²/2 − κt = ½z² − ½t²`).

use crate::distributions::emg;
use crate::distributions::mills::{truncated_moments, TruncatedMoments, HALF_LOG_TAU};
use crate::noise::ResidualParams;
use crate::prior::{Hyperparameter, Observations, Posterior, Prior};
use std::any::Any;

/// One component of a prior.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Component {
    /// All mass at 0.
    Zero,
    /// The density `rate exp(−rate w)`.
    Exponential {
        /// The rate, in units of `1/w`.
        rate: f64,
    },
    /// A normal distribution truncated to `[0, ∞)`.
    Normal(TruncatedNormal),
}

/// `N(mean, sd²)` truncated to `[0, ∞)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TruncatedNormal {
    mean: f64,
    sd: f64,
    prior_moments: TruncatedMoments,
}

/// Posterior of `w` and marginal likelihood of `x` under a single component.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComponentPosterior {
    /// `E[w]`.
    pub mean: f64,
    /// `E[w²]`.
    pub second_moment: f64,
    /// `Var[w]`.
    pub variance: f64,
    /// `ℓ + log s`: the log marginal in units of `s`.
    pub log_marginal: f64,
    /// `ℓ − log N(x | 0, s²)`: the log Bayes factor against `w = 0`.
    pub log_ratio: f64,
    /// `∂ℓ/∂ log scale`.
    pub scale_slope: f64,
    /// `∂ℓ/∂ log τ` at fixed `m`; 0 for components without a `τ`.
    pub width_slope: f64,
}

impl Component {
    /// Returns `N(mean, sd²)` truncated to `[0, ∞)`, with `mean ≥ 0` and `sd > 0`.
    pub fn normal(mean: f64, sd: f64) -> Self {
        Self::Normal(TruncatedNormal { mean, sd, prior_moments: truncated_moments(mean / sd) })
    }

    /// Returns mean and standard deviation of a normal before truncation; `None` for other components.
    pub(crate) fn normal_parameters(&self) -> Option<(f64, f64)> {
        match self {
            Self::Normal(TruncatedNormal { mean, sd, .. }) => Some((*mean, *sd)),
            _ => None,
        }
    }

    /// Returns the distribution of `factor · w`.
    pub fn scaled(&self, factor: f64) -> Self {
        match *self {
            Self::Zero => Self::Zero,
            Self::Exponential { rate } => Self::Exponential { rate: rate / factor },
            Self::Normal(normal) => {
                Self::Normal(TruncatedNormal { mean: factor * normal.mean, sd: factor * normal.sd, ..normal })
            }
        }
    }

    /// Returns the posterior of `w` and the log marginal of `x ~ N(w, s²)` if `w` has this distribution.
    pub fn posterior(&self, x: f64, s: f64) -> ComponentPosterior {
        match self {
            Self::Zero => zero_posterior(x / s),
            Self::Exponential { rate } => exponential_posterior(x / s, s, rate * s),
            Self::Normal(normal) => normal.posterior(x, s),
        }
    }
}

/// Returns `log N₀` in units of `s`.
fn log_null_density(t: f64) -> f64 {
    -0.5 * t * t - HALF_LOG_TAU
}

fn zero_posterior(t: f64) -> ComponentPosterior {
    ComponentPosterior {
        mean: 0.0,
        second_moment: 0.0,
        variance: 0.0,
        log_marginal: log_null_density(t),
        log_ratio: 0.0,
        scale_slope: 0.0,
        width_slope: 0.0,
    }
}

fn exponential_posterior(t: f64, s: f64, kappa: f64) -> ComponentPosterior {
    let z = t - kappa;
    let unit = truncated_moments(z);
    let log_ratio = if z >= 0.0 {
        kappa.ln() + 0.5 * z * z + HALF_LOG_TAU + unit.log_mass
    } else if kappa > 0.5 * unit.hazard {
        // κ/(G − z) with z = t − κ, where G is the mean, is near 1 if the exponential is close to a point mass.
        ((t - unit.mean) / unit.hazard).ln_1p()
    } else {
        (kappa / unit.hazard).ln()
    };
    ComponentPosterior {
        mean: s * unit.mean,
        second_moment: s * s * unit.second,
        variance: s * s * unit.variance,
        log_marginal: emg::log_density(t, ResidualParams { lambda: kappa, sigma: 1.0 }),
        log_ratio,
        scale_slope: if z < 0.0 { t * unit.mean - unit.second } else { kappa * unit.mean - 1.0 },
        width_slope: 0.0,
    }
}

impl TruncatedNormal {
    fn posterior(&self, x: f64, s: f64) -> ComponentPosterior {
        let Self { mean, sd, prior_moments } = *self;
        let t = x / s;
        let (r, mean_ratio) = (s.hypot(sd), mean / sd);
        let (p, q, d) = (s / r, sd / r, (x - mean) / r);
        let z = t * q + mean_ratio * p;
        let unit = truncated_moments(z);
        let untruncated_sd = s * q;
        let (log_marginal, log_ratio) = if z < 0.0 {
            let constant = -0.5 * mean_ratio * mean_ratio - prior_moments.log_mass;
            let log_ratio = constant + (p / unit.hazard).ln() - HALF_LOG_TAU;
            (log_ratio + log_null_density(t), log_ratio)
        } else {
            let log_mass = p.ln() + unit.log_mass - prior_moments.log_mass;
            let exponent = 0.5 * (t * q) * (t * q) + (mean / r) * ((x - 0.5 * mean) / r);
            (log_mass + log_null_density(d), log_mass + exponent)
        };
        let shift = q * d + p * unit.hazard;
        // For large z the hazard is 0 and the mean may be infinite.
        let truncation = if unit.hazard > 0.0 { p * p * unit.hazard * unit.mean } else { 0.0 };
        ComponentPosterior {
            mean: untruncated_sd * unit.mean,
            second_moment: untruncated_sd * untruncated_sd * unit.second,
            variance: untruncated_sd * untruncated_sd * unit.variance,
            log_marginal,
            log_ratio,
            scale_slope: untruncated_sd * unit.mean / r * d - q * q,
            width_slope: shift * shift - truncation - q * q + mean_ratio * prior_moments.hazard,
        }
    }
}

/// A mixture `g = Σ π_k g_k` with the hyperparameters that it was built from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ComponentMixture {
    components: Vec<(f64, Component)>,
    /// The slab of a spike-and-slab mixture, unless its weight is 0.
    slab: Option<Component>,
    hyperparameters: Vec<Hyperparameter>,
}

impl ComponentMixture {
    /// Returns the mixture of weighted components `(π_k, g_k)`. The weights must sum to 1; components of weight 0 are
    /// dropped.
    pub(crate) fn new(
        components: impl IntoIterator<Item = (f64, Component)>,
        hyperparameters: Vec<Hyperparameter>,
    ) -> Self {
        let components = components.into_iter().filter(|(weight, _)| *weight > 0.0).collect();
        Self { components, slab: None, hyperparameters }
    }

    /// Returns the spike-and-slab mixture `(1 − weight) δ₀ + weight slab`.
    pub(crate) fn spike_slab(weight: f64, slab: Component, hyperparameters: Vec<Hyperparameter>) -> Self {
        let mixture = Self::new([(1.0 - weight, Component::Zero), (weight, slab)], hyperparameters);
        Self { slab: (weight > 0.0).then_some(slab), ..mixture }
    }

    /// Returns the slab of a prior that is a spike-and-slab mixture with a positive weight of the slab, for a family whose search
    /// may start there.
    pub(crate) fn slab_of(prior: &dyn Prior) -> Option<Component> {
        prior.as_any()?.downcast_ref::<Self>()?.slab
    }

    /// Returns the posterior under the mixture.
    ///
    /// `posteriors` holds a pair `(π_k, posterior under g_k)` for each component; on return the weights are the
    /// responsibilities `p_k ∝ π_k exp ℓ_k`. The moments are `Σ p_k E_k`, and the variance is
    /// `Σ p_k (Var_k + (E_k[w] − E[w])²)`, a sum of positive terms.
    fn combine(&self, posteriors: &mut [(f64, ComponentPosterior)], s: f64) -> Posterior {
        let max_log_marginal = scale_by_likelihood(posteriors);
        let total: f64 = posteriors.iter().map(|(weight, _)| weight).sum();
        posteriors.iter_mut().for_each(|(weight, _)| *weight /= total);
        let average = |value: &dyn Fn(&ComponentPosterior) -> f64| {
            posteriors.iter().map(|(weight, posterior)| weight * value(posterior)).sum()
        };
        let mean: f64 = average(&|q| q.mean);
        let zeros = posteriors.iter().zip(&self.components).filter(|(_, (_, component))| *component == Component::Zero);
        Posterior {
            mean,
            second_moment: average(&|q| q.second_moment),
            variance: average(&|q| q.variance + (q.mean - mean) * (q.mean - mean)),
            lfsr: zeros.fold(0.0, |sum, ((weight, _), _)| sum + weight),
            log_marginal: max_log_marginal + total.ln() - s.ln(),
        }
    }
}

impl Prior for ComponentMixture {
    fn posterior(&self, x: f64, s: f64) -> Posterior {
        let evaluate = |(weight, component): &(f64, Component)| (*weight, component.posterior(x, s));
        match &self.components[..] {
            // One and two components, the usual numbers, do not allocate: this runs for every loading after every step.
            [one] => self.combine(&mut [evaluate(one)], s),
            [one, two] => self.combine(&mut [evaluate(one), evaluate(two)], s),
            components => self.combine(&mut components.iter().map(evaluate).collect::<Vec<_>>(), s),
        }
    }

    fn posteriors(&self, observations: &Observations) -> Vec<Posterior> {
        observations.map(|x, s| self.posterior(x, s))
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        self.hyperparameters.clone()
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

/// Multiplies the weight of each component by `exp(ℓ_k − max ℓ)` and returns `max ℓ` in units of `s`.
///
/// The differences are taken in that form of `ℓ` whose maximum is smaller in magnitude, which keeps the most digits.
pub(crate) fn scale_by_likelihood(posteriors: &mut [(f64, ComponentPosterior)]) -> f64 {
    let largest = |value: fn(&ComponentPosterior) -> f64| {
        posteriors.iter().map(|(_, posterior)| value(posterior)).fold(f64::NEG_INFINITY, f64::max)
    };
    let max_log_marginal = largest(|q| q.log_marginal);
    let max_log_ratio = largest(|q| q.log_ratio);
    let use_ratio = max_log_ratio.abs() <= max_log_marginal.abs();
    for (weight, q) in posteriors {
        let difference = if use_ratio { q.log_ratio - max_log_ratio } else { q.log_marginal - max_log_marginal };
        *weight *= difference.exp();
    }
    max_log_marginal
}
