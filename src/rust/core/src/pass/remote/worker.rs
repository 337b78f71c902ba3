//! Worker side of a distributed pass: decodes a request and sweeps over the requested tiles.

use crate::error::Error;
use crate::noise::{NoiseScales, ResidualParams};
use crate::pass::multi_factor::sweep_tiles;
use crate::pass::remote::{WireFormat, WireReader, MULTI_FACTOR};
use crate::pass::tile::{cut, sweep_tile};
use crate::pass::{KernelSpec, Model};
use crate::remainder_prior::RemainderPrior;
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::storage::Storage;
use std::ops::Range;

/// Evaluates a request on some of the tiles of the matrix in `storage`. Returns a vector of numbers for each tile.
///
/// # Errors
/// [`Error::Range`] if [`crate::storage::Remote::evaluate`] was not given this request for a matrix of the same shape.
pub fn serve_request(storage: &dyn Storage, request: &[f64], tiles: Range<usize>) -> Result<Vec<Vec<f64>>, Error> {
    let found = request.len() as f64;
    evaluate(storage, &mut WireReader::new(request), tiles).ok_or(Error::Range {
        what: "a request",
        expected: "written for the same matrix",
        found,
    })
}

fn evaluate(storage: &dyn Storage, request: &mut WireReader, tiles: Range<usize>) -> Option<Vec<Vec<f64>>> {
    let (nrow, ncol) = (storage.nrow(), storage.ncol());
    let &[scale, symmetric] = request.take()? else { return None };
    let symmetric = symmetric > 0.0;
    let subtracted = request.take_factors(nrow, ncol, symmetric)?;
    let prior = RemainderPrior::from_numbers(request.take()?)?;
    let scales = match [request.take()?, request.take()?, request.take()?] {
        [[], [], []] => None,
        [[], [], entries] => Some(NoiseScales::Entries(entries.to_vec())),
        [rows, columns, []] => Some(NoiseScales::Outer { rows: rows.to_vec(), columns: columns.to_vec() }),
        _ => return None,
    };
    if !scales.as_ref().is_none_or(|scales| scales.fit(nrow, ncol)) {
        return None;
    }
    let view = ResidualView::new(storage, &subtracted, symmetric).scaled_by(scale).with_remainder_prior(prior);
    let view = view.with_noise_scales(scales.as_ref());
    let tiles = cut(&view).get(tiles)?.to_vec();
    // The kind of sweep and, depending on it, the shift or whether curvatures are requested.
    let &[kind, argument] = request.take()? else { return None };
    let params = match *request.take()? {
        [lambda, sigma] => Some(ResidualParams { lambda, sigma }),
        _ => None,
    };
    let factors = request.take_factors(nrow, ncol, symmetric)?;
    if kind == MULTI_FACTOR {
        let curved = argument > 0.0;
        let parts = sweep_tiles(&view, &factors, params?, curved, &tiles, Threads::new(1));
        return Some(parts.iter().map(|part| part.write()).collect());
    }
    let model = params.and_then(|params| factors.first().map(|factor| Model { factor, params }));
    let (row_weights, column_weights) = (request.take()?, request.take()?);
    if row_weights.len() != nrow || column_weights.len() != ncol {
        return None;
    }
    let spec = KernelSpec { row_weights, column_weights, shift: argument, level: kind as u8 };
    Some(tiles.into_iter().map(|tile| sweep_tile(&view, model, &spec, tile).write()).collect())
}
