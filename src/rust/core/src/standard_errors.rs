//! Standard errors of loadings and weights, from the curvature of the log-likelihood.
//!
//! Each is conditional on all other loadings and weights, λ and σ. With `m = h (z + h)` the log-likelihood of an entry has
//! curvature `−m/σ²` in its `W`, and `W` is linear in a weight and, for a general matrix, in a loading:
//!
//! ```text
//! −∂²/∂u_i²  =  d² Σ_j m_ij v_j² / σ²,    −∂²/∂d²  =  Σ m_ij u_i² v_j² / σ²
//! ```
//!
//! In a symmetric matrix each pair counts once and the diagonal half, so the second is halved. The diagonal of `W` is quadratic
//! in `u`, so there the first has `2 m_ii d² u_i² / σ² − d s_ii` in place of `m_ii d² u_i² / σ²`, with the derivative
//! `s = λ − h/σ` of the log-likelihood in `W`. If the prior of the remainder is a mixture, `m = 1 − Var[b]/σ²` and
//! `s = (x − b̄)/σ²`. If the noise differs between entries, σ is that of the entry.

use crate::distributions::mills::truncated_moments;
use crate::factor::Factor;
use crate::noise::ResidualParams;
use crate::pass::multi_factor_sweep;
use crate::prior::remainder;
use crate::residual::{Buffer, ResidualView};
use crate::runtime::parallel::Threads;
use crate::vector::{dot, squares};
use faer::Col;

/// Standard errors of a factor. NaN for a loading that is zero, at its bound, and if the log-likelihood is not concave in the
/// parameter; all are NaN if the weight is not positive.
#[derive(Clone, Debug, PartialEq)]
pub struct StandardErrors {
    /// Standard error of the weight.
    pub d: f64,
    /// Standard errors of the loadings of the rows.
    pub u: Col<f64>,
    /// Standard errors of the loadings of the columns; `None` if the matrix is symmetric.
    pub v: Option<Col<f64>>,
}

/// Standard errors of the factors of `view`, in one pass.
pub fn standard_errors(
    view: &ResidualView,
    factors: &[Factor],
    params: ResidualParams,
    threads: Threads,
) -> Vec<StandardErrors> {
    let output = multi_factor_sweep(view, factors, params, true, threads);
    let diagonal = if view.is_symmetric() { diagonal_terms(&view.minus(factors), params) } else { Vec::new() };
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
        let curvatures = output.curvatures.of(index);
        let errors = |loadings: &[f64], curvatures: &[f64]| -> Col<f64> {
            loadings.iter().zip(curvatures).map(|(&loading, curvature)| error(loading, d * d * curvature)).collect()
        };
        let squares = squares(factor.u());
        let (mut rows, columns) = (curvatures.rows().to_vec(), curvatures.columns());
        let weight = error(d, share * dot(&squares, &rows));
        for ((row, term), square) in rows.iter_mut().zip(&diagonal).zip(&squares) {
            *row += term.curvature * square - term.slope / d;
        }
        StandardErrors {
            d: weight,
            u: errors(factor.u(), &rows),
            v: factor.v.as_ref().map(|_| errors(factor.v(), columns)),
        }
    };
    factors.iter().enumerate().map(of_factor).collect()
}

/// `m` and `σ² s` of a diagonal entry, both zero if it is missing.
struct DiagonalTerm {
    curvature: f64,
    slope: f64,
}

fn diagonal_terms(view: &ResidualView, params: ResidualParams) -> Vec<DiagonalTerm> {
    let mut buffer = Buffer::new(1, view.ncol());
    let mixture = (!view.is_plain()).then(|| remainder(view.remainder_prior(), params));
    let term = |index: usize| {
        let x = view.column(index, index..index + 1, &mut buffer)[0];
        if x.is_nan() {
            return DiagonalTerm { curvature: 0.0, slope: 0.0 };
        }
        if let Some(mixture) = &mixture {
            let s = view.diagonal_scales(index..index + 1).first().copied().unwrap_or(1.0);
            let (sigma, precision) = (params.sigma * s, 1.0 / (s * s));
            let b = mixture.posterior(x, sigma);
            let curvature = 1.0 - b.variance / (sigma * sigma);
            return DiagonalTerm { curvature: precision * curvature, slope: precision * (x - b.mean) };
        }
        let b = truncated_moments(x / params.sigma - params.lambda * params.sigma);
        DiagonalTerm { curvature: b.hazard * b.mean, slope: params.sigma * (params.lambda * params.sigma - b.hazard) }
    };
    (0..view.ncol()).map(term).collect()
}
