//! What priors are mixed from: a point mass at 0, an exponential, a normal truncated to `[0, ∞)`.
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
//! The slopes are the expected slopes of `log g` under the posterior (R. A. Fisher's identity), simplified until
//! nothing large cancels. Two forms of `ℓ` are kept. Where `x` is far out and a component explains it, `ℓ` is
//! moderate, and `ℓ − log N₀` is huge; where it is not explained, `ℓ` is huge, and `ℓ − log N₀` is moderate and all
//! that tells components apart. Each is computed by itself, since `−½d² − ½z² = −½t² − ½(m/τ)²` exactly (and
//! `κ²/2 − κt = ½z² − ½t²`).

use crate::distributions::emg;
use crate::distributions::mills::{truncated_moments, TruncatedMoments, HALF_LOG_TAU};
use crate::noise::ResidualParams;

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
    /// A normal, truncated.
    Normal(TruncatedNormal),
}

/// `N(mean, sd²)` truncated to `[0, ∞)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TruncatedNormal {
    mean: f64,
    sd: f64,
    above: TruncatedMoments,
}

/// What one component makes of one observation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Explained {
    /// `E[w]`.
    pub mean: f64,
    /// `E[w²]`.
    pub second: f64,
    /// `Var[w]`.
    pub variance: f64,
    /// `ℓ + log s`: the log marginal in units of `s`.
    pub log_marginal: f64,
    /// `ℓ − log N(x | 0, s²)`: how much better than a 0 it explains `x`.
    pub log_ratio: f64,
    /// `∂ℓ/∂ log scale`.
    pub scale_slope: f64,
    /// `∂ℓ/∂ log τ` at fixed `m`; 0 where there is no `τ`.
    pub width_slope: f64,
}

impl Component {
    /// The normal with `mean ≥ 0` and `sd > 0`, truncated to `[0, ∞)`.
    pub fn normal(mean: f64, sd: f64) -> Self {
        Self::Normal(TruncatedNormal { mean, sd, above: truncated_moments(mean / sd) })
    }

    /// The distribution of `factor · w`.
    pub fn scaled(&self, factor: f64) -> Self {
        match *self {
            Self::Zero => Self::Zero,
            Self::Exponential { rate } => Self::Exponential { rate: rate / factor },
            Self::Normal(normal) => {
                Self::Normal(TruncatedNormal { mean: factor * normal.mean, sd: factor * normal.sd, ..normal })
            }
        }
    }

    /// The posterior and the log marginal of `x ~ N(w, s²)`, were `w` of this component.
    pub fn explain(&self, x: f64, s: f64) -> Explained {
        match self {
            Self::Zero => explain_zero(x / s),
            Self::Exponential { rate } => explain_exponential(x / s, s, rate * s),
            Self::Normal(normal) => normal.explain(x, s),
        }
    }
}

/// `log N₀` in units of `s`.
fn log_zero(t: f64) -> f64 {
    -0.5 * t * t - HALF_LOG_TAU
}

fn explain_zero(t: f64) -> Explained {
    Explained {
        mean: 0.0,
        second: 0.0,
        variance: 0.0,
        log_marginal: log_zero(t),
        log_ratio: 0.0,
        scale_slope: 0.0,
        width_slope: 0.0,
    }
}

fn explain_exponential(t: f64, s: f64, kappa: f64) -> Explained {
    let z = t - kappa;
    let unit = truncated_moments(z);
    let log_ratio = if z >= 0.0 {
        kappa.ln() + 0.5 * z * z + HALF_LOG_TAU + unit.log_mass
    } else if kappa > 0.5 * unit.hazard {
        // κ/(G − z) with z = t − κ is near 1 where the exponential is all but a point mass, and G is the mean.
        ((t - unit.mean) / unit.hazard).ln_1p()
    } else {
        (kappa / unit.hazard).ln()
    };
    Explained {
        mean: s * unit.mean,
        second: s * s * unit.second,
        variance: s * s * unit.variance,
        log_marginal: emg::log_density(t, ResidualParams { lambda: kappa, sigma: 1.0 }),
        log_ratio,
        scale_slope: if z < 0.0 { t * unit.mean - unit.second } else { kappa * unit.mean - 1.0 },
        width_slope: 0.0,
    }
}

impl TruncatedNormal {
    fn explain(&self, x: f64, s: f64) -> Explained {
        let Self { mean, sd, above } = *self;
        let t = x / s;
        let (r, inverse) = (s.hypot(sd), mean / sd);
        let (p, q, d) = (s / r, sd / r, (x - mean) / r);
        let z = t * q + inverse * p;
        let unit = truncated_moments(z);
        let width = s * q;
        let (log_marginal, log_ratio) = if z < 0.0 {
            let kept = -0.5 * inverse * inverse - above.log_mass;
            let log_ratio = kept + (p / unit.hazard).ln() - HALF_LOG_TAU;
            (log_ratio + log_zero(t), log_ratio)
        } else {
            let mass = p.ln() + unit.log_mass - above.log_mass;
            let gain = 0.5 * (t * q) * (t * q) + (mean / r) * ((x - 0.5 * mean) / r);
            (mass + log_zero(d), mass + gain)
        };
        let pull = q * d + p * unit.hazard;
        // Far right the hazard is 0, and the mean may be infinite.
        let truncation = if unit.hazard > 0.0 { p * p * unit.hazard * unit.mean } else { 0.0 };
        Explained {
            mean: width * unit.mean,
            second: width * width * unit.second,
            variance: width * width * unit.variance,
            log_marginal,
            log_ratio,
            scale_slope: width * unit.mean / r * d - q * q,
            width_slope: pull * pull - truncation - q * q + inverse * above.hazard,
        }
    }
}
