//! Passes over entries that other processes hold: the requests that are sent, and the wire format.
//!
//! A request is a vector of numbers. Workers sweep over the tiles ([`serve_request()`]) and respond with one vector of numbers
//! per tile. The tiles and the order in which their results are added are those of a sweep in this process, so the result is
//! the same, to the bit.

pub(crate) mod worker;

pub use worker::serve_request;

use crate::factor::Factor;
use crate::noise::{NoiseScales, ResidualParams};
use crate::pass::kernel::kernel_level;
use crate::pass::tile::Tile;
use crate::pass::{KernelSpec, Model, PassOutput, PassStats, RowColSums};
use crate::residual::ResidualView;
use crate::vector::Contiguous;

/// The work to do on every tile.
pub(crate) enum Request<'a> {
    /// The sweep for one factor.
    One { model: Option<Model<'a>>, spec: KernelSpec<'a> },
    /// The sweep for several factors at once.
    MultiFactor { factors: &'a [Factor], params: ResidualParams, curved: bool },
}

impl Request<'_> {
    /// The results of the workers for each tile; `None` if this process holds the entries.
    pub(crate) fn evaluate_remotely<P: WireFormat>(&self, view: &ResidualView, tiles: &[Tile]) -> Option<Vec<P>> {
        let remote = view.remote()?;
        let lengths: Vec<usize> = tiles.iter().map(|tile| P::shape(self, tile).into_iter().sum()).collect();
        let responses = remote.evaluate(&self.write(view), &lengths);
        let read = |(response, tile): (&Vec<f64>, &Tile)| P::read(self, tile, response);
        responses.iter().zip(tiles).map(read).collect::<Option<Vec<P>>>().filter(|parts| parts.len() == tiles.len())
    }

    /// The request and the view as numbers; [`serve_request()`] reads them in the same order.
    fn write(&self, view: &ResidualView) -> Vec<f64> {
        let flag = |value: bool| f64::from(u8::from(value));
        let mut writer = WireWriter::default();
        writer.put(&[view.scale(), flag(view.is_symmetric())]);
        writer.put_factors(view.subtracted());
        writer.put(&view.remainder_prior().to_numbers());
        let (rows, columns, entries): (&[f64], &[f64], &[f64]) = match view.scales() {
            None => (&[], &[], &[]),
            Some(NoiseScales::Outer { rows, columns }) => (rows, columns, &[]),
            Some(NoiseScales::Entries(entries)) => (&[], &[], entries),
        };
        [rows, columns, entries].iter().for_each(|values| writer.put(values));
        match self {
            Self::One { model, spec } => {
                writer.put(&[f64::from(spec.level), spec.shift]);
                writer.put(&model.map_or(Vec::new(), |Model { params, .. }| vec![params.lambda, params.sigma]));
                writer.put_factors(model.iter().map(|model| model.factor));
                writer.put(spec.row_weights);
                writer.put(spec.column_weights);
            }
            Self::MultiFactor { factors, params, curved } => {
                writer.put(&[MULTI_FACTOR, flag(*curved)]);
                writer.put(&[params.lambda, params.sigma]);
                writer.put_factors(factors.iter());
            }
        }
        writer.numbers()
    }

    fn is_curved(&self) -> bool {
        match self {
            Self::One { spec, .. } => spec.level >= kernel_level::CURVATURE,
            Self::MultiFactor { curved, .. } => *curved,
        }
    }
}

/// The number that identifies a sweep for several factors, written in place of a level.
pub(crate) const MULTI_FACTOR: f64 = -1.0;

/// Results of a sweep over one tile that can be written as numbers.
pub(crate) trait WireFormat: Sized {
    /// The length of each piece.
    fn shape(request: &Request, tile: &Tile) -> Vec<usize>;

    /// The pieces, concatenated.
    fn write(&self) -> Vec<f64>;

    /// The inverse of [`WireFormat::write`]; `None` if the length is wrong.
    fn read(request: &Request, tile: &Tile, numbers: &[f64]) -> Option<Self>;
}

