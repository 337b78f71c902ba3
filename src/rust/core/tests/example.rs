//! Test of the example in `examples/`, which the documentation of the crate shows.

#[path = "../examples/two_blocks.rs"]
mod two_blocks;

#[test]
fn the_example_recovers_both_blocks() {
    two_blocks::main();
}
