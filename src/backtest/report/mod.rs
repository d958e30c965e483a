//! A record for people and for programs. What is said is put together once, as a document of headings, lines and tables;
//! text and the other forms only lay it out.

mod content;
mod difference;
pub mod document;
mod html;
mod json;
mod markdown;
mod sweep;
mod text;

pub use content::of_record;
pub use difference::{Side, json_of_change, of_change};
pub use document::{Block, Column, Document, Table};
pub use html::html;
pub use json::json;
pub use markdown::markdown;
pub use sweep::{Outcome, json_of_sweep, of_sweep};
pub use text::text;
