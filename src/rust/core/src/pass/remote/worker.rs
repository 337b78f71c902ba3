//! What is done where the entries are: an errand is read, and its sweep goes over some of the tiles.

use crate::error::Error;
use crate::noise::NoiseScales;
use crate::noise::ResidualParams;
use crate::pass::kernel::level;
use crate::pass::multi_factor::sweep_tiles;
use crate::pass::remote::protocol::{WireFormat, JOINT};
use crate::pass::remote::wire::Reader;
use crate::pass::tile::{cut, sweep_tile, Tile};
use crate::pass::{Model, PassLevel, PassSpec};
use crate::remainder_prior::RemainderPrior;
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::storage::Storage;
use std::ops::Range;

/// Does an errand on some of the tiles of a matrix, whose entries `storage` has: a vector of numbers for each tile.
///
/// # Errors
/// [`Error::Range`] where the errand is not one that [`crate::storage::Remote::ask`] was given for a matrix of that size.
pub fn serve_request(storage: &dyn Storage, errand: &[f64], tiles: Range<usize>) -> Result<Vec<Vec<f64>>, Error> {
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
    let subtracted = errand.take_factors(nrow, ncol, symmetric)?;
    let law = RemainderPrior::from_numbers(errand.take()?)?;
    let scales = match [errand.take()?, errand.take()?, errand.take()?] {
        [[], [], []] => None,
        [[], [], entries] => Some(NoiseScales::Entries(entries.to_vec())),
        [rows, columns, []] => Some(NoiseScales::Outer { rows: rows.to_vec(), columns: columns.to_vec() }),
        _ => return None,
    };
    if !scales.as_ref().is_none_or(|scales| scales.fit(nrow, ncol)) {
        return None;
    }
    let view = ResidualView::new(storage, &subtracted, symmetric).scaled_by(scale).with_remainder_prior(law);
    let view = view.with_noise_scales(scales.as_ref());
    let tiles = cut(&view).get(wanted)?.to_vec();
    let &[task, detail] = errand.take()? else { return None };
    let params = match *errand.take()? {
        [lambda, sigma] => Some(ResidualParams { lambda, sigma }),
        _ => None,
    };
    let factors = errand.take_factors(nrow, ncol, symmetric)?;
    if task == JOINT {
        let curved = detail > 0.0;
        let parts = sweep_tiles(&view, &factors, params?, curved, &tiles, Threads::new(1));
        return Some(parts.iter().map(|part| part.write()).collect());
    }
    let model = params.and_then(|params| factors.first().map(|factor| Model { factor, params }));
    let (row_weights, column_weights) = (errand.take()?, errand.take()?);
    if row_weights.len() != nrow || column_weights.len() != ncol {
        return None;
    }
    // The level says how much to compute; the depth is what a level is chosen by.
    let question = PassSpec { row_weights, column_weights, shift: detail, depth: PassLevel::Expectation };
    let task = task as u8;
    let sweep = |tile: Tile| match task {
        level::PRODUCT => sweep_tile::<{ level::PRODUCT }>(&view, model, &question, tile),
        level::EXPECTATION => sweep_tile::<{ level::EXPECTATION }>(&view, model, &question, tile),
        level::LIKELIHOOD => sweep_tile::<{ level::LIKELIHOOD }>(&view, model, &question, tile),
        level::CURVATURE => sweep_tile::<{ level::CURVATURE }>(&view, model, &question, tile),
        _ => sweep_tile::<{ level::NOISE_SCALE }>(&view, model, &question, tile),
    };
    Some(tiles.into_iter().map(|tile| sweep(tile).write()).collect())
}
