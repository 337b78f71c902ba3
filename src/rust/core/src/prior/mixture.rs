//! Scale mixtures of half-normals or exponentials on a grid, which approximate any decreasing prior.

use crate::error::Error;
use crate::optim::mixture_weights::maximize_weights;
use crate::prior::component::{scale_by_likelihood, Component, ComponentMixture};
use crate::prior::{Family, Hyperparameter, Observations, Prior};
use std::f64::consts::SQRT_2;

/// The distribution of the components of a mixture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `N(0, scale²)` truncated to `[0, ∞)`.
    HalfNormal,
    /// The exponential with mean `scale`.
    Exponential,
}

impl Shape {
    /// Returns the component of a given scale; a scale of 0 is the point mass.
    fn component(self, scale: f64) -> Component {
        match self {
            _ if scale == 0.0 => Component::Zero,
            Self::HalfNormal => Component::normal(0.0, scale),
            Self::Exponential => Component::Exponential { rate: 1.0 / scale },
        }
    }
}

/// `g = Σ weight_k g_k` with components `g_k` of the same shape and different scales, where a scale of 0 is a point
/// mass (M. Stephens 2017, False discovery rates: a new deal, *Biostatistics* 18, 275-294).
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    shape: Shape,
    scales: Option<Vec<f64>>,
    weights: Option<Vec<f64>>,
}

impl Mixture {
    /// Returns the family with the given scales, or with a grid that spans the data if `None`. Weights may be given
    /// together with scales, and are normalised to sum to 1; `None` estimates them.
    pub fn new(shape: Shape, scales: Option<Vec<f64>>, weights: Option<Vec<f64>>) -> Result<Self, Error> {
        let count = scales.as_ref().map_or(0, Vec::len);
        if scales.is_some() && count == 0 {
            return Err(Error::Range { what: "the number of scales", expected: "at least 1", found: 0.0 });
        }
        if let Some(&found) = scales.iter().flatten().find(|scale| !(**scale >= 0.0 && scale.is_finite())) {
            return Err(Error::Range { what: "a scale", expected: "nonnegative and finite", found });
        }
        if let Some(weights) = &weights {
            if weights.len() != count {
                return Err(Error::Length { what: "weights", expected: count, found: weights.len() });
            }
            if let Some(&found) = weights.iter().find(|weight| !(**weight >= 0.0 && weight.is_finite())) {
                return Err(Error::Range { what: "a weight", expected: "nonnegative and finite", found });
            }
            let found = weights.iter().sum();
            if !(found > 0.0 && f64::is_finite(found)) {
                return Err(Error::Range { what: "the sum of the weights", expected: "positive and finite", found });
            }
        }
        let total: f64 = weights.iter().flatten().sum();
        let weights = weights.map(|weights| weights.iter().map(|weight| weight / total).collect());
        Ok(Self { shape, scales, weights })
    }

    /// Maximises the likelihood over the weights of components of these scales.
    fn estimate_weights(&self, observations: &Observations, scales: &[f64]) -> Vec<f64> {
        let components: Vec<Component> = scales.iter().map(|&scale| self.shape.component(scale)).collect();
        let relative_likelihoods = |x: f64, s: f64| {
            let mut posteriors: Vec<_> = components.iter().map(|component| (1.0, component.posterior(x, s))).collect();
            scale_by_likelihood(&mut posteriors);
            posteriors.into_iter().map(|(likelihood, _)| likelihood).collect::<Vec<f64>>()
        };
        maximize_weights(&observations.map(relative_likelihoods).concat(), scales.len())
    }
}

impl Family for Mixture {
    fn estimate(&self, observations: &Observations) -> Box<dyn Prior> {
        let scales = self.scales.clone().unwrap_or_else(|| grid(observations));
        let weights = self.weights.clone().unwrap_or_else(|| self.estimate_weights(observations, &scales));
        let components: Vec<_> =
            weights.iter().copied().zip(scales.iter().map(|&scale| self.shape.component(scale))).collect();
        let hyperparameters =
            vec![Hyperparameter::new("scales", scales, 1), Hyperparameter::new("weights", weights, 0)];
        Box::new(ComponentMixture::new(components, hyperparameters))
    }
}

/// The smallest positive scale of a grid, relative to the smallest `s`.
const MIN_SCALE: f64 = 0.1;

/// The largest scale of a grid, relative to the smallest, if no `x` exceeds its `s`.
const DEFAULT_SPAN: f64 = 8.0;

/// The maximum number of positive scales of a grid; a grid that would have more is coarsened.
const MAX_SCALES: f64 = 48.0;

/// Returns the grid of Stephens (2017): 0, and scales from a tenth of the smallest `s` to the largest `2 √(x² − s²)` by
/// factors of at most `√2`, unless there would be too many.
fn grid(observations: &Observations) -> Vec<f64> {
    let smallest = MIN_SCALE * observations.min_sd();
    let excess = |(x, s): (f64, f64)| if x > s { 2.0 * (x - s).sqrt() * (x + s).sqrt() } else { 0.0 };
    let largest = observations.iter().map(excess).fold(0.0, f64::max).max(DEFAULT_SPAN * smallest);
    let span = (largest / smallest).ln();
    let steps = (span / SQRT_2.ln()).ceil().clamp(1.0, MAX_SCALES - 1.0);
    let scale = |index: usize| smallest * (span * index as f64 / steps).exp();
    std::iter::once(0.0).chain((0..=steps as usize).map(scale)).collect()
}
