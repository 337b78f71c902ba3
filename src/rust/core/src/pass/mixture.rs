//! The posterior of `b` under a mixture, a register at a time: what [`crate::remainder_prior::RemainderPrior`] says, without cancellation.
//!
//! In the reduced form `f(x) = λ e^{−E/2} P`, where `E` is `t²` to the left of `z_1 = 0` and `κ_1 (t + z_1)` to the right of it
//! (of the slowest exponential, whose `z` is the largest), the terms of `P` are
//!
//! ```text
//! π_k r_k √(2π) y_k / I_k   and   y_0 π_0 / κ,      y_k = φ(√(d_k (2 z_1⁺ − d_k))),   d_k = min(κ_k − κ_1, z_1⁺)
//! ```
//!
//! with `I_k` the inverse mass of [`crate::distributions::simd::posterior`], and `d_0 = z_1⁺`. No term overflows, and the slowest has no `y`
//! of its own (it is `φ(0)`).

use crate::distributions::mills::SQRT_TAU;
use crate::distributions::simd::{falling, mul_add, posterior, Posterior};
use crate::noise::ResidualParams;
use crate::remainder_prior::{RemainderPrior, MAX_COMPONENTS};
use pulp::Simd;

/// The numbers that the loop needs of a law, in units of σ.
#[derive(Clone, Copy)]
pub(crate) struct Mixture {
    count: usize,
    /// `κ_k`.
    kappas: [f64; MAX_COMPONENTS],
    /// `κ_k − κ_1`.
    gaps: [f64; MAX_COMPONENTS],
    /// `π_k r_k √(2π)`, of the first `π_1 r_1`.
    factors: [f64; MAX_COMPONENTS],
    /// `π_0/κ`.
    atom: f64,
}

impl Mixture {
    pub(crate) fn new(law: &RemainderPrior, params: ResidualParams) -> Self {
        let kappa = params.lambda * params.sigma;
        let nothing = [0.0; MAX_COMPONENTS];
        let mut mixture = Self { count: 0, kappas: nothing, gaps: nothing, factors: nothing, atom: law.atom() / kappa };
        let slowest = law.exponentials().next().map_or(1.0, |(_, rate)| rate);
        for (index, (weight, rate)) in law.exponentials().enumerate() {
            mixture.kappas[index] = kappa * rate;
            mixture.gaps[index] = kappa * (rate - slowest);
            mixture.factors[index] = weight * rate * if index == 0 { 1.0 } else { SQRT_TAU };
            mixture.count += 1;
        }
        mixture
    }

    /// How many exponentials there are.
    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Whether there is a point mass.
    #[inline(always)]
    pub(crate) fn has_atom(&self) -> bool {
        self.atom > 0.0
    }

    /// `κ_1`, the least.
    pub(crate) fn least(&self) -> f64 {
        self.kappas[0]
    }
}

/// What one register of entries says.
pub(crate) struct Explained<S: Simd> {
    /// `b̄/σ`.
    pub(crate) mean: S::f64s,
    /// `m = 1 − Var[b]/σ²`, which may be below zero.
    pub(crate) curvature: S::f64s,
    /// `1/P`.
    pub(crate) inverse_density: S::f64s,
    /// The terms of `P`; the last is that of the point mass.
    pub(crate) terms: [S::f64s; MAX_COMPONENTS + 1],
    /// The slopes and second slopes of `log f` in `log λ` and `log σ`: `l`, `s`, `ll`, `ls`, `ss`.
    pub(crate) slopes: [S::f64s; 5],
}

/// What one component says: its posterior, and the slopes of its log-density, as [`crate::noise_derivatives`] has them.
struct Explanation<S: Simd> {
    b: Posterior<S>,
    /// `h B`.
    curvature: S::f64s,
    l: S::f64s,
    s: S::f64s,
    ll: S::f64s,
    ls: S::f64s,
    ss: S::f64s,
}

#[inline(always)]
fn explanation<S: Simd>(simd: S, t: S::f64s, kappas: S::f64s) -> Explanation<S> {
    let b = posterior(simd, simd.sub_f64s(t, kappas));
    let reach = simd.add_f64s(t, kappas);
    let curvature = simd.mul_f64s(b.hazard, b.mean);
    let square = simd.mul_f64s(kappas, kappas);
    let kappa_b = simd.mul_f64s(kappas, b.mean);
    let hazard_reach = simd.mul_f64s(b.hazard, reach);
    let rest = simd.sub_f64s(simd.splat_f64s(1.0), curvature);
    let curvature_reach = simd.mul_f64s(curvature, reach);
    let twice = simd.add_f64s(kappas, kappas);
    let ss = simd.mul_f64s(twice, simd.sub_f64s(kappas, b.hazard));
    Explanation {
        l: simd.sub_f64s(simd.splat_f64s(1.0), kappa_b),
        s: simd.sub_f64s(square, hazard_reach),
        ll: simd.sub_f64s(simd.mul_f64s(square, rest), kappa_b),
        ls: simd.sub_f64s(simd.mul_f64s(simd.mul_f64s(kappas, rest), reach), kappa_b),
        ss: simd.add_f64s(simd.sub_f64s(ss, simd.mul_f64s(curvature_reach, reach)), hazard_reach),
        b,
        curvature,
    }
}

/// PassStats over components, each by its term of `P`; of the differences from the first, so that nothing large cancels.
struct Weighed<S: Simd> {
    total: S::f64s,
    mean: S::f64s,
    curvature: S::f64s,
    shift: S::f64s,
    spread: S::f64s,
    l: S::f64s,
    s: S::f64s,
    ll: S::f64s,
    ls: S::f64s,
    ss: S::f64s,
}

