//! How the noise differs between rows, or columns: better scales, with the factors and the remainder's law held.

use crate::mle::rank_one::FitContext;
use crate::noise::{Bounds, ResidualParams};
use crate::noise::{NoiseScales, NoiseStructure};
use crate::pass::{sweep, Model, PassLevel, PassOutput, PassSpec};
use crate::residual::ResidualView;
use faer::ColRef;
use std::borrow::Cow;

/// The most steps of EM in a turn.
const STEPS: usize = 20;
/// How much longer each step is than the one before while they gain: EM's own are short where the noise is small beside the
/// remainder.
const STRETCH: f64 = 1.5;

/// NoiseScales with their σ, and the log-likelihood under them.
pub(crate) struct Scattered<'a> {
    pub(crate) scales: Option<Cow<'a, NoiseScales>>,
    pub(crate) params: ResidualParams,
    pub(crate) log_likelihood: f64,
}

impl NoiseStructure {
    /// The scales to start from; none where all are 1.
    pub(crate) fn first(&self, view: &ResidualView) -> Option<Cow<'_, NoiseScales>> {
        match self {
            Self::Homoscedastic => None,
            Self::ByRow | Self::ByColumn => Some(Cow::Owned(outer(view, None, None))),
            Self::Known(scales) => Some(Cow::Borrowed(scales)),
        }
    }

    /// The scales of a fit that found these deviations.
    pub(crate) fn with(&self, view: &ResidualView, deviations: Option<&[f64]>) -> Option<Cow<'_, NoiseScales>> {
        if let Self::Known(scales) = self {
            return Some(Cow::Borrowed(scales));
        }
        let found = deviations?;
        Some(Cow::Owned(if view.is_symmetric() {
            let roots: Vec<f64> = found.iter().map(|deviation| deviation.sqrt()).collect();
            NoiseScales::Outer { rows: roots.clone(), columns: roots }
        } else if *self == Self::ByColumn {
            outer(view, None, Some(found))
        } else {
            outer(view, Some(found), None)
        }))
    }

    /// The standard deviations of the noise of rows, or columns, in units of σ, where they were estimated: the inverse of
    /// [`NoiseStructure::with`].
    pub(crate) fn deviations(&self, view: &ResidualView, scales: Option<&NoiseScales>) -> Option<Vec<f64>> {
        let Some(NoiseScales::Outer { rows, columns }) = scales.filter(|_| self.is_free()) else { return None };
        Some(if view.is_symmetric() {
            rows.iter().map(|root| root * root).collect()
        } else if *self == Self::ByColumn {
            columns.clone()
        } else {
            rows.clone()
        })
    }

    /// Whether they are to be estimated.
    pub(crate) fn is_free(&self) -> bool {
        matches!(self, Self::ByRow | Self::ByColumn)
    }
}

/// NoiseScales of rows and of columns, 1 where nothing is given.
fn outer(view: &ResidualView, rows: Option<&[f64]>, columns: Option<&[f64]>) -> NoiseScales {
    let side = |given: Option<&[f64]>, count: usize| given.map_or_else(|| vec![1.0; count], <[f64]>::to_vec);
    NoiseScales::Outer { rows: side(rows, view.nrow()), columns: side(columns, view.ncol()) }
}

impl FitContext<'_, '_, '_> {
    /// Steps of EM, stretched, while they gain more than `least`; none that loses is taken.
    pub(crate) fn update_noise_scales<'s>(
        &self,
        rest: &ResidualView,
        start: Scattered<'s>,
        bounds: Option<Bounds>,
        least: f64,
    ) -> Scattered<'s> {
        let mut here = start;
        let mut stretch = 1.0;
        for _ in 0..STEPS {
            let Some((scales, params)) = self.step(rest, &here, stretch, bounds) else { break };
            let log_likelihood = look(&rest.with_noise_scales(Some(&scales)), params, PassLevel::Likelihood, self)
                .sums
                .log_likelihood(params);
            let gain = log_likelihood - here.log_likelihood;
            if gain > 0.0 {
                here = Scattered { scales: Some(Cow::Owned(scales)), params, log_likelihood };
            }
            if gain > least {
                stretch *= STRETCH;
            } else if stretch > 1.0 {
                stretch = 1.0;
            } else {
                break;
            }
        }
        here
    }

    /// The M-step; `None` where nothing is free.
    fn step(
        &self,
        rest: &ResidualView,
        here: &Scattered,
        stretch: f64,
        bounds: Option<Bounds>,
    ) -> Option<(NoiseScales, ResidualParams)> {
        let Some(NoiseScales::Outer { rows, columns }) = here.scales.as_deref() else { return None };
        let found = look(&rest.with_noise_scales(here.scales.as_deref()), here.params, PassLevel::NoiseScale, self);
        let by_column = self.scatter == &NoiseStructure::ByColumn && !rest.is_symmetric();
        let (old, sums, counts) = if by_column {
            (columns, found.products.columns, found.curvatures.columns)
        } else {
            (rows, found.products.rows, found.curvatures.rows)
        };
        // Of a symmetric matrix the margin holds `√s_i`.
        let root = stretch * if rest.is_symmetric() { 0.25 } else { 0.5 };
        let ratio = |(sum, count): (&f64, &f64)| if *count > 0.0 { (sum / count).powf(root) } else { 1.0 };
        let own: Vec<f64> =
            old.iter().zip(sums.iter().zip(counts.iter())).map(|(old, pair)| old * ratio(pair)).collect();
        let power = if rest.is_symmetric() { 4 } else { 2 };
        let total: f64 = counts.iter().sum();
        let mean = own.iter().zip(counts.iter()).map(|(own, count)| count * own * own).sum::<f64>() / total;
        let sigma = here.params.sigma * mean.sqrt().powi(power / 2);
        let params = ResidualParams { sigma, ..here.params };
        let params = bounds.map_or(params, |bounds| bounds.clamp(params));
        // Where a row is explained all but exactly, its noise has the least σ, too.
        let floor = bounds.map_or(0.0, |bounds| bounds.least_sigma / params.sigma).powf(2.0 / f64::from(power));
        let own: Vec<f64> = own.iter().map(|own| (own / mean.sqrt()).max(floor)).collect();
        Some(match (by_column, rest.is_symmetric()) {
            (true, _) => (NoiseScales::Outer { rows: rows.clone(), columns: own }, params),
            (false, true) => (NoiseScales::Outer { rows: own.clone(), columns: own }, params),
            (false, false) => (NoiseScales::Outer { rows: own, columns: columns.clone() }, params),
        })
    }
}

/// A sweep over what is left, without a factor.
fn look(view: &ResidualView, params: ResidualParams, depth: PassLevel, route: &FitContext) -> PassOutput {
    let nothing = view.zero_factor();
    let (rows, columns) = (vec![1.0; view.nrow()], vec![1.0; view.ncol()]);
    let question = PassSpec {
        row_weights: ColRef::from_slice(&rows),
        column_weights: ColRef::from_slice(&columns),
        shift: 1.0 / params.lambda,
        level: depth,
    };
    sweep(view, Model { factor: &nothing, params }, &question, route.threads)
}
