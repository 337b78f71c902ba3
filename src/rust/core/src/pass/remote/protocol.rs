//! A sweep that is sent to where the entries are.
//!
//! It is written down as numbers, others go over the tiles ([`super::serve_request()`]), and what they find comes back as numbers, a vector a
//! tile. The tiles are those of a sweep in this process, and so is the order in which they are added up: so are the bits.

use crate::factor::Factor;
use crate::noise::NoiseScales;
use crate::noise::ResidualParams;
use crate::pass::kernel::level;
use crate::pass::remote::wire::WireWriter;
use crate::pass::tile::Tile;
use crate::pass::{Model, PassOutput, PassSpec, PassStats, RowColSums};
use crate::residual::ResidualView;

/// What is to be done on every tile.
pub(crate) enum Request<'a> {
    /// The sweep for one factor, at one of [`level`].
    One { level: u8, model: Option<Model<'a>>, question: PassSpec<'a> },
    /// The sweep for several factors at once.
    MultiFactor { factors: &'a [Factor], params: ResidualParams, curved: bool },
}

impl Request<'_> {
    /// What others found on each tile; `None` where the entries are here, or those others failed.
    pub(crate) fn elsewhere<P: WireFormat>(&self, view: &ResidualView, tiles: &[Tile]) -> Option<Vec<P>> {
        let remote = view.remote()?;
        let lengths: Vec<usize> = tiles.iter().map(|tile| P::shape(self, tile).into_iter().sum()).collect();
        let answers = remote.ask(&self.write(view), &lengths)?;
        let read = |(answer, tile): (&Vec<f64>, &Tile)| P::read(self, tile, answer);
        answers.iter().zip(tiles).map(read).collect::<Option<Vec<P>>>().filter(|parts| parts.len() == tiles.len())
    }

    /// The errand and the view as numbers; [`super::serve_request()`] reads them in the same order.
    fn write(&self, view: &ResidualView) -> Vec<f64> {
        let flag = |value: bool| f64::from(u8::from(value));
        let mut message = WireWriter::default();
        message.put(&[view.scale(), flag(view.is_symmetric())]);
        message.put_factors(view.subtracted());
        message.put(&view.law().to_numbers());
        let (rows, columns, entries): (&[f64], &[f64], &[f64]) = match view.scales() {
            None => (&[], &[], &[]),
            Some(NoiseScales::Outer { rows, columns }) => (rows, columns, &[]),
            Some(NoiseScales::Entries(entries)) => (&[], &[], entries),
        };
        [rows, columns, entries].iter().for_each(|values| message.put(values));
        match self {
            Self::One { level, model, question } => {
                message.put(&[f64::from(*level), question.shift]);
                message.put(&model.map_or(Vec::new(), |Model { params, .. }| vec![params.lambda, params.sigma]));
                message.put_factors(model.iter().map(|model| model.factor));
                message.put(question.row_weights);
                message.put(question.column_weights);
            }
            Self::MultiFactor { factors, params, curved } => {
                message.put(&[JOINT, flag(*curved)]);
                message.put(&[params.lambda, params.sigma]);
                message.put_factors(factors.iter());
            }
        }
        message.numbers()
    }

    fn is_curved(&self) -> bool {
        match self {
            Self::One { level, .. } => *level >= level::CURVATURE,
            Self::MultiFactor { curved, .. } => *curved,
        }
    }
}

/// The first number of the part that says what to do, in the place of a level.
pub(crate) const JOINT: f64 = -1.0;

/// What a sweep over one tile found, as numbers.
pub(crate) trait WireFormat: Sized {
    /// How many numbers each piece has.
    fn shape(errand: &Request, tile: &Tile) -> Vec<usize>;

    /// The pieces, one after the other.
    fn write(&self) -> Vec<f64>;

    /// The part from such numbers.
    fn read(errand: &Request, tile: &Tile, numbers: &[f64]) -> Option<Self>;
}

/// The numbers of a tile's margins, `factors` on each line of it; those of the curvatures only where asked for.
pub(crate) fn shape(errand: &Request, tile: &Tile, factors: usize) -> Vec<usize> {
    let margins = [factors * tile.rows.len(), factors * tile.columns.len()];
    let curvatures = if errand.is_curved() { margins } else { [0, 0] };
    vec![margins[0], margins[1], curvatures[0], curvatures[1], PassStats::empty(0.0).to_numbers().len()]
}

/// `numbers` in pieces of these lengths.
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
    fn shape(errand: &Request, tile: &Tile) -> Vec<usize> {
        shape(errand, tile, 1)
    }

    fn write(&self) -> Vec<f64> {
        let Self { products, curvatures, sums } = self;
        [&products.rows, &products.columns, &curvatures.rows, &curvatures.columns, &sums.to_numbers()]
            .map(|piece| &piece[..])
            .concat()
    }

    fn read(errand: &Request, tile: &Tile, numbers: &[f64]) -> Option<Self> {
        let Request::One { question, .. } = errand else { return None };
        let pieces = pieces(numbers, &Self::shape(errand, tile))?;
        let margins = |from: usize| RowColSums { rows: pieces[from].to_vec(), columns: pieces[from + 1].to_vec() };
        let sums = PassStats::from_numbers(pieces[4], question.shift)?;
        Some(Self { products: margins(0), curvatures: margins(2), sums })
    }
}
