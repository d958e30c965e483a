//! What tests reached: rules, the transitions of their alerts, the branches of their expressions, routes, receivers,
//! inhibitions and templates of messages.

mod branches;
mod html;
mod item;
mod measure;
pub mod report;
mod routing;
mod seen;

pub use branches::Played;
pub use html::html;
pub use item::{Coverage, Item, Kind};
pub use measure::{note_test, unreached};
pub use seen::Seen;
