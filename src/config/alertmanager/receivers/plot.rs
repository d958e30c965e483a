//! The option of receivers whose messages can carry a picture: a plot of what the rule measured.

use crate::config::yaml::{Decode, Decoder, Node, Scalar};
use crate::model::duration;

/// How much of the past the plot of a message shows, milliseconds; 0 for no plot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessagePlot(pub i64);

impl MessagePlot {
    /// What `true` means: three hours.
    pub const USUAL: MessagePlot = MessagePlot(3 * 3_600_000);
    /// The least and the most that may be shown.
    const BOUNDS: std::ops::RangeInclusive<i64> = 5 * 60_000..=31 * 86_400_000;

    /// Whether there is one.
    pub fn is_on(self) -> bool {
        self.0 > 0
    }

    /// A plot of a time, milliseconds.
    ///
    /// # Errors
    /// It is too short or too long to be looked at.
    pub fn of(millis: i64) -> Result<MessagePlot, String> {
        match MessagePlot::BOUNDS.contains(&millis) {
            true => Ok(MessagePlot(millis)),
            false => Err(format!("expected a time between 5m and 31d, found {}", duration::format(millis))),
        }
    }
}

impl Decode for MessagePlot {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        if let Some(Scalar::Bool(on)) = node.scalar() {
            return Some(if on { MessagePlot::USUAL } else { MessagePlot::default() });
        }
        let Some(millis) = node.text().and_then(|text| duration::parse(text).ok()) else {
            return d.mismatch(node, "true, false or a duration such as 3h");
        };
        MessagePlot::of(millis).map_err(|e| d.error(node.position, e)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_is_on_off_or_of_a_time() {
        let read = |text: &str| {
            let decoder = Decoder::new("am.yml", text);
            let plot = decoder.document().and_then(|node| MessagePlot::decode(&node, &decoder));
            decoder.finish(plot).map(|plot| plot.0).map_err(|defects| defects[0].to_string())
        };
        for (text, want) in [("true", 10_800_000), ("false", 0), ("6h", 21_600_000), ("31d", 2_678_400_000)] {
            assert_eq!(read(text), Ok(want), "{text}");
        }
        for text in ["1m", "32d", "0"] {
            assert!(
                read(text).unwrap_err().contains("am.yml:1:1: expected a time between 5m and 31d, found"),
                "{text}"
            );
        }
        assert_eq!(
            read("big").unwrap_err(),
            "am.yml:1:1: expected true, false or a duration such as 3h, found string \"big\""
        );
    }
}
