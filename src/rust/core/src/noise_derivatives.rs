//! Gradient and Hessian of the log-likelihood in `(log λ, log σ)`, from the statistics of one pass.
//!
//! In `l = log λ`, `s = log σ` and with `κ = λσ`, `t = x/σ`, `r = t + κ`, `h`, `m = h (z + h)` and `B = b̄/σ = z + h`:
//!
//! ```text
//! ∂l  = Σ (1 − κB)            ∂l∂l = Σ (κ²(1 − m) − κB)
//! ∂s  = Σ (κ² − h r)          ∂l∂s = Σ (κ(1 − m) r − κB)
//!                             ∂s∂s = Σ (2κ² − m r² − 2κh + h r)
//! ```
//!
//! Under a mixture `f = Σ π_k f_k` each entry has `∂ = Σ p_k ∂_k` and `∂∂ = Σ p_k (∂∂_k + ∂_k ∂_k) − ∂ ∂`, with the
//! responsibilities `p_k` and the derivatives `∂_k` of `log f_k`: those above at `κ r_k`; for the point mass `∂l = 0`,
//! `∂s = t² − 1`, `∂s∂s = −2t²`. The pass sums these itself.

use crate::noise::ResidualParams;
use crate::pass::PassStats;

/// The gradient and the Hessian of the log-likelihood in `(log λ, log σ)` with the low-rank part held fixed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseDerivatives {
    /// First derivatives.
    pub gradient: [f64; 2],
    /// Second derivatives, the mixed one in the middle.
    pub hessian: [f64; 3],
}

impl NoiseDerivatives {
    /// The derivatives at `params`, from statistics of a pass there with curvatures.
    pub fn new(stats: &PassStats, params: ResidualParams) -> Self {
        if let Some(mixture) = &stats.mixture {
            let [l, s, ll, ls, ss] = mixture.derivatives;
            return Self { gradient: [l, s], hessian: [ll, ls, ss] };
        }
        let kappa = params.lambda * params.sigma;
        let count = stats.count;
        let kappa_b = params.lambda * stats.mean_b;
        let reach = count * (stats.residual_mean() / params.sigma + kappa);
        Self {
            gradient: [count - kappa_b, count * kappa * kappa - stats.hazard_reach],
            hessian: [
                kappa * kappa * (count - stats.curvature) - kappa_b,
                kappa * (reach - stats.curvature_reach) - kappa_b,
                2.0 * count * kappa * kappa - stats.curvature_reach_squared - 2.0 * kappa * stats.hazard
                    + stats.hazard_reach,
            ],
        }
    }

    /// The derivatives in `(log λσ, log σ)`, where the bounds are a box: `log λ = log λσ − log σ`.
    pub(crate) fn in_ratio(&self) -> Self {
        let [l, s] = self.gradient;
        let [ll, ls, ss] = self.hessian;
        Self { gradient: [l, s - l], hessian: [ll, ls - ll, ss - 2.0 * ls + ll] }
    }

    /// Standard errors of `log λ` and `log σ`: square roots of the diagonal of minus the inverse Hessian; NaN if the
    /// log-likelihood is not concave there.
    pub fn standard_errors(&self) -> [f64; 2] {
        let [ll, ls, ss] = self.hessian;
        let determinant = ll * ss - ls * ls;
        if ll == 0.0 && ls == 0.0 && ss < 0.0 {
            // Without a remainder there is no λ.
            [f64::NAN, (-1.0 / ss).sqrt()]
        } else if ll < 0.0 && determinant > 0.0 {
            [(-ss / determinant).sqrt(), (-ll / determinant).sqrt()]
        } else {
            [f64::NAN; 2]
        }
    }
}
