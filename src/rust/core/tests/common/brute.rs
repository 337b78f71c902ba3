//! The highest point of a function by brute force: a grid, and a search around its best points.

/// The values of one parameter that are looked at.
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

    /// The value at a share of the way.
    fn value(&self, share: f64) -> f64 {
        let value = self.low + share * (self.high - self.low);
        if self.log {
            value.exp()
        } else {
            value
        }
    }
}

/// The best point and its value: of the whole grid, refined from the two best points by ever smaller steps along the
/// axes and, of two, across.
pub(crate) fn highest(axes: &[Axis], function: impl Fn(&[f64]) -> f64) -> (Vec<f64>, f64) {
    let at = |shares: &[f64]| -> Vec<f64> { axes.iter().zip(shares).map(|(axis, share)| axis.value(*share)).collect() };
    let total: usize = axes.iter().map(|axis| axis.count).product();
    let mut grid: Vec<(f64, Vec<f64>)> = (0..total)
        .map(|mut index| {
            let mut shares = Vec::new();
            for axis in axes {
                shares.push((index % axis.count) as f64 / (axis.count - 1) as f64);
                index /= axis.count;
            }
            (function(&at(&shares)), shares)
        })
        .collect();
    grid.sort_by(|a, b| b.0.total_cmp(&a.0));
    grid.truncate(2);
    let refined = grid.into_iter().map(|(mut best, mut shares)| {
        let mut step = 1.0 / axes.iter().map(|axis| axis.count - 1).min().unwrap_or(1) as f64;
        while step > 1e-8 {
            let mut moved = false;
            for code in 1..3_usize.pow(axes.len() as u32) {
                let mut rest = code;
                let trial: Vec<f64> = shares
                    .iter()
                    .map(|share| {
                        let sign = [0.0, 1.0, -1.0][rest % 3];
                        rest /= 3;
                        (share + sign * step).clamp(0.0, 1.0)
                    })
                    .collect();
                let value = function(&at(&trial));
                if value > best {
                    (best, shares, moved) = (value, trial, true);
                }
            }
            if !moved {
                step *= 0.5;
            }
        }
        (at(&shares), best)
    });
    refined.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default()
}
