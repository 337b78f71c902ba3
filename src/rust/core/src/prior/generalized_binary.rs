//! The generalized binary prior: a point mass at 0 and a narrow normal.

use crate::error::Error;
use crate::prior::component::{Component, ComponentMixture};
use crate::prior::profile_likelihood::{maximize_on_grid, scale_grid, Point, ProfiledWeight, SpikeSlab};
use crate::prior::{check_positive, check_probability, Family, Hyperparameter, Observations, Prior};
use std::f64::consts::LN_2;

/// `g = (1 − weight) δ₀ + weight N₊(location, (ratio · location)²)`, the normal truncated to `[0, ∞)`: the generalized
/// binary prior (Y. Liu, P. Carbonetto, J. Willwerscheid, S. Oakes, K. Macleod and M. Stephens 2025, Dissecting tumor
/// transcriptional heterogeneity from single-cell RNA-seq data by generalized binary covariance decomposition, *Nature
/// Genetics* 57).
///
/// A ratio is estimated between 0.001, below which the normal is equivalent to a point mass, and 1, above which the
/// prior is far from binary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeneralizedBinary {
    weight: Option<f64>,
    location: Option<f64>,
    ratio: Option<f64>,
}

/// The bounds of an estimated ratio.
const RATIO_BOUNDS: (f64, f64) = (1e-3, 1.0);

/// The grid spacing for the location, in standard deviations of the normal convolved with the noise.
const LOCATION_STEP: f64 = 2.0;

/// The grid size for the ratio: neighbours differ by a factor of 2.
const RATIO_GRID: usize = 11;

/// The location and the weight that maximise the likelihood at a ratio.
#[derive(Clone, Copy)]
struct LocationAndWeight {
    log_location: f64,
    weight: f64,
}

impl GeneralizedBinary {
    /// Returns the family with the given prior probability of `w > 0`, location, and standard deviation relative to the
    /// location; `None` estimates any of them.
    pub fn new(weight: Option<f64>, location: Option<f64>, ratio: Option<f64>) -> Result<Self, Error> {
        check_probability("the weight", weight)?;
        check_positive("the location", location)?;
        check_positive("the ratio", ratio)?;
        Ok(Self { weight, location, ratio })
    }

    /// Maximises the likelihood over location and weight at a given ratio.
    ///
    /// Each slope `E[w] (x − μ)/r² − q²` is negative beyond the largest `x`, which bounds the location. Local maxima
    /// are no narrower than the normal convolved with the noise; in experiments with continuous loadings, a grid
    /// spacing of two of its standard deviations separated them.
    fn maximize_location(&self, observations: &Observations, ratio: f64) -> Point<ProfiledWeight> {
        let model = SpikeSlab { observations, weight: self.weight };
        if let Some(location) = self.location {
            let maximum = model.maximize_scale(Component::normal(location, ratio * location), &[0.0]);
            return Point { x: location.ln(), ..maximum };
        }
        let (max_x, min_sd) = (observations.max_x(), observations.min_sd());
        let largest = if max_x > 0.0 { max_x } else { min_sd };
        let step = |location: f64| (LOCATION_STEP * ratio.hypot(min_sd / location)).min(LN_2);
        model.maximize_scale(Component::normal(1.0, ratio), &scale_grid(observations, largest, step))
    }

    /// Maximises the likelihood over the log ratio, and over location and weight at each ratio.
    fn maximize_ratio(&self, observations: &Observations) -> Point<LocationAndWeight> {
        let evaluate = |log_ratio: f64| {
            let maximum = self.maximize_location(observations, log_ratio.exp());
            let ProfiledWeight { weight, width_slope } = maximum.extra;
            let extra = LocationAndWeight { log_location: maximum.x, weight };
            Point { x: log_ratio, value: maximum.value, slope: width_slope, extra }
        };
        let (lower, upper) = (RATIO_BOUNDS.0.ln(), RATIO_BOUNDS.1.ln());
        let log_ratio = |index: usize| lower + (upper - lower) * index as f64 / (RATIO_GRID - 1) as f64;
        let grid: Vec<_> = (0..RATIO_GRID).map(|index| evaluate(log_ratio(index))).collect();
        maximize_on_grid(&grid, evaluate)
    }
}

impl Family for GeneralizedBinary {
    fn estimate(&self, observations: &Observations) -> Box<dyn Prior> {
        let (ratio, LocationAndWeight { log_location, weight }) = match self.ratio {
            Some(ratio) => {
                let maximum = self.maximize_location(observations, ratio);
                (ratio, LocationAndWeight { log_location: maximum.x, weight: maximum.extra.weight })
            }
            None => {
                let maximum = self.maximize_ratio(observations);
                (maximum.x.exp(), maximum.extra)
            }
        };
        let location = self.location.unwrap_or_else(|| log_location.exp());
        let hyperparameters = vec![
            Hyperparameter::new("weight", vec![weight], 0),
            Hyperparameter::new("location", vec![location], 1),
            Hyperparameter::new("ratio", vec![ratio], 0),
        ];
        Box::new(ComponentMixture::spike_slab(weight, Component::normal(location, ratio * location), hyperparameters))
    }
}
