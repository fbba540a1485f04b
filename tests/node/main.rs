//! The program as its users meet it: bytes in, bytes out, through the built binary.
//!
//! Whether these tests notice a change is checked with [cargo-mutants](https://mutants.rs), by hand:
//! `cargo install cargo-mutants`, then `cargo mutants -j 2 --timeout 60 -- --lib --test node -- --skip bounds`, which
//! takes about an hour.

mod bounds;
mod conversations;
mod damage;
mod model;
mod process;
mod reading;
mod readme;
mod samples;
mod support;
mod writing;
