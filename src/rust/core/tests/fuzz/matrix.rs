//! A random matrix and its storage.

use faer::MatRef;
use nmu_core::error::Error;
use nmu_core::storage::summary::{power_of_two_near, summarize, summarize_sparse, Summary};
use nmu_core::storage::{Dense, Masked, Sparse, Storage};
use rand::seq::IndexedRandom;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Cauchy, Distribution, Exp1, StandardNormal};

/// Whether R takes a NaN as missing: the lower half of its bits is 1954.
fn is_na(value: f64) -> bool {
    value.to_bits() as u32 == 1954
}

/// R's NA.
const MISSING: u64 = 0x7ff0_0000_0000_07a2;

const KINDS: [&str; 10] = [
    "exponential",
    "normal",
    "binary",
    "mostly zero",
    "zero",
    "constant",
    "low rank",
    "Cauchy",
    "equal columns",
    "wide range",
];

pub(crate) struct Matrix {
    pub(crate) kind: &'static str,
    /// In column-major order.
    pub(crate) values: Vec<f64>,
    pub(crate) nrow: usize,
    pub(crate) ncol: usize,
    pub(crate) symmetric: bool,
    pub(crate) sparse: Option<Columns>,
}

/// Compressed sparse columns.
pub(crate) struct Columns {
    starts: Vec<i32>,
    rows: Vec<i32>,
    stored: Vec<f64>,
}

impl Matrix {
    pub(crate) fn draw(random: &mut ChaCha8Rng) -> Self {
        let max_size = if random.random_bool(0.02) { 30 } else { 10 };
        let (nrow, other) = (random.random_range(1..=max_size), random.random_range(1..=max_size));
        let square = random.random_bool(0.5);
        let ncol = if square { nrow } else { other };
        let symmetric = square && random.random_bool(0.6);
        let kind = *KINDS.choose(random).expect("there are kinds");
        let mut values = entries(kind, nrow, ncol, random);
        // Up to the magnitudes that the R package accepts.
        let scale = 10f64.powi(*[0, 0, 0, 5, -5, -100, 100, 140, -140].choose(random).expect("there are scales"));
        let largest = values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        if largest > 0.0 {
            let unit = if largest > 1e9 { largest } else { 1.0 };
            values.iter_mut().for_each(|value| *value *= scale / unit);
        }
        let missing = if random.random_bool(0.3) { random.random_range(0.0..1.0) } else { 0.0 };
        for value in &mut values {
            if random.random_bool(missing) {
                *value = f64::from_bits(MISSING);
            }
        }
        if symmetric {
            (0..ncol).for_each(|column| {
                (0..column).for_each(|row| values[row * nrow + column] = values[column * nrow + row]);
            });
        }
        // At least one entry must be observed: the R package rejects other matrices.
        let observed = |(index, value): (usize, &f64)| !value.is_nan() && index / nrow != index % nrow;
        if !values.iter().enumerate().any(observed) {
            values.iter_mut().for_each(|value| *value = 0.0);
        }
        let sparse_fraction = if ["binary", "mostly zero", "zero"].contains(&kind) { 0.6 } else { 0.1 };
        let sparse = random.random_bool(sparse_fraction).then(|| Columns::new(&values, nrow, random));
        Self { kind, values, nrow, ncol, symmetric, sparse }
    }

    /// Whether its diagonal can be ignored.
    pub(crate) fn has_diagonal(&self) -> bool {
        self.nrow == self.ncol && self.nrow > 1
    }

    fn scan(&self) -> Result<Summary, Error> {
        match &self.sparse {
            Some(columns) => Ok(summarize_sparse(&columns.view(self.nrow)?, is_na)),
            None => Ok(summarize(MatRef::from_column_major_slice(&self.values, self.nrow, self.ncol), is_na)),
        }
    }

    /// The factor that scales its entries to about 1.
    pub(crate) fn scale(&self) -> Result<f64, Error> {
        let rms = self.scan()?.rms;
        Ok(if rms > 0.0 { 1.0 / power_of_two_near(rms) } else { 1.0 })
    }

    pub(crate) fn storage(&self, ignore_diagonal: bool) -> Result<Box<dyn Storage + '_>, Error> {
        let missing = self.scan()?.missing > 0;
        Ok(match &self.sparse {
            Some(columns) => masked(columns.view(self.nrow)?, ignore_diagonal, missing),
            None => masked(
                Dense::new(MatRef::from_column_major_slice(&self.values, self.nrow, self.ncol)),
                ignore_diagonal,
                missing,
            ),
        })
    }
}

impl Columns {
    /// Compresses a matrix; some zeros are stored explicitly.
    fn new(values: &[f64], nrow: usize, random: &mut ChaCha8Rng) -> Self {
        let mut columns = Self { starts: vec![0], rows: Vec::new(), stored: Vec::new() };
        for column in values.chunks(nrow) {
            for (row, value) in column.iter().enumerate() {
                if *value != 0.0 || random.random_bool(0.05) {
                    columns.rows.push(row as i32);
                    columns.stored.push(*value);
                }
            }
            columns.starts.push(columns.stored.len() as i32);
        }
        columns
    }

    fn view(&self, nrow: usize) -> Result<Sparse<'_>, Error> {
        Sparse::new(nrow, &self.starts, &self.rows, &self.stored)
    }
}

fn masked<'a>(storage: impl Storage + 'a, ignore_diagonal: bool, missing: bool) -> Box<dyn Storage + 'a> {
    match (ignore_diagonal, missing) {
        (true, _) => Box::new(Masked::without_diagonal(storage)),
        (false, true) => Box::new(Masked::new(storage)),
        (false, false) => Box::new(storage),
    }
}

fn entries(kind: &str, nrow: usize, ncol: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let count = nrow * ncol;
    let constant = *[-1.0, 1.0, 5.0].choose(random).expect("there are constants");
    match kind {
        "exponential" => (0..count).map(|_| random.sample(Exp1)).collect(),
        "normal" => (0..count).map(|_| random.sample(StandardNormal)).collect(),
        "binary" => (0..count).map(|_| f64::from(u8::from(random.random_bool(0.3)))).collect(),
        "mostly zero" => {
            (0..count).map(|_| if random.random_bool(0.1) { random.random_range(-0.3..3.0) } else { 0.0 }).collect()
        }
        "zero" => vec![0.0; count],
        "constant" => vec![constant; count],
        "Cauchy" => {
            let cauchy = Cauchy::new(0.0, 1.0).expect("a valid scale");
            (0..count).map(|_| cauchy.sample(random)).collect()
        }
        "wide range" => (0..count).map(|_| 10f64.powf(random.random_range(-12.0..12.0))).collect(),
        "equal columns" => {
            let column: Vec<f64> = (0..nrow).map(|_| random.sample(Exp1)).collect();
            column.repeat(ncol)
        }
        _ => {
            let mut side = |size: usize| -> Vec<f64> { (0..2 * size).map(|_| random.sample(Exp1)).collect() };
            let (u, v) = (side(nrow), side(ncol));
            let entry = |row: usize, column: usize| u[row] * v[column] + u[nrow + row] * v[ncol + column];
            (0..ncol).flat_map(|column| (0..nrow).map(move |row| (row, column))).map(|(i, j)| entry(i, j)).collect()
        }
    }
}
