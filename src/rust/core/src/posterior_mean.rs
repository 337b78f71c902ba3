//! The matrix of posterior means of `b`. Passes never store it; this is for callers that ask for it.

use crate::distributions::simd::truncated_lanes;
use crate::factor::Factor;
use crate::noise::ResidualParams;
use crate::residual::{Buffer, ResidualView};
use crate::runtime::parallel::Threads;
use faer::{ColMut, MatMut};
use pulp::{Arch, Simd, WithSimd};
use std::sync::Mutex;

/// Writes `b̄` into the matrix `b`, for an exponential prior of `b` and homoscedastic noise.
pub fn posterior_mean(
    view: &ResidualView,
    factor: &Factor,
    params: ResidualParams,
    b: MatMut<'_, f64>,
    threads: Threads,
) {
    let arch = Arch::new();
    let columns: Vec<Mutex<ColMut<'_, f64>>> = b.col_iter_mut().map(Mutex::new).collect();
    threads.map(columns.len(), |column| {
        if let Ok(mut values) = columns[column].lock() {
            let write = |values: &mut [f64]| arch.dispatch(Column { view, factor, params, column, values });
            match values.as_mut().try_as_col_major_mut() {
                Some(values) => write(values.as_slice_mut()),
                None => {
                    let mut copy = vec![0.0; view.nrow()];
                    write(&mut copy);
                    values.as_mut().iter_mut().zip(copy).for_each(|(to, value)| *to = value);
                }
            }
        }
    });
}

/// One column, compiled for each instruction set.
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
        let mut buffer = Buffer::new(values.len(), column + 1);
        let entries = view.column(column, 0..values.len(), &mut buffer);
        let loading = factor.d * factor.v()[column];
        let (inverse_sigma, lambda_sigma) = (1.0 / params.sigma, params.lambda * params.sigma);
        for ((value, entry), row) in values.iter_mut().zip(entries).zip(factor.u()) {
            *value = (entry - loading * row) * inverse_sigma - lambda_sigma;
        }
        let sigma = simd.splat_f64s(params.sigma);
        let (registers, last) = S::as_mut_simd_f64s(values);
        for z in registers {
            *z = simd.mul_f64s(truncated_lanes(simd, *z).mean, sigma);
        }
        let z = simd.partial_load_f64s(last);
        simd.partial_store_f64s(last, simd.mul_f64s(truncated_lanes(simd, z).mean, sigma));
    }
}