impl<S: Simd> Weighed<S> {
    #[inline(always)]
    fn new(simd: S) -> Self {
        let zero = simd.splat_f64s(0.0);
        Self {
            total: zero,
            mean: zero,
            curvature: zero,
            shift: zero,
            spread: zero,
            l: zero,
            s: zero,
            ll: zero,
            ls: zero,
            ss: zero,
        }
    }

    #[inline(always)]
    fn add(&mut self, simd: S, weight: S::f64s, own: &Explanation<S>, first: &Explanation<S>, slopes: bool) {
        self.total = simd.add_f64s(self.total, weight);
        self.mean = mul_add(simd, weight, own.b.mean, self.mean);
        if slopes {
            let apart = simd.sub_f64s(own.b.mean, first.b.mean);
            let (l, s) = (simd.sub_f64s(own.l, first.l), simd.sub_f64s(own.s, first.s));
            self.curvature = mul_add(simd, weight, own.curvature, self.curvature);
            self.shift = mul_add(simd, weight, apart, self.shift);
            self.spread = mul_add(simd, weight, simd.mul_f64s(apart, apart), self.spread);
            self.l = mul_add(simd, weight, l, self.l);
            self.s = mul_add(simd, weight, s, self.s);
            self.ll = mul_add(simd, weight, mul_add(simd, l, l, own.ll), self.ll);
            self.ls = mul_add(simd, weight, mul_add(simd, l, s, own.ls), self.ls);
            self.ss = mul_add(simd, weight, mul_add(simd, s, s, own.ss), self.ss);
        }
    }
}

/// The mean of a square less the square, or product, of means.
#[inline(always)]
fn less<S: Simd>(simd: S, mean: S::f64s, one: S::f64s, other: S::f64s) -> S::f64s {
    simd.sub_f64s(mean, simd.mul_f64s(one, other))
}

/// `y` of a gap, given `z_1⁺`.
#[inline(always)]
fn fallen<S: Simd>(simd: S, gap: S::f64s, above: S::f64s) -> S::f64s {
    let d = simd.min_f64s(gap, above);
    falling(simd, simd.mul_f64s(d, simd.sub_f64s(simd.add_f64s(above, above), d)))
}

/// The posterior of `b` at `t = x/σs` and `s`, in units of `σs`, with curvature and slopes only where `slopes`.
#[inline(always)]
pub(crate) fn explain<S: Simd>(simd: S, mixture: &Mixture, t: S::f64s, s: S::f64s, slopes: bool) -> Explained<S> {
    let zero = simd.splat_f64s(0.0);
    let one = simd.splat_f64s(1.0);
    let least = simd.mul_f64s(simd.splat_f64s(mixture.kappas[0]), s);
    let first = explanation(simd, t, least);
    let above = simd.max_f64s(simd.sub_f64s(t, least), zero);
    let mut terms = [zero; MAX_COMPONENTS + 1];
    let mut sums = Weighed::new(simd);
    terms[0] = simd.div_f64s(simd.splat_f64s(mixture.factors[0]), first.b.inverse_mass);
    sums.add(simd, terms[0], &first, &first, slopes);
    // An index, since adaptors of iterators would not all be compiled for the same instruction set.
    #[allow(clippy::needless_range_loop)]
    for index in 1..mixture.count {
        let own = explanation(simd, t, simd.mul_f64s(simd.splat_f64s(mixture.kappas[index]), s));
        let gap = simd.mul_f64s(simd.splat_f64s(mixture.gaps[index]), s);
        let term = simd.mul_f64s(simd.splat_f64s(mixture.factors[index]), fallen(simd, gap, above));
        terms[index] = simd.div_f64s(term, own.b.inverse_mass);
        sums.add(simd, terms[index], &own, &first, slopes);
    }
    if mixture.has_atom() {
        let square = simd.mul_f64s(t, t);
        let nothing = Posterior { mean: zero, hazard: zero, inverse_mass: one };
        let own = Explanation {
            b: nothing,
            curvature: one,
            l: zero,
            s: simd.sub_f64s(square, one),
            ll: zero,
            ls: zero,
            ss: simd.mul_f64s(simd.splat_f64s(-2.0), square),
        };
        let term = simd.div_f64s(simd.mul_f64s(simd.splat_f64s(mixture.atom), fallen(simd, above, above)), s);
        terms[MAX_COMPONENTS] = term;
        sums.add(simd, term, &own, &first, slopes);
    }
    let inverse = simd.div_f64s(one, sums.total);
    let (shift, l) = (simd.mul_f64s(sums.shift, inverse), simd.mul_f64s(sums.l, inverse));
    let slope = simd.mul_f64s(sums.s, inverse);
    let spread = less(simd, simd.mul_f64s(sums.spread, inverse), shift, shift);
    Explained {
        mean: simd.mul_f64s(sums.mean, inverse),
        curvature: simd.sub_f64s(simd.mul_f64s(sums.curvature, inverse), spread),
        inverse_density: inverse,
        terms,
        slopes: [
            simd.add_f64s(first.l, l),
            simd.add_f64s(first.s, slope),
            less(simd, simd.mul_f64s(sums.ll, inverse), l, l),
            less(simd, simd.mul_f64s(sums.ls, inverse), l, slope),
            less(simd, simd.mul_f64s(sums.ss, inverse), slope, slope),
        ],
    }
}
