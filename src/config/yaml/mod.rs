//! A YAML reader that knows where everything stood, and strict decoding on top of it.
//!
//! Files are read into trees of [`Node`]s; [`Decoder`] takes sections out of a tree and collects everything that is
//! wrong, each defect with its line and column. [`section!`](crate::section) declares a section as a table of its keys.

mod decode;
mod defaults;
mod locate;
mod node;
mod parse;
mod place;
mod print;
mod section;
mod shape;
#[cfg(test)]
mod tests;
mod values;

pub use decode::{Decode, Decoder, FirstLines, MapReader, Notes, distance, nearest};
pub use defaults::{shown, shown_section, shown_text};
pub use node::{Node, Scalar, Style, Value, resolve};
pub use parse::{Defect, Documents, Limits, parse};
pub use place::Place;
pub use print::print;
pub use shape::{Key, Section, Shape};
pub use values::{ByteSize, Duration, Filled, GoDuration, Sparse, parse_bytes, parse_go_duration, to_json};
