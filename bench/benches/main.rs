//! Benchmarks of the core: `cargo bench --features avx512`; with `-- pass`, those whose name contains `pass`.
//!
//! `compare.R` compares the time of fits with that of other programs.

mod fit;
mod init;
mod moments;
mod pass;

fn main() {
    divan::main();
}
