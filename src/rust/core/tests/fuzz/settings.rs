//! Random settings of a fit, within the limits of the R package.

use super::matrix::Matrix;
use nmu_core::error::Error;
use nmu_core::factor::Factor;
use nmu_core::init::InitialLoadings;
use nmu_core::noise::{BoundSpec, NoiseScales, NoiseStructure, ResidualParams};
use nmu_core::noise_estimators::{Fixed, MaximumLikelihood, Moments, NoiseEstimator};
use nmu_core::prior::{Exponential, Family, GeneralizedBinary, Maximum, Mixture, PointExponential, Shape};
use nmu_core::remainder_prior::{ComponentMeans, RemainderPrior, RemainderPriorFamily};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// The index of the noise estimator that does not maximize the likelihood.
pub(crate) const MOMENTS: usize = 3;
/// The first index of an estimator with fixed λ and σ.
const FIXED: usize = 4;
/// The number of priors in [`prior`].
const PRIORS: usize = 11;

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) factors: usize,
    pub(crate) choose: bool,
    pub(crate) refine: bool,
    pub(crate) ignore_diagonal: bool,
    pub(crate) underapproximate: bool,
    pub(crate) estimator: usize,
    /// Indices of the priors of rows and columns, one pair per stage.
    pub(crate) priors: Vec<[usize; 2]>,
    pub(crate) remainder_prior: RemainderPriorFamily,
    pub(crate) noise_structure: NoiseStructure,
    pub(crate) fixed: Vec<Factor>,
    pub(crate) kept: Vec<Factor>,
    pub(crate) init: Vec<InitialLoadings>,
    pub(crate) threads: usize,
    /// Whether the fit is repeated with another number of threads.
    pub(crate) twice: bool,
}

impl Settings {
    pub(crate) fn draw(matrix: &Matrix, random: &mut ChaCha8Rng) -> Result<Self, Error> {
        let factors = random.random_range(1..=4.min(matrix.values.len()));
        let underapproximate = random.random_bool(0.15);
        let estimator = random.random_range(0..7);
        let remainder_prior = if estimator != MOMENTS && random.random_bool(0.4) {
            remainder_prior(random)?
        } else {
            RemainderPriorFamily::default()
        };
        let noise_structure = if estimator < MOMENTS && random.random_bool(0.4) {
            noise_structure(matrix, random)?
        } else {
            NoiseStructure::Homoscedastic
        };
        let stages = if random.random_bool(0.4) { random.random_range(1..3) } else { 0 };
        let mut pair = || {
            let rows = random.random_range(0..PRIORS);
            [rows, if matrix.symmetric || random.random_bool(0.3) { rows } else { random.random_range(0..PRIORS) }]
        };
        let priors = (0..stages).map(|_| pair()).collect();
        let mut factors_or_none = |probability: f64, max_count: usize| -> Vec<Factor> {
            let count = if random.random_bool(probability) { random.random_range(1..=max_count) } else { 0 };
            (0..count).map(|_| factor(matrix, random)).collect()
        };
        let (fixed, kept, init) = (factors_or_none(0.2, 2), factors_or_none(0.1, 2), factors_or_none(0.1, factors));
        let mut settings = Self {
            factors,
            choose: random.random_bool(0.25),
            refine: random.random_bool(0.6),
            ignore_diagonal: matrix.has_diagonal() && random.random_bool(0.2),
            underapproximate,
            estimator,
            priors,
            remainder_prior,
            noise_structure,
            fixed: fixed.into_iter().map(|factor| Factor { d: 0.0, ..factor }).collect(),
            kept,
            init: init.iter().map(|factor| InitialLoadings::new(factor.u(), factor.v())).collect(),
            threads: random.random_range(1..=3),
            twice: random.random_bool(0.1),
        };
        // Drawn last, so that the seeds of the corpus keep their problems. The R package requires at least one
        // certified factor.
        if !underapproximate && random.random_bool(0.03) {
            settings.factors = 0;
        }
        Ok(settings)
    }

    /// The noise estimator, with λ and σ in the units of the core, in which entries are near 1.
    pub(crate) fn estimator(&self) -> Box<dyn NoiseEstimator> {
        let likelihood = |floor, cap, ratio_floors: &[f64]| {
            Box::new(MaximumLikelihood { bounds: BoundSpec { floor, cap }, ratio_floors: ratio_floors.to_vec() })
        };
        match self.estimator {
            0 => likelihood(0.01, 3.0, &[0.5, 1.0, 2.0]),
            1 => likelihood(0.0, 1000.0, &[]),
            2 => likelihood(0.1, 1.0, &[4.0, 8.0]),
            MOMENTS => Box::new(Moments { bounds: BoundSpec { floor: 0.01, cap: 3.0 } }),
            FIXED => Box::new(Fixed(ResidualParams { lambda: 1.0, sigma: 0.1 })),
            5 => Box::new(Fixed(ResidualParams { lambda: 1e-4, sigma: 1e4 })),
            _ => Box::new(Fixed(ResidualParams { lambda: 1e4, sigma: 1e-4 })),
        }
    }
}

