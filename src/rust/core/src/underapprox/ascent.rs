//! A pair that climbs, side by side: one side moves while the other follows it.

use crate::runtime::parallel::StopCheck;
use crate::underapprox::side::Side;
use crate::underapprox::working_copy::{Block, Pair, Sides};
use pulp::{Arch, Simd, WithSimd};

/// A loading that is negligible beside the largest one.
const NEGLIGIBLE: f64 = 1e-90;

/// A pair on its way up.
#[derive(Clone, Debug)]
pub(super) struct Ascent {
    pub(super) pair: Pair,
    /// `‖R‖² − ‖R − u vᵀ‖²`.
    pub(super) gain: f64,
}

impl Ascent {
    /// The best feasible `u` for this `v`.
    pub(super) fn new(residual: &Sides, v: Vec<f64>) -> Self {
        let mut ascent = Self { pair: Pair { u: Vec::new(), v }, gain: 0.0 };
        let Pair { u, v } = &mut ascent.pair;
        ascent.gain = climb::<false>(residual.columns(), v, u, &mut || false);
        ascent
    }

    /// Moves every element of `v` and then every element of `u`. The gain never falls but by rounding. A stop between two
    /// elements leaves the others as they are.
    pub(super) fn step(&mut self, residual: &Sides, stop: &mut StopCheck) {
        if stop() {
            return;
        }
        let Pair { u, v } = &mut self.pair;
        self.gain = climb::<true>(residual.columns(), v, u, stop);
        drop_negligible(u);
        if stop() {
            return;
        }
        self.gain = climb::<true>(residual.rows(), u, v, stop);
        drop_negligible(v);
    }
}

/// Climbs in `v`, where it is to be moved, and leaves the `u` that follows it. Returns the gain.
fn climb<const MOVE: bool>(columns: &Block, v: &mut [f64], u: &mut Vec<f64>, stop: &mut StopCheck) -> f64 {
    Arch::new().dispatch(Climb::<MOVE> { columns, v, u, stop })
}

/// A climb, compiled for each instruction set.
struct Climb<'a, const MOVE: bool> {
    columns: &'a Block,
    v: &'a mut [f64],
    u: &'a mut Vec<f64>,
    stop: &'a mut StopCheck<'a>,
}

impl<const MOVE: bool> WithSimd for Climb<'_, MOVE> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let Self { columns, v, u, stop } = self;
        let mut side = Side::new(columns, v);
        if MOVE {
            for (index, element) in v.iter_mut().enumerate() {
                if stop() {
                    break;
                }
                side.visit(columns.column(index), element);
            }
        }
        let (follower, gain) = side.finish();
        *u = follower;
        gain
    }
}

/// Drops elements so small that products with them could underflow.
pub(super) fn drop_negligible(loadings: &mut [f64]) {
    let largest = loadings.iter().copied().fold(0.0, f64::max);
    for loading in loadings.iter_mut().filter(|loading| **loading < NEGLIGIBLE * largest) {
        *loading = 0.0;
    }
}
