//! Matrices that are not in memory: R reads their entries in blocks, or its workers sweep over them.
//!
//! A [`Storage`] is shared by threads, and R's functions must stay on R's thread. They are therefore in a registry of that
//! thread, and the storage has their number. Other threads have empty registries, so they cannot call R.

use super::Options;
use extendr_api::prelude::*;
use nmu_core::runtime::cancel::abandon;
use nmu_core::storage::{Remote, Storage};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

/// An object of class `nmu_blocks`, which `R/blocks.R` makes.
pub(super) struct BlockSource {
    nrow: usize,
    ncol: usize,
    /// Maximum number of entries of a block.
    block_length: usize,
    /// Number of columns that are stored together.
    chunk_ncol: usize,
    /// Whether workers sweep over the entries.
    distributed: bool,
    functions: Rc<BlockFunctions>,
}

/// Functions of R. They catch their errors, note them for R, and return `NULL` then.
struct BlockFunctions {
    /// `function(first_row, last_row, first_column, last_column)` returns the entries of a block as doubles.
    read: Function,
    /// `function(request, tiles)` returns a list with a vector for each tile.
    serve: Function,
}

impl BlockSource {
    pub(super) fn new(object: Robj) -> Result<Self, String> {
        let list = Options::from_object(object, "the source of the blocks")?;
        let positive = |name: &str| match list.count_of(name)? {
            0 => Err(format!("internal error: {name} is 0")),
            count => Ok(count),
        };
        Ok(Self {
            nrow: list.count_of("nrow")?,
            ncol: list.count_of("ncol")?,
            block_length: positive("block_length")?,
            chunk_ncol: positive("chunk_ncol")?,
            distributed: list.flag("distributed")?,
            functions: Rc::new(BlockFunctions { read: list.get("read")?, serve: list.get("serve")? }),
        })
    }

    pub(super) fn dim(&self) -> [usize; 2] {
        [self.nrow, self.ncol]
    }

    pub(super) fn storage(&self) -> Blocks {
        let Self { nrow, ncol, block_length, chunk_ncol, distributed, .. } = *self;
        let functions = Registered::new(Rc::clone(&self.functions));
        Blocks { nrow, ncol, block_length, chunk_ncol, distributed, functions, window: Mutex::default() }
    }
}

thread_local! {
    static REGISTRY: RefCell<HashMap<usize, Rc<BlockFunctions>>> = RefCell::default();
    static NEXT_KEY: Cell<usize> = const { Cell::new(0) };
}

/// Key of functions in the registry of the thread that registered them. They leave it when the key is dropped.
struct Registered(usize);

impl Registered {
    fn new(functions: Rc<BlockFunctions>) -> Self {
        let key = NEXT_KEY.replace(NEXT_KEY.get() + 1);
        REGISTRY.with_borrow_mut(|registry| registry.insert(key, functions));
        Self(key)
    }

    /// The functions; `None` on any other thread. They are shared and not borrowed, since R may call us again meanwhile.
    fn get(&self) -> Option<Rc<BlockFunctions>> {
        REGISTRY.with_borrow(|registry| registry.get(&self.0).cloned())
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let removed = REGISTRY.with_borrow_mut(|registry| registry.remove(&self.0));
        drop(removed);
    }
}

/// Storage whose entries are read in blocks or swept over by workers.
pub(super) struct Blocks {
    nrow: usize,
    ncol: usize,
    block_length: usize,
    chunk_ncol: usize,
    distributed: bool,
    functions: Registered,
    window: Mutex<Window>,
}

/// The block read last, column after column.
#[derive(Clone, Default)]
struct Window {
    rows: Range<usize>,
    columns: Range<usize>,
    values: Vec<f64>,
}

impl Blocks {
    /// The block to read for `rows` of a column: with as many of the next columns as its maximum size allows, up to the end
    /// of a chunk. Above a diagonal the rows of the next columns reach further down.
    fn block_for(&self, column: usize, rows: &Range<usize>) -> (Range<usize>, Range<usize>) {
        let triangle = rows.end == column + 1;
        let width = if triangle {
            // The root of width · (above + width) = block_length.
            let above = (rows.len() - 1) as f64;
            ((above * above + 4.0 * self.block_length as f64).sqrt() - above) / 2.0
        } else {
            self.block_length as f64 / rows.len().max(1) as f64
        };
        let end = (column + (width as usize).max(1)).min(self.ncol);
        let chunk_end = end - end % self.chunk_ncol;
        let end = if end < self.ncol && chunk_end > column { chunk_end } else { end };
        let last_row = if triangle { end.clamp(rows.end, self.nrow) } else { rows.end };
        (rows.start..last_row, column..end)
    }

    /// Has R read a block; `None` if that failed.
    fn read(&self, rows: Range<usize>, columns: Range<usize>) -> Option<Window> {
        let (first_row, last_row) = ((rows.start + 1) as f64, rows.end as f64);
        let (first_column, last_column) = ((columns.start + 1) as f64, columns.end as f64);
        let arguments = pairlist!(
            first_row = first_row,
            last_row = last_row,
            first_column = first_column,
            last_column = last_column
        );
        let block = self.functions.get()?.read.call(arguments).ok()?;
        let values = block.as_real_slice().filter(|values| values.len() == rows.len() * columns.len())?.to_vec();
        Some(Window { rows, columns, values })
    }

    /// Has R's workers answer a request on all tiles; `None` if that failed.
    fn serve(&self, request: &[f64], lengths: &[usize]) -> Option<Vec<Vec<f64>>> {
        let tiles = i32::try_from(lengths.len()).ok()?;
        let replies = self.functions.get()?.serve.call(pairlist!(request = request, tiles = tiles)).ok()?;
        let replies = List::try_from(replies).ok()?;
        let replies: Vec<Vec<f64>> = replies.values().map(|reply| reply.as_real_vector()).collect::<Option<_>>()?;
        replies.iter().map(Vec::len).eq(lengths.iter().copied()).then_some(replies)
    }
}

impl Window {
    fn has(&self, column: usize, rows: &Range<usize>) -> bool {
        self.columns.contains(&column) && self.rows.start <= rows.start && rows.end <= self.rows.end
    }

    fn entries(&self, column: usize, rows: &Range<usize>) -> &[f64] {
        let first = (column - self.columns.start) * self.rows.len() + rows.start - self.rows.start;
        &self.values[first..first + rows.len()]
    }
}

impl Storage for Blocks {
    fn nrow(&self) -> usize {
        self.nrow
    }

    fn ncol(&self) -> usize {
        self.ncol
    }

    fn remote(&self) -> Option<&dyn Remote> {
        self.distributed.then_some(self)
    }

    /// Abandons the computation if R cannot read a block.
    fn column<'a>(&'a self, column: usize, rows: Range<usize>, buffer: &'a mut [f64]) -> &'a [f64] {
        // A window that a panic left behind is as good as any: it is replaced as a whole.
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if !window.has(column, &rows) {
            // The old block is dropped first, so that only one is held.
            *window = Window::default();
            let (block_rows, columns) = self.block_for(column, &rows);
            *window = self.read(block_rows, columns).unwrap_or_else(|| abandon());
        }
        buffer.copy_from_slice(window.entries(column, &rows));
        buffer
    }
}

impl Remote for Blocks {
    fn evaluate(&self, request: &[f64], lengths: &[usize]) -> Vec<Vec<f64>> {
        self.serve(request, lengths).unwrap_or_else(|| abandon())
    }
}
