//! The matrix of posterior means of `b`, for callers who want to see it: the one place where it is written down.

use crate::distributions::simd::posterior;
use crate::factor::Factor;
use crate::noise::ResidualParams;
use crate::residual::{Buffer, ResidualView};
use crate::runtime::parallel::Threads;
use pulp::{Arch, Simd, WithSimd};
use std::sync::Mutex;

/// Writes `b̄` of the whole matrix into `b`, column after column: for the model's own law of `b`, and noise that is the same
/// everywhere.
pub fn posterior_mean(view: &ResidualView, factor: &Factor, params: ResidualParams, b: &mut [f64], threads: Threads) {
    let arch = Arch::new();
    let columns: Vec<_> = b.chunks_exact_mut(view.nrow().max(1)).map(Mutex::new).collect();
    threads.map(columns.len(), |column| {
        if let Ok(mut values) = columns[column].lock() {
            arch.dispatch(Column { view, factor, params, column, values: &mut values });
        }
    });
}

struct Column<'a> {
    view: &'a ResidualView<'a>,
    factor: &'a Factor,
    params: ResidualParams,
    column: usize,
    values: &'a mut [f64],
}

impl WithSimd for Column<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { view, factor, params, column, values } = self;
        let mut buffer = Buffer::new(values.len());
        let entries = view.column(column, 0..values.len(), &mut buffer);
        let loading = factor.d * factor.v()[column];
        let (inverse_sigma, lambda_sigma) = (1.0 / params.sigma, params.lambda * params.sigma);
        for ((value, entry), row) in values.iter_mut().zip(entries).zip(factor.u()) {
            *value = (entry - loading * row) * inverse_sigma - lambda_sigma;
        }
        let sigma = simd.splat_f64s(params.sigma);
        let (whole, rest) = S::as_mut_simd_f64s(values);
        for z in whole {
            *z = simd.mul_f64s(posterior(simd, *z).mean, sigma);
        }
        let z = simd.partial_load_f64s(rest);
        simd.partial_store_f64s(rest, simd.mul_f64s(posterior(simd, z).mean, sigma));
    }
}
