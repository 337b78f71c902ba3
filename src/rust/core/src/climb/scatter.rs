//! How the noise differs between rows, or columns: better scales, with the factors and the remainder's law held.

use super::route::Route;
use crate::noise::{Bounds, Noise, Scales, Scatter};
use crate::pass::{sweep, Depth, Model, Question, Sweep};
use crate::view::{Factor, View};
use std::borrow::Cow;

/// The most steps of EM in a turn.
const STEPS: usize = 20;
/// How much longer each step is than the one before while they gain: EM's own are short where the noise is small beside the
/// remainder.
const STRETCH: f64 = 1.5;

/// Scales with their σ, and the log-likelihood under them.
pub(super) struct Scattered<'a> {
    pub(super) scales: Option<Cow<'a, Scales>>,
    pub(super) noise: Noise,
    pub(super) log_likelihood: f64,
}

impl Scatter {
    /// The scales to start from; none where all are 1.
    pub(super) fn first(&self, view: &View) -> Option<Cow<'_, Scales>> {
        match self {
            Self::Even => None,
            Self::Rows | Self::Columns => Some(Cow::Owned(outer(view, None, None))),
            Self::Known(scales) => Some(Cow::Borrowed(scales)),
        }
    }

    /// The scales of a fit that found these deviations.
    pub(super) fn with(&self, view: &View, deviations: Option<&[f64]>) -> Option<Cow<'_, Scales>> {
        if let Self::Known(scales) = self {
            return Some(Cow::Borrowed(scales));
        }
        let found = deviations?;
        Some(Cow::Owned(if view.is_symmetric() {
            let roots: Vec<f64> = found.iter().map(|deviation| deviation.sqrt()).collect();
            Scales::Outer { rows: roots.clone(), columns: roots }
        } else if *self == Self::Columns {
            outer(view, None, Some(found))
        } else {
            outer(view, Some(found), None)
        }))
    }

    /// The standard deviations of the noise of rows, or columns, in units of σ, where they were estimated: the inverse of
    /// [`Scatter::with`].
    pub(super) fn deviations(&self, view: &View, scales: Option<&Scales>) -> Option<Vec<f64>> {
        let Some(Scales::Outer { rows, columns }) = scales.filter(|_| self.is_free()) else { return None };
        Some(if view.is_symmetric() {
            rows.iter().map(|root| root * root).collect()
        } else if *self == Self::Columns {
            columns.clone()
        } else {
            rows.clone()
        })
    }

    /// Whether they are to be estimated.
    pub(super) fn is_free(&self) -> bool {
        matches!(self, Self::Rows | Self::Columns)
    }
}

/// Scales of rows and of columns, 1 where nothing is given.
fn outer(view: &View, rows: Option<&[f64]>, columns: Option<&[f64]>) -> Scales {
    let side = |given: Option<&[f64]>, count: usize| given.map_or_else(|| vec![1.0; count], <[f64]>::to_vec);
    Scales::Outer { rows: side(rows, view.nrow()), columns: side(columns, view.ncol()) }
}

impl Route<'_, '_, '_> {
    /// Steps of EM, stretched, while they gain more than `least`; none that loses is taken.
    pub(super) fn climb_scales<'s>(
        &self,
        rest: &View,
        start: Scattered<'s>,
        bounds: Option<Bounds>,
        least: f64,
    ) -> Scattered<'s> {
        let mut here = start;
        let mut stretch = 1.0;
        for _ in 0..STEPS {
            let Some((scales, noise)) = self.step(rest, &here, stretch, bounds) else { break };
            let log_likelihood =
                look(&rest.scattered(Some(&scales)), noise, Depth::Likelihood, self).sums.log_likelihood(noise);
            let gain = log_likelihood - here.log_likelihood;
            if gain > 0.0 {
                here = Scattered { scales: Some(Cow::Owned(scales)), noise, log_likelihood };
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
    fn step(&self, rest: &View, here: &Scattered, stretch: f64, bounds: Option<Bounds>) -> Option<(Scales, Noise)> {
        let Some(Scales::Outer { rows, columns }) = here.scales.as_deref() else { return None };
        let found = look(&rest.scattered(here.scales.as_deref()), here.noise, Depth::Deviation, self);
        let by_column = self.scatter == &Scatter::Columns && !rest.is_symmetric();
        let (old, sums, counts) = if by_column {
            (columns, found.products.columns, found.curvatures.columns)
        } else {
            (rows, found.products.rows, found.curvatures.rows)
        };
        // Of a symmetric matrix the margin holds `√s_i`.
        let root = stretch * if rest.is_symmetric() { 0.25 } else { 0.5 };
        let ratio = |(sum, count): (&f64, &f64)| if *count > 0.0 { (sum / count).powf(root) } else { 1.0 };
        let own: Vec<f64> = old.iter().zip(sums.iter().zip(&counts)).map(|(old, pair)| old * ratio(pair)).collect();
        let power = if rest.is_symmetric() { 4 } else { 2 };
        let total: f64 = counts.iter().sum();
        let mean = own.iter().zip(&counts).map(|(own, count)| count * own * own).sum::<f64>() / total;
        let sigma = here.noise.sigma * mean.sqrt().powi(power / 2);
        let noise = Noise { sigma, ..here.noise };
        let noise = bounds.map_or(noise, |bounds| bounds.clamp(noise));
        // Where a row is explained all but exactly, its noise has the least σ, too.
        let floor = bounds.map_or(0.0, |bounds| bounds.least_sigma / noise.sigma).powf(2.0 / f64::from(power));
        let own: Vec<f64> = own.iter().map(|own| (own / mean.sqrt()).max(floor)).collect();
        Some(match (by_column, rest.is_symmetric()) {
            (true, _) => (Scales::Outer { rows: rows.clone(), columns: own }, noise),
            (false, true) => (Scales::Outer { rows: own.clone(), columns: own }, noise),
            (false, false) => (Scales::Outer { rows: own, columns: columns.clone() }, noise),
        })
    }
}

/// A sweep over what is left, without a factor.
fn look(view: &View, noise: Noise, depth: Depth, route: &Route) -> Sweep {
    let nothing = Factor::zero(view);
    let (rows, columns) = (vec![1.0; view.nrow()], vec![1.0; view.ncol()]);
    let question = Question { row_weights: &rows, column_weights: &columns, shift: 1.0 / noise.lambda, depth };
    sweep(view, Model { factor: &nothing, noise }, &question, route.threads)
}
