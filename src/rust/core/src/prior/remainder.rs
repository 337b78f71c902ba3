//! The remainder under any law of it, an entry at a time: what the pass has in registers, for callers who ask for one.

use super::component::Component;
use super::estimated::Estimated;
use super::Prior;
use crate::noise::{Law, Noise};

/// The prior of `b` under a law and `E[b] = 1/λ`; its posterior at `x`, `σ` is that of a residual.
pub fn remainder(law: &Law, noise: Noise) -> Box<dyn Prior> {
    let component = |mean: f64| match mean {
        0.0 => Component::Zero,
        _ => Component::Exponential { rate: noise.lambda / mean },
    };
    let parts = law.parts().into_iter().map(|(weight, mean)| (weight, component(mean)));
    Box::new(Estimated::new(parts, Vec::new()))
}
