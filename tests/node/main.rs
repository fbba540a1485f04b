//! The program as its users meet it: bytes in, bytes out, through the built binary.
//!
//! Whether these tests notice a change is checked with [cargo-mutants](https://mutants.rs), by hand:
//! `cargo install cargo-mutants`, then
//! `cargo mutants -j 2 --timeout 30 -- --lib --test node -- --skip bounds --skip sixteen_mib --skip model::every`,
//! which takes three quarters of an hour. Some mutants end by the time limit: they loop, or a test waits for their reply.
//! Some survive because their tests are skipped: those of limits and of memory. The others change nothing but speed
//! (`Frames::line` leaves a line to the closer look, `listed_twice` hashes a few names, `is_same` and `is_at` leave names
//! to the index), or what is never shown (`expecting` of the visitors).

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
