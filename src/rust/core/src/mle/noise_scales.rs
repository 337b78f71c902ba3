//! Noise scales of rows, or of columns, by extrapolated EM steps, with the factors and the remainder's prior held.

use crate::noise::{Bounds, NoiseScales, NoiseStructure, ResidualParams};
use crate::pass::{sweep, Model, PassLevel, PassOutput, PassSpec};
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use faer::Col;
use std::borrow::Cow;

/// Maximum number of EM steps.
const MAX_STEPS: usize = 20;
/// How much longer each step is than the one before while they gain: plain EM steps are short if the noise is small beside
/// the remainder.
const STRETCH: f64 = 1.5;

/// Noise scales with their σ, and the log-likelihood under them.
pub(crate) struct ScaledNoise<'a> {
    pub(crate) scales: Option<Cow<'a, NoiseScales>>,
    pub(crate) params: ResidualParams,
    pub(crate) log_likelihood: f64,
}

impl NoiseStructure {
    /// Starting values of the scales; `None` if all are 1.
    pub(crate) fn initial_scales(&self, view: &ResidualView) -> Option<Cow<'_, NoiseScales>> {
        match self {
            Self::Homoscedastic => None,
            Self::ByRow | Self::ByColumn => Some(Cow::Owned(outer(view, None, None))),
            Self::Known(scales) => Some(Cow::Borrowed(scales)),
        }
    }

    /// The scales with the standard deviations that a fit estimated, in units of σ.
    pub(crate) fn scales_of(&self, view: &ResidualView, estimated_sd: Option<&[f64]>) -> Option<Cow<'_, NoiseScales>> {
        if let Self::Known(scales) = self {
            return Some(Cow::Borrowed(scales));
        }
        let sd = estimated_sd?;
        Some(Cow::Owned(if view.is_symmetric() {
            let roots: Vec<f64> = sd.iter().map(|sd| sd.sqrt()).collect();
            NoiseScales::Outer { rows: roots.clone(), columns: roots }
        } else if *self == Self::ByColumn {
            outer(view, None, Some(sd))
        } else {
            outer(view, Some(sd), None)
        }))
    }

    /// The standard deviations of rows, or columns, in units of σ, if they were estimated: the inverse of
    /// [`NoiseStructure::scales_of`].
    pub(crate) fn estimated_sd(&self, view: &ResidualView, scales: Option<&NoiseScales>) -> Option<Vec<f64>> {
        let Some(NoiseScales::Outer { rows, columns }) = scales.filter(|_| self.is_free()) else { return None };
        Some(if view.is_symmetric() {
            rows.iter().map(|root| root * root).collect()
        } else if *self == Self::ByColumn {
            columns.clone()
        } else {
            rows.clone()
        })
    }

    /// Whether the scales are estimated.
    pub(crate) fn is_free(&self) -> bool {
        matches!(self, Self::ByRow | Self::ByColumn)
    }

    /// Takes EM steps, stretched, while they gain more than `min_gain`. No step that loses is taken.
    pub(crate) fn update<'s>(
        &self,
        rest: &ResidualView,
        start: ScaledNoise<'s>,
        bounds: Option<Bounds>,
        min_gain: f64,
        threads: Threads,
    ) -> ScaledNoise<'s> {
        let mut best = start;
        let mut stretch = 1.0;
        for _ in 0..MAX_STEPS {
            let Some((scales, params)) = self.m_step(rest, &best, stretch, bounds, threads) else { break };
            let view = rest.with_noise_scales(Some(&scales));
            let log_likelihood =
                row_and_column_sums(&view, params, PassLevel::Likelihood, threads).sums.log_likelihood(params);
            let gain = log_likelihood - best.log_likelihood;
            if gain > 0.0 {
                best = ScaledNoise { scales: Some(Cow::Owned(scales)), params, log_likelihood };
            }
            if gain > min_gain {
                stretch *= STRETCH;
            } else if stretch > 1.0 {
                stretch = 1.0;
            } else {
                break;
            }
        }
        best
    }

    /// The M-step, its length multiplied by `stretch`; `None` if no scales are free.
    fn m_step(
        &self,
        rest: &ResidualView,
        current: &ScaledNoise,
        stretch: f64,
        bounds: Option<Bounds>,
        threads: Threads,
    ) -> Option<(NoiseScales, ResidualParams)> {
        let Some(NoiseScales::Outer { rows, columns }) = current.scales.as_deref() else { return None };
        let view = rest.with_noise_scales(current.scales.as_deref());
        let output = row_and_column_sums(&view, current.params, PassLevel::NoiseScale, threads);
        let by_column = self == &Self::ByColumn && !rest.is_symmetric();
        let (old, sums, counts) = if by_column {
            (columns, output.products.columns, output.curvatures.columns)
        } else {
            (rows, output.products.rows, output.curvatures.rows)
        };
        // The scales of a symmetric matrix are held as `√s_i`.
        let exponent = stretch * if rest.is_symmetric() { 0.25 } else { 0.5 };
        let ratio = |(sum, count): (&f64, &f64)| if *count > 0.0 { (sum / count).powf(exponent) } else { 1.0 };
        let new: Vec<f64> =
            old.iter().zip(sums.iter().zip(counts.iter())).map(|(old, pair)| old * ratio(pair)).collect();
        let power = if rest.is_symmetric() { 4 } else { 2 };
        let total: f64 = counts.iter().sum();
        let mean = new.iter().zip(counts.iter()).map(|(new, count)| count * new * new).sum::<f64>() / total;
        let sigma = current.params.sigma * mean.sqrt().powi(power / 2);
        let params = ResidualParams { sigma, ..current.params };
        let params = bounds.map_or(params, |bounds| bounds.clamp(params));
        // The noise of a row that is explained almost exactly is held at the smallest σ.
        let floor = bounds.map_or(0.0, |bounds| bounds.min_sigma / params.sigma).powf(2.0 / f64::from(power));
        let new: Vec<f64> = new.iter().map(|new| (new / mean.sqrt()).max(floor)).collect();
        Some(match (by_column, rest.is_symmetric()) {
            (true, _) => (NoiseScales::Outer { rows: rows.clone(), columns: new }, params),
            (false, true) => (NoiseScales::Outer { rows: new.clone(), columns: new }, params),
            (false, false) => (NoiseScales::Outer { rows: new, columns: columns.clone() }, params),
        })
    }
}

/// Scales of rows and of columns, 1 on a side that is not given.
fn outer(view: &ResidualView, rows: Option<&[f64]>, columns: Option<&[f64]>) -> NoiseScales {
    let side = |given: Option<&[f64]>, count: usize| given.map_or_else(|| vec![1.0; count], <[f64]>::to_vec);
    NoiseScales::Outer { rows: side(rows, view.nrow()), columns: side(columns, view.ncol()) }
}

/// A pass over a residual without a factor, with unit weights.
fn row_and_column_sums(view: &ResidualView, params: ResidualParams, level: PassLevel, threads: Threads) -> PassOutput {
    let null_factor = view.zero_factor();
    let (rows, columns) = (Col::<f64>::ones(view.nrow()), Col::<f64>::ones(view.ncol()));
    let (row_weights, column_weights) = (rows.as_ref(), columns.as_ref());
    let spec = PassSpec { row_weights, column_weights, shift: 1.0 / params.lambda, level };
    sweep(view, Model { factor: &null_factor, params }, &spec, threads)
}
