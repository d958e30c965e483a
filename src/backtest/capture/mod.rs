//! The reverse of a backtest: a test file, in promtool's format, of what the rules did in a real incident.
//!
//! The samples that the rules read are put on a grid ([`grid`]), written in the notation of tests ([`notation`]) and, where
//! that is asked for, freed of names ([`anonymous`]). The file is then played as `watchbell test rules` plays it, and what is
//! seen at the transitions of alerts is what it expects ([`observe`]): it passes as it is written.

mod anonymous;
mod contents;
mod grid;
mod notation;
mod observe;
mod take;
mod write;

pub use contents::{Capture, Captured};
pub use take::{before, capture};
