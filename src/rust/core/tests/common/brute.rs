//! Maximization of a function by brute force: a grid, and a pattern search from its best points.

/// The grid of one parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    count: usize,
    log: bool,
}

impl Axis {
    pub(crate) fn linear(low: f64, high: f64, count: usize) -> Self {
        Self { low, high, count, log: false }
    }

    pub(crate) fn log(low: f64, high: f64, count: usize) -> Self {
        Self { low: low.ln(), high: high.ln(), count, log: true }
    }

    /// The value at a fraction of the range.
    fn value(&self, fraction: f64) -> f64 {
        let value = self.low + fraction * (self.high - self.low);
        if self.log {
            value.exp()
        } else {
            value
        }
    }
}

/// Returns the best point and its value: from the whole grid, refined from the two best points by decreasing steps along the
/// axes and diagonals.
pub(crate) fn maximize(axes: &[Axis], function: impl Fn(&[f64]) -> f64) -> (Vec<f64>, f64) {
    let at = |fractions: &[f64]| -> Vec<f64> {
        axes.iter().zip(fractions).map(|(axis, fraction)| axis.value(*fraction)).collect()
    };
    let total: usize = axes.iter().map(|axis| axis.count).product();
    let mut grid: Vec<(f64, Vec<f64>)> = (0..total)
        .map(|mut index| {
            let mut fractions = Vec::new();
            for axis in axes {
                fractions.push((index % axis.count) as f64 / (axis.count - 1) as f64);
                index /= axis.count;
            }
            (function(&at(&fractions)), fractions)
        })
        .collect();
    grid.sort_by(|a, b| b.0.total_cmp(&a.0));
    grid.truncate(2);
    let refined = grid.into_iter().map(|(mut best, mut fractions)| {
        let mut step = 1.0 / axes.iter().map(|axis| axis.count - 1).min().unwrap_or(1) as f64;
        while step > 1e-8 {
            let mut moved = false;
            for code in 1..3_usize.pow(axes.len() as u32) {
                let mut rest = code;
                let trial: Vec<f64> = fractions
                    .iter()
                    .map(|fraction| {
                        let sign = [0.0, 1.0, -1.0][rest % 3];
                        rest /= 3;
                        (fraction + sign * step).clamp(0.0, 1.0)
                    })
                    .collect();
                let value = function(&at(&trial));
                if value > best {
                    (best, fractions, moved) = (value, trial, true);
                }
            }
            if !moved {
                step *= 0.5;
            }
        }
        (at(&fractions), best)
    });
    refined.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default()
}