/// The lengths of the row and column sums of a tile, for `factors` factors; those of the curvatures are 0 if not requested.
pub(crate) fn shape(request: &Request, tile: &Tile, factors: usize) -> Vec<usize> {
    let products = [factors * tile.rows.len(), factors * tile.columns.len()];
    let curvatures = if request.is_curved() { products } else { [0, 0] };
    vec![products[0], products[1], curvatures[0], curvatures[1], PassStats::empty(0.0).to_numbers().len()]
}

/// Splits `numbers` into pieces of these lengths.
pub(crate) fn pieces<'a>(numbers: &'a [f64], lengths: &[usize]) -> Option<Vec<&'a [f64]>> {
    let mut rest = numbers;
    let mut piece = |length: &usize| {
        let (first, after) = rest.split_at_checked(*length)?;
        rest = after;
        Some(first)
    };
    lengths.iter().map(&mut piece).collect()
}

impl WireFormat for PassOutput {
    fn shape(request: &Request, tile: &Tile) -> Vec<usize> {
        shape(request, tile, 1)
    }

    fn write(&self) -> Vec<f64> {
        let Self { products, curvatures, sums } = self;
        [products.rows(), products.columns(), curvatures.rows(), curvatures.columns(), &sums.to_numbers()].concat()
    }

    fn read(request: &Request, tile: &Tile, numbers: &[f64]) -> Option<Self> {
        let Request::One { spec, .. } = request else { return None };
        let pieces = pieces(numbers, &Self::shape(request, tile))?;
        let row_col_sums = |first: usize| RowColSums::new(pieces[first], pieces[first + 1]);
        let sums = PassStats::from_numbers(pieces[4], spec.shift)?;
        Some(Self { products: row_col_sums(0), curvatures: row_col_sums(2), sums })
    }
}

/// Writes vectors one after the other, each preceded by its length.
#[derive(Default)]
pub(crate) struct WireWriter(Vec<f64>);

impl WireWriter {
    /// All numbers written.
    pub(crate) fn numbers(self) -> Vec<f64> {
        self.0
    }

    /// Writes a vector.
    pub(crate) fn put(&mut self, values: &[f64]) {
        self.0.push(values.len() as f64);
        self.0.extend_from_slice(values);
    }

    /// Writes the weights of some factors, and then the loadings of each.
    pub(crate) fn put_factors<'a>(&mut self, factors: impl Iterator<Item = &'a Factor>) {
        let factors: Vec<&Factor> = factors.collect();
        self.put(&factors.iter().map(|factor| factor.d).collect::<Vec<f64>>());
        for factor in factors {
            self.put(factor.u());
            self.put(factor.v.as_ref().map_or(&[], Contiguous::as_slice));
        }
    }
}

/// Reads the vectors of a [`WireWriter`] in the order in which they were written.
pub(crate) struct WireReader<'a>(&'a [f64]);

impl<'a> WireReader<'a> {
    pub(crate) fn new(numbers: &'a [f64]) -> Self {
        Self(numbers)
    }

    /// The next vector; `None` if there is none.
    pub(crate) fn take(&mut self) -> Option<&'a [f64]> {
        let (length, rest) = self.0.split_first()?;
        let (values, rest) = rest.split_at_checked(*length as usize)?;
        self.0 = rest;
        Some(values)
    }

    /// The next factors; `None` if they do not match a matrix of that shape.
    pub(crate) fn take_factors(&mut self, nrow: usize, ncol: usize, symmetric: bool) -> Option<Vec<Factor>> {
        let weights = self.take()?;
        let factor = |d: &f64| {
            let (u, v) = (self.take()?, self.take()?);
            let fits = u.len() == nrow && v.len() == if symmetric { 0 } else { ncol };
            fits.then(|| Factor::new(*d, u, (!symmetric).then_some(v)))
        };
        weights.iter().map(factor).collect()
    }
}