/// The prior with an index.
pub(crate) fn prior(index: usize) -> Result<Box<dyn Family>, Error> {
    let scales = Some(vec![0.0, 0.1, 1.0]);
    Ok(match index {
        0 => Box::new(Exponential::new(None)?),
        1 => Box::new(Exponential::new(Some(2.0))?),
        2 => Box::new(PointExponential::new(None, None)?),
        3 => Box::new(PointExponential::new(Some(1.0), None)?),
        4 => Box::new(PointExponential::new(Some(0.0), Some(1e-3))?),
        5 => Box::new(GeneralizedBinary::new(None, None, Some(0.02))?),
        6 => Box::new(GeneralizedBinary::new(Some(0.3), Some(1.0), None)?),
        7 => Box::new(Mixture::new(Shape::HalfNormal, None, None)?),
        8 => Box::new(Mixture::new(Shape::Exponential, scales, None)?),
        9 => Box::new(Mixture::new(Shape::HalfNormal, scales, Some(vec![0.5, 0.3, 0.2]))?),
        _ => Box::new(Maximum),
    })
}

fn remainder_prior(random: &mut ChaCha8Rng) -> Result<RemainderPriorFamily, Error> {
    Ok(match random.random_range(0..5) {
        0 => RemainderPriorFamily::Known(RemainderPrior::new([(0.5, 0.0), (0.5, 1.0)])?),
        1 => RemainderPriorFamily::Known(RemainderPrior::new([(0.1, 0.0), (0.3, 0.01), (0.6, 10.0)])?),
        2 => RemainderPriorFamily::PointExponential,
        3 => RemainderPriorFamily::Mixture(ComponentMeans::new(&[0.0, 0.1, 0.3, 1.0, 3.0, 9.0])?),
        _ => RemainderPriorFamily::Mixture(ComponentMeans::new(&[0.5, 2.0])?),
    })
}

fn noise_structure(matrix: &Matrix, random: &mut ChaCha8Rng) -> Result<NoiseStructure, Error> {
    let decades = *[0.3, 3.0, 5.0].get(random.random_range(0..5)).unwrap_or(&1.0);
    let mut scales = |count: usize| -> Vec<f64> {
        let drawn: Vec<f64> = (0..count).map(|_| 10f64.powf(random.random_range(-decades..decades))).collect();
        let largest = drawn.iter().fold(0.0, |largest: f64, scale| largest.max(*scale));
        let mean_square = drawn.iter().map(|scale| (scale / largest).powi(2)).sum::<f64>() / count as f64;
        drawn.iter().map(|scale| scale / largest / mean_square.sqrt()).collect()
    };
    let (nrow, ncol) = (matrix.nrow, matrix.ncol);
    let rows = scales(nrow);
    let mut entries = scales(nrow * ncol);
    if matrix.symmetric {
        (0..ncol).for_each(|j| (0..j).for_each(|i| entries[i * nrow + j] = entries[j * nrow + i]));
    }
    Ok(match random.random_range(0..4) {
        0 => NoiseStructure::ByRow,
        1 => NoiseStructure::ByColumn,
        2 => NoiseStructure::Known(NoiseScales::outer(
            rows.clone(),
            if matrix.symmetric { rows } else { vec![1.0; ncol] },
        )?),
        _ => NoiseStructure::Known(NoiseScales::entries(entries)?),
    })
}

/// A factor with loadings of unit norm.
fn factor(matrix: &Matrix, random: &mut ChaCha8Rng) -> Factor {
    let mut side = |length: usize| -> Vec<f64> {
        let mut loadings: Vec<f64> =
            (0..length).map(|_| if random.random_bool(0.7) { random.random_range(0.01..1.0) } else { 0.0 }).collect();
        if loadings.iter().all(|loading| *loading == 0.0) {
            loadings[0] = 1.0;
        }
        let norm = loadings.iter().map(|loading| loading * loading).sum::<f64>().sqrt();
        loadings.iter().map(|loading| loading / norm).collect()
    };
    let (u, v) = (side(matrix.nrow), (!matrix.symmetric).then(|| side(matrix.ncol)));
    Factor::new(random.random_range(0.0..3.0), &u, v.as_deref())
}
