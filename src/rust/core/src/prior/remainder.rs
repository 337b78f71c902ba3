//! The remainder under any law of it, an entry at a time: what the pass has in registers, for callers who ask for one.

use crate::noise::ResidualParams;
use crate::prior::component::Component;
use crate::prior::component_mixture::ComponentMixture;
use crate::prior::Prior;
use crate::remainder_prior::RemainderPrior;

/// The prior of `b` under a law and `E[b] = 1/λ`; its posterior at `x`, `σ` is that of a residual.
pub fn remainder(law: &RemainderPrior, params: ResidualParams) -> Box<dyn Prior> {
    let component = |mean: f64| match mean {
        0.0 => Component::Zero,
        _ => Component::Exponential { rate: params.lambda / mean },
    };
    let parts = law.parts().into_iter().map(|(weight, mean)| (weight, component(mean)));
    Box::new(ComponentMixture::new(parts, Vec::new()))
}
