//! The memory-bandwidth reference: only the sum of the entries that a pass reads.

use pulp::{Arch, Simd, WithSimd};

/// The sum of the entries on and above the diagonal of a symmetric matrix, which are those that a pass reads, on a
/// number of threads.
pub fn upper_triangle(values: &[f64], order: usize, threads: usize) -> f64 {
    // Each thread sums every `threads`-th column, so that the work is balanced without a queue.
    let partial = |first: usize| -> f64 {
        let column = |column: usize| &values[column * order..][..=column];
        (first..order).step_by(threads).map(|index| total(column(index))).sum()
    };
    if threads <= 1 {
        return partial(0);
    }
    std::thread::scope(|scope| {
        let partial = &partial;
        let workers: Vec<_> = (1..threads).map(|first| scope.spawn(move || partial(first))).collect();
        let first = partial(0);
        first + workers.into_iter().map(|worker| worker.join().unwrap_or(f64::NAN)).sum::<f64>()
    })
}

/// The sum of a slice, with the widest vector registers of the machine.
pub fn total(values: &[f64]) -> f64 {
    Arch::new().dispatch(Total(values))
}

/// The name of the instruction set detected at run time, as in the core.
pub fn instruction_set() -> String {
    format!("{:?}", Arch::new()).split(['(', ' ', '{']).next().unwrap_or_default().to_owned()
}

struct Total<'a>(&'a [f64]);

/// The number of independent partial sums, enough to hide the latency of an addition.
const SUMS: usize = 8;

impl WithSimd for Total<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let (registers, remainder) = S::as_simd_f64s(self.0);
        let mut sums = [simd.splat_f64s(0.0); SUMS];
        let blocks = registers.chunks_exact(SUMS);
        for &register in blocks.remainder() {
            sums[0] = simd.add_f64s(sums[0], register);
        }
        for block in blocks {
            for (sum, &register) in sums.iter_mut().zip(block) {
                *sum = simd.add_f64s(*sum, register);
            }
        }
        let all = sums.into_iter().reduce(|a, b| simd.add_f64s(a, b)).unwrap_or(simd.splat_f64s(0.0));
        simd.reduce_sum_f64s(all) + remainder.iter().sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::{total, upper_triangle};

    #[test]
    fn totals_agree_with_a_plain_loop() {
        let order = 37;
        let values: Vec<f64> = (0..order * order).map(|index| index as f64).collect();
        assert_eq!(total(&values), values.iter().sum::<f64>());
        let expected: f64 = (0..order).map(|column| values[column * order..][..=column].iter().sum::<f64>()).sum();
        for threads in 1..4 {
            assert_eq!(upper_triangle(&values, order, threads), expected);
        }
    }
}
