//! Half-normals or exponentials on a grid of scales: any prior that falls from 0, near enough.

use crate::error::Error;
use crate::optim::mixture_weights::best_weights;
use crate::prior::component::Component;
use crate::prior::component_mixture::{relative_marginals, ComponentMixture};
use crate::prior::{Family, Hyperparameter, Observations, Prior};
use std::f64::consts::SQRT_2;

/// What is mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `N(0, scale²)` truncated to `[0, ∞)`.
    HalfNormal,
    /// The exponential with mean `scale`.
    Exponential,
}

impl Shape {
    /// The component of one scale; a scale of 0 is the point mass.
    fn component(self, scale: f64) -> Component {
        match self {
            _ if scale == 0.0 => Component::Zero,
            Self::HalfNormal => Component::normal(0.0, scale),
            Self::Exponential => Component::Exponential { rate: 1.0 / scale },
        }
    }
}

/// `g = Σ weight_k g_k`, with `g_k` of one shape and different scales, among them 0, the point mass (M. Stephens 2017,
/// False discovery rates: a new deal, *Biostatistics* 18, 275-294).
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    shape: Shape,
    scales: Option<Vec<f64>>,
    weights: Option<Vec<f64>>,
}

impl Mixture {
    /// The family with its scales given, or a grid that spans the data; with scales, their weights may be given, too,
    /// and are made to sum to 1.
    pub fn new(shape: Shape, scales: Option<Vec<f64>>, weights: Option<Vec<f64>>) -> Result<Self, Error> {
        let number = scales.as_ref().map_or(0, Vec::len);
        if scales.is_some() && number == 0 {
            return Err(Error::Range { what: "the number of scales", expected: "at least 1", found: 0.0 });
        }
        if let Some(&found) = scales.iter().flatten().find(|scale| !(**scale >= 0.0 && scale.is_finite())) {
            return Err(Error::Range { what: "a scale", expected: "nonnegative and finite", found });
        }
        if let Some(weights) = &weights {
            if weights.len() != number {
                return Err(Error::Length { what: "weights", expected: number, found: weights.len() });
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

    fn best_weights(&self, observations: &Observations, scales: &[f64]) -> Vec<f64> {
        let components: Vec<Component> = scales.iter().map(|&scale| self.shape.component(scale)).collect();
        let relative = |x: f64, s: f64| {
            let mut parts: Vec<_> = components.iter().map(|component| (1.0, component.explain(x, s))).collect();
            relative_marginals(&mut parts);
            parts.into_iter().map(|(relative, _)| relative).collect::<Vec<f64>>()
        };
        best_weights(&observations.map(relative).concat(), scales.len())
    }
}

impl Family for Mixture {
    fn estimate(&self, observations: &Observations) -> Box<dyn Prior> {
        let scales = self.scales.clone().unwrap_or_else(|| grid(observations));
        let weights = self.weights.clone().unwrap_or_else(|| self.best_weights(observations, &scales));
        let parts: Vec<_> =
            weights.iter().copied().zip(scales.iter().map(|&scale| self.shape.component(scale))).collect();
        let hyperparameters =
            vec![Hyperparameter::new("scales", scales, 1), Hyperparameter::new("weights", weights, 0)];
        Box::new(ComponentMixture::new(parts, hyperparameters))
    }
}

/// The least scale of a grid, as a share of the least `s`.
const LEAST: f64 = 0.1;

/// The largest scale of a grid in units of the least where no `x` exceeds its `s`.
const SHORT: f64 = 8.0;

/// What a grid may have beside 0; beyond, it is coarser.
const MAX_SCALES: f64 = 48.0;

/// The grid of Stephens (2017): 0, and from a tenth of the least `s` to `2 √(x² − s²)` at the largest in steps of `√2`.
fn grid(observations: &Observations) -> Vec<f64> {
    let least = LEAST * observations.least_deviation();
    let excess = |(x, s): (f64, f64)| if x > s { 2.0 * (x - s).sqrt() * (x + s).sqrt() } else { 0.0 };
    let most = observations.iter().map(excess).fold(0.0, f64::max).max(SHORT * least);
    let span = (most / least).ln();
    let steps = (span / SQRT_2.ln()).ceil().clamp(1.0, MAX_SCALES - 1.0);
    let scale = |index: usize| least * (span * index as f64 / steps).exp();
    std::iter::once(0.0).chain((0..=steps as usize).map(scale)).collect()
}
