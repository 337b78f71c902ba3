//! A sweep that is sent to where the entries are.
//!
//! It is written down as numbers, others go over the tiles ([`answer`]), and what they find comes back as numbers, a vector a
//! tile. The tiles are those of a sweep in this process, and so is the order in which they are added up: so are the bits.

use super::joint::{shift as shift_of, sweep_tiles, JointSweep, Panels};
use super::line::level;
use super::message::{Message, Reader};
use super::tile::{cut, sweep_tile, Tile};
use super::{Depth, Margins, Model, Question, Sums, Sweep};
use crate::error::Error;
use crate::noise::{Law, Noise, Scales};
use crate::parallel::Threads;
use crate::storage::Storage;
use crate::view::{Factor, View};
use faer::Mat;
use std::ops::Range;

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

    /// The errand and the view as numbers; [`answer`] reads them in the same order.
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
const JOINT: f64 = -1.0;

/// Does an errand on some of the tiles of a matrix, whose entries `storage` has: a vector of numbers for each tile.
///
/// # Errors
/// [`Error::Range`] where the errand is not one that [`crate::storage::Remote::ask`] was given for a matrix of that size.
pub fn answer(storage: &dyn Storage, errand: &[f64], tiles: Range<usize>) -> Result<Vec<Vec<f64>>, Error> {
    let found = errand.len() as f64;
    work(storage, &mut Reader::new(errand), tiles).ok_or(Error::Range {
        what: "an errand",
        expected: "written for the same matrix",
        found,
    })
}

fn work(storage: &dyn Storage, errand: &mut Reader, wanted: Range<usize>) -> Option<Vec<Vec<f64>>> {
    let (nrow, ncol) = (storage.nrow(), storage.ncol());
    let &[scale, symmetric] = errand.take()? else { return None };
    let symmetric = symmetric > 0.0;
    let taken = errand.take_factors(nrow, ncol, symmetric)?;
    let law = Law::from_numbers(errand.take()?)?;
    let scales = match [errand.take()?, errand.take()?, errand.take()?] {
        [[], [], []] => None,
        [[], [], entries] => Some(Scales::Entries(entries.to_vec())),
        [rows, columns, []] => Some(Scales::Outer { rows: rows.to_vec(), columns: columns.to_vec() }),
        _ => return None,
    };
    if !scales.as_ref().is_none_or(|scales| scales.fit(nrow, ncol)) {
        return None;
    }
    let view = View::new(storage, &taken, symmetric).in_units(scale).under(law);
    let view = view.scattered(scales.as_ref());
    let tiles = cut(&view).get(wanted)?.to_vec();
    let &[task, detail] = errand.take()? else { return None };
    let noise = match *errand.take()? {
        [lambda, sigma] => Some(Noise { lambda, sigma }),
        _ => None,
    };
    let factors = errand.take_factors(nrow, ncol, symmetric)?;
    if task == JOINT {
        let curved = detail > 0.0;
        let parts = sweep_tiles(&view, &factors, noise?, curved, &tiles, Threads::new(1));
        return Some(parts.iter().map(|part| part.write()).collect());
    }
    let model = noise.and_then(|noise| factors.first().map(|factor| Model { factor, noise }));
    let (row_weights, column_weights) = (errand.take()?, errand.take()?);
    if row_weights.len() != nrow || column_weights.len() != ncol {
        return None;
    }
    // The level says how much to compute; the depth is what a level is chosen by.
    let question = Question { row_weights, column_weights, shift: detail, depth: Depth::Expectation };
    let task = task as u8;
    let sweep = |tile: Tile| match task {
        level::PRODUCT => sweep_tile::<{ level::PRODUCT }>(&view, model, &question, tile),
        level::EXPECTATION => sweep_tile::<{ level::EXPECTATION }>(&view, model, &question, tile),
        level::LIKELIHOOD => sweep_tile::<{ level::LIKELIHOOD }>(&view, model, &question, tile),
        level::CURVATURE => sweep_tile::<{ level::CURVATURE }>(&view, model, &question, tile),
        _ => sweep_tile::<{ level::DEVIATION }>(&view, model, &question, tile),
    };
    Some(tiles.into_iter().map(|tile| sweep(tile).write()).collect())
}

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
fn shape(errand: &Errand, tile: &Tile, factors: usize) -> Vec<usize> {
    let margins = [factors * tile.rows.len(), factors * tile.columns.len()];
    let curvatures = if errand.is_curved() { margins } else { [0, 0] };
    vec![margins[0], margins[1], curvatures[0], curvatures[1], Sums::empty(0.0).to_numbers().len()]
}

/// `numbers` in pieces of these lengths.
fn pieces<'a>(numbers: &'a [f64], lengths: &[usize]) -> Option<Vec<&'a [f64]>> {
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

impl Answer for JointSweep {
    fn shape(errand: &Errand, tile: &Tile) -> Vec<usize> {
        let Errand::Joint { factors, .. } = errand else { return Vec::new() };
        shape(errand, tile, factors.len())
    }

    fn write(&self) -> Vec<f64> {
        let mut numbers = Vec::new();
        let panels = [&self.products, &self.curvatures];
        for panel in panels.iter().flat_map(|panels| [&panels.rows, &panels.columns]) {
            panel.col_iter().for_each(|column| numbers.extend(column.iter()));
        }
        numbers.extend(self.sums.to_numbers());
        numbers
    }

    fn read(errand: &Errand, tile: &Tile, numbers: &[f64]) -> Option<Self> {
        let Errand::Joint { noise, .. } = errand else { return None };
        let pieces = pieces(numbers, &Self::shape(errand, tile))?;
        let panel = |lines: usize, numbers: &[f64]| {
            Mat::from_fn(lines, numbers.len() / lines.max(1), |line, factor| numbers[factor * lines + line])
        };
        let panels = |from: usize| Panels {
            rows: panel(tile.rows.len(), pieces[from]),
            columns: panel(tile.columns.len(), pieces[from + 1]),
        };
        let sums = Sums::from_numbers(pieces[4], shift_of(*noise))?;
        Some(Self { products: panels(0), curvatures: panels(2), sums })
    }
}
