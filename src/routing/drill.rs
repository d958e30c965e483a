//! Drills: marked alerts that take the way of any other, and touch none.

use crate::model::Labels;

/// The label that marks them; its value names the drill. Such an alert is grouped by it too, so that no group of other
/// alerts is told again, and inhibits nothing.
pub const DRILL_LABEL: &str = "watchbell_drill";

/// Whether an alert is one of a drill.
pub fn is_drill(alert: &Labels) -> bool {
    alert.has(DRILL_LABEL)
}
