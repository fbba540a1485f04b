//! The program as its users meet it: bytes in, bytes out, through the built binary.

/// A test: its name, and what it asserts. (Between braces, `rustfmt` leaves tables where they are.)
macro_rules! rule {
    ($name:ident, $assertion:expr) => {
        #[test]
        fn $name() {
            $assertion;
        }
    };
}

mod bounds;
mod closing;
mod conversations;
mod damage;
mod durations;
mod layouts;
mod model;
mod process;
mod reading;
mod readme;
mod samples;
mod support;
mod texts;
mod writing;
