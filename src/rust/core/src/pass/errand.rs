//! A sweep that is sent to where the entries are.
//!
//! It is written down as numbers, others go over the tiles ([`super::answer()`]), and what they find comes back as numbers, a vector a
//! tile. The tiles are those of a sweep in this process, and so is the order in which they are added up: so are the bits.

use super::line::level;
use super::message::Message;
use super::tile::Tile;
use super::{Margins, Model, Question, Sums, Sweep};
use crate::noise::{Noise, Scales};
use crate::view::{Factor, View};

/// What is to be done on every tile.
pub(super) enum Errand<'a> {
    /// The sweep for one factor, at one of [`level`].
    One { level: u8, model: Option<Model<'a>>, question: Question<'a> },
    /// The sweep for several factors at once.
    Joint { factors: &'a [Factor], noise: Noise, curved: bool },
}

impl Errand<'_> {
    /// What others found on each tile; `None` where the entries are here, or those others failed.
    pub(super) fn elsewhere<P: Answer>(&self, view: &View, tiles: &[Tile]) -> Option<Vec<P>> {
        let remote = view.remote()?;
        let lengths: Vec<usize> = tiles.iter().map(|tile| P::shape(self, tile).into_iter().sum()).collect();
        let answers = remote.ask(&self.write(view), &lengths)?;
        let read = |(answer, tile): (&Vec<f64>, &Tile)| P::read(self, tile, answer);
        answers.iter().zip(tiles).map(read).collect::<Option<Vec<P>>>().filter(|parts| parts.len() == tiles.len())
    }

    /// The errand and the view as numbers; [`super::answer()`] reads them in the same order.
    fn write(&self, view: &View) -> Vec<f64> {
        let flag = |value: bool| f64::from(u8::from(value));
        let mut message = Message::default();
        message.put(&[view.scale(), flag(view.is_symmetric())]);
        message.put_factors(view.taken());
        message.put(&view.law().to_numbers());
        let (rows, columns, entries): (&[f64], &[f64], &[f64]) = match view.scales() {
            None => (&[], &[], &[]),
            Some(Scales::Outer { rows, columns }) => (rows, columns, &[]),
            Some(Scales::Entries(entries)) => (&[], &[], entries),
        };
        [rows, columns, entries].iter().for_each(|values| message.put(values));
        match self {
            Self::One { level, model, question } => {
                message.put(&[f64::from(*level), question.shift]);
                message.put(&model.map_or(Vec::new(), |Model { noise, .. }| vec![noise.lambda, noise.sigma]));
                message.put_factors(model.iter().map(|model| model.factor));
                message.put(question.row_weights);
                message.put(question.column_weights);
            }
            Self::Joint { factors, noise, curved } => {
                message.put(&[JOINT, flag(*curved)]);
                message.put(&[noise.lambda, noise.sigma]);
                message.put_factors(factors.iter());
            }
        }
        message.numbers()
    }

    fn is_curved(&self) -> bool {
        match self {
            Self::One { level, .. } => *level >= level::CURVATURE,
            Self::Joint { curved, .. } => *curved,
        }
    }
}

/// The first number of the part that says what to do, in the place of a level.
pub(super) const JOINT: f64 = -1.0;

/// What a sweep over one tile found, as numbers.
pub(super) trait Answer: Sized {
    /// How many numbers each piece has.
    fn shape(errand: &Errand, tile: &Tile) -> Vec<usize>;

    /// The pieces, one after the other.
    fn write(&self) -> Vec<f64>;

    /// The part from such numbers.
    fn read(errand: &Errand, tile: &Tile, numbers: &[f64]) -> Option<Self>;
}

/// The numbers of a tile's margins, `factors` on each line of it; those of the curvatures only where asked for.
pub(super) fn shape(errand: &Errand, tile: &Tile, factors: usize) -> Vec<usize> {
    let margins = [factors * tile.rows.len(), factors * tile.columns.len()];
    let curvatures = if errand.is_curved() { margins } else { [0, 0] };
    vec![margins[0], margins[1], curvatures[0], curvatures[1], Sums::empty(0.0).to_numbers().len()]
}

/// `numbers` in pieces of these lengths.
pub(super) fn pieces<'a>(numbers: &'a [f64], lengths: &[usize]) -> Option<Vec<&'a [f64]>> {
    let mut rest = numbers;
    let mut piece = |length: &usize| {
        let (first, after) = rest.split_at_checked(*length)?;
        rest = after;
        Some(first)
    };
    lengths.iter().map(&mut piece).collect()
}

impl Answer for Sweep {
    fn shape(errand: &Errand, tile: &Tile) -> Vec<usize> {
        shape(errand, tile, 1)
    }

    fn write(&self) -> Vec<f64> {
        let Self { products, curvatures, sums } = self;
        [&products.rows, &products.columns, &curvatures.rows, &curvatures.columns, &sums.to_numbers()]
            .map(|piece| &piece[..])
            .concat()
    }

    fn read(errand: &Errand, tile: &Tile, numbers: &[f64]) -> Option<Self> {
        let Errand::One { question, .. } = errand else { return None };
        let pieces = pieces(numbers, &Self::shape(errand, tile))?;
        let margins = |from: usize| Margins { rows: pieces[from].to_vec(), columns: pieces[from + 1].to_vec() };
        let sums = Sums::from_numbers(pieces[4], question.shift)?;
        Some(Self { products: margins(0), curvatures: margins(2), sums })
    }
}
