//! Plots for messages: what a rule measured in the last hours beside its threshold, drawn as an SVG, and the same as a PNG.
//!
//! Drawing is pure. The one font is our own and in the binary: none of the system's is read.

mod draw;
mod line;
mod number;
mod png;
mod scale;
mod subject;
mod text;
pub mod time_ticks;

pub use line::path;
pub use number::short;
pub use scale::Scale;
pub use subject::{Line, MOST_LINES, MOST_POINTS, Plot};

/// A plot that was drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// As an SVG: 600 by 240 units.
    pub svg: String,
    /// As a PNG of twice as many pixels.
    pub png: Vec<u8>,
    /// In words, for whoever does not see it.
    pub alt: String,
}

impl Picture {
    /// Draws a plot; nothing where there is no point to draw. It takes processor time: some milliseconds.
    ///
    /// # Errors
    /// The SVG could not be made a PNG: that is a defect.
    pub fn of(plot: &Plot) -> Result<Option<Picture>, String> {
        let Some((svg, alt)) = draw::draw(plot) else { return Ok(None) };
        let png = png::png(&svg)?;
        Ok(Some(Picture { svg, png, alt }))
    }

    /// How many bytes it takes.
    pub fn size(&self) -> usize {
        self.svg.len() + self.png.len() + self.alt.len()
    }
}
