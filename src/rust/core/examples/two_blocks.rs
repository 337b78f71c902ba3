//! Fits two overlapping blocks in a symmetric matrix with an exponential remainder and normal noise.
//!
//! `cargo run --release -p nmu-core --example two_blocks`

use nmu_core::deflation::{deflate, Plan};
use nmu_core::faer::{Col, Mat};
use nmu_core::fit::{FitOptions, StopRule};
use nmu_core::fitter::ModelFitter;
use nmu_core::noise::{BoundSpec, NoiseStructure};
use nmu_core::noise_estimators::MaximumLikelihood;
use nmu_core::remainder_prior::RemainderPriorFamily;
use nmu_core::residual::Problem;
use nmu_core::runtime::parallel::Threads;
use nmu_core::runtime::progress::no_report;
use nmu_core::storage::Dense;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Exp1, StandardNormal};
use std::ops::Range;

const ORDER: usize = 60;
const LAMBDA: f64 = 5.0;
const SIGMA: f64 = 0.1;
/// The rows and columns of the blocks, and the values of their entries.
const BLOCKS: [(Range<usize>, f64); 2] = [(0..35, 2.0), (25..60, 1.0)];

/// `A = Σ_k w_k 1_k 1_kᵀ + b + e` over the blocks, with `b ~ Exp(λ)`, `e ~ N(0, σ²)` and `a_ij = a_ji`.
fn simulate(random: &mut ChaCha8Rng) -> Mat<f64> {
    let mut a = Mat::zeros(ORDER, ORDER);
    for j in 0..ORDER {
        for i in 0..=j {
            let blocks = BLOCKS.iter().filter(|(rows, _)| rows.contains(&i) && rows.contains(&j));
            let low_rank: f64 = blocks.map(|(_, value)| value).sum();
            let remainder = random.sample::<f64, _>(Exp1) / LAMBDA;
            let noise = SIGMA * random.sample::<f64, _>(StandardNormal);
            a[(i, j)] = low_rank + remainder + noise;
            a[(j, i)] = a[(i, j)];
        }
    }
    a
}

pub(crate) fn main() {
    let a = simulate(&mut ChaCha8Rng::seed_from_u64(1));
    let storage = Dense::new(a.as_ref());
    let problem = Problem { storage: &storage, symmetric: true, scale: 1.0 };

    // Maximum likelihood: no priors on the loadings, and continuation in the lower bound of λσ.
    let bounds = BoundSpec { floor: 0.1, cap: 3.0 };
    let options = FitOptions {
        estimator: Box::new(MaximumLikelihood { bounds, ratio_floors: vec![0.5, 1.0, 2.0] }),
        schedule: Vec::new(),
        remainder: RemainderPriorFamily::default(),
        noise_structure: NoiseStructure::Homoscedastic,
        stop: StopRule::new(1e-8, 1000),
        starts: 4,
    };
    let plan = Plan { refine: true, ..Plan::new(2) };
    let threads = Threads::new(1);
    let deflation = deflate(&problem, plan, &ModelFitter { options }, threads, &mut no_report);

    let Some(refit) = deflation.refit else { panic!("the refit was interrupted") };
    let model = refit.model;
    println!(
        "log-likelihood {:.1}, λ = {:.2}, σ = {:.3}",
        model.log_likelihood, model.params.lambda, model.params.sigma
    );
    for (factor, (rows, _)) in model.factors.iter().zip(BLOCKS) {
        let indicator = Col::from_fn(ORDER, |i| f64::from(u8::from(rows.contains(&i))));
        // The loadings `u` have unit norm.
        let cosine = factor.u.transpose() * &indicator / indicator.norm_l2();
        println!("weight {:.2}, cosine with the block {cosine:.4}", factor.d);
        assert!(cosine > 0.99, "the loadings recover the block");
    }
}
