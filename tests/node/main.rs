//! The program as its users meet it: bytes in, bytes out, through the built binary.

mod bounds;
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
