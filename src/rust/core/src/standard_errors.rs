//! How well a fit knows its loadings and weights: standard errors from the curvature of the log-likelihood.
//!
//! Each is that of one number with all others, λ and σ held. With `m = h (z + h)` an entry's log-likelihood curves by
//! `−m/σ²` in its `W`, and `W` is linear in a weight and, of a general matrix, in a loading:
//!
//! ```text
//! −∂²/∂u_i²  =  d² Σ_j m_ij v_j² / σ²,    −∂²/∂d²  =  Σ m_ij u_i² v_j² / σ²
//! ```
//!
//! Of a symmetric matrix each pair counts once and the diagonal half, so that the second is halved; and since the
//! diagonal of `W` is quadratic in `u`, the first has there `2 m_ii d² u_i² / σ² − d s_ii`, with the slope
//! `s = λ − h/σ` of the log-likelihood in `W`, in the place of `m_ii d² u_i² / σ²`. Under a mixture of laws
//! `m = 1 − Var[b]/σ²` and `s = (x − b̄)/σ²`. Where the noise of entries differs, σ is that of the entry.

use crate::distributions::mills::truncated_moments;
use crate::factor::Factor;
use crate::noise::ResidualParams;
use crate::pass::multi_factor_sweep;
use crate::prior::remainder;
use crate::residual::{Buffer, ResidualView};
use crate::runtime::parallel::Threads;
use crate::vector::{dot, squares};

/// The standard errors of a factor. NaN where a loading is zero, at its bound; where the likelihood does not curve
/// downwards; and throughout where the weight is not positive.
#[derive(Clone, Debug, PartialEq)]
pub struct StandardErrors {
    /// That of the weight.
    pub d: f64,
    /// Those of the loadings of the rows.
    pub u: Vec<f64>,
    /// Those of the loadings of the columns; `None` where the matrix is symmetric.
    pub v: Option<Vec<f64>>,
}

/// The standard errors of factors of `view`, in one sweep.
pub fn standard_errors(
    view: &ResidualView,
    factors: &[Factor],
    params: ResidualParams,
    threads: Threads,
) -> Vec<StandardErrors> {
    let found = multi_factor_sweep(view, factors, params, true, threads);
    let corners = if view.is_symmetric() { corners(&view.minus(factors), params) } else { Vec::new() };
    let share = if view.is_symmetric() { 0.5 } else { 1.0 };
    let error = |loading: f64, curvature: f64| {
        if loading > 0.0 && curvature > 0.0 {
            params.sigma / curvature.sqrt()
        } else {
            f64::NAN
        }
    };
    let of_factor = |(index, factor): (usize, &Factor)| {
        let d = factor.d.max(0.0);
        let curvatures = found.curvatures.of(index);
        let errors = |loadings: &[f64], curvatures: &[f64]| -> Vec<f64> {
            loadings.iter().zip(curvatures).map(|(&loading, curvature)| error(loading, d * d * curvature)).collect()
        };
        let squares = squares(factor.u());
        let mut rows = curvatures.rows().to_vec();
        let weight = error(d, share * dot(&squares, &rows));
        for ((row, corner), square) in rows.iter_mut().zip(&corners).zip(&squares) {
            *row += corner.curvature * square - corner.slope / d;
        }
        StandardErrors {
            d: weight,
            u: errors(factor.u(), &rows),
            v: factor.v.as_ref().map(|_| errors(factor.v(), curvatures.columns())),
        }
    };
    factors.iter().enumerate().map(of_factor).collect()
}

/// An entry of the diagonal: `m` and `σ² s`, both zero where it is missing.
struct Corner {
    curvature: f64,
    slope: f64,
}

fn corners(view: &ResidualView, params: ResidualParams) -> Vec<Corner> {
    let mut buffer = Buffer::new(1);
    let mixture = (!view.is_plain()).then(|| remainder(view.remainder_prior(), params));
    let corner = |index: usize| {
        let x = view.column(index, index..index + 1, &mut buffer)[0];
        if x.is_nan() {
            return Corner { curvature: 0.0, slope: 0.0 };
        }
        if let Some(mixture) = &mixture {
            let s = view.diagonal_scales(index..index + 1).first().copied().unwrap_or(1.0);
            let (sigma, precision) = (params.sigma * s, 1.0 / (s * s));
            let b = mixture.posterior(x, sigma);
            let curvature = 1.0 - b.variance / (sigma * sigma);
            return Corner { curvature: precision * curvature, slope: precision * (x - b.mean) };
        }
        let b = truncated_moments(x / params.sigma - params.lambda * params.sigma);
        Corner { curvature: b.hazard * b.mean, slope: params.sigma * (params.lambda * params.sigma - b.hazard) }
    };
    (0..view.ncol()).map(corner).collect()
}
