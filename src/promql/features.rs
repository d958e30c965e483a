//! The switches of the language.

use crate::config::features;

/// Switches that Prometheus keeps behind `--enable-feature`, under the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Features {
    /// `promql-experimental-functions`
    pub experimental_functions: bool,
    /// `promql-duration-expr`: on without being asked for, as in Prometheus 3.14.
    pub duration_expr: bool,
    /// `promql-extended-range-selectors`: `anchored` and `smoothed`.
    pub extended_range_selectors: bool,
    /// `promql-binop-fill-modifiers`: `fill`, `fill_left`, `fill_right`.
    pub binop_fill_modifiers: bool,
    /// `promql-delayed-name-removal`
    pub delayed_name_removal: bool,
    /// `type-and-unit-labels`
    pub type_and_unit_labels: bool,
    /// `use-start-timestamps`: functions look at start timestamps.
    pub start_timestamps: bool,
}

impl Default for Features {
    fn default() -> Self {
        Features {
            experimental_functions: false,
            duration_expr: true,
            extended_range_selectors: false,
            binop_fill_modifiers: false,
            delayed_name_removal: false,
            type_and_unit_labels: false,
            start_timestamps: false,
        }
    }
}

impl Features {
    /// Everything switched on.
    pub fn all() -> Self {
        Features {
            experimental_functions: true,
            duration_expr: true,
            extended_range_selectors: true,
            binop_fill_modifiers: true,
            delayed_name_removal: true,
            type_and_unit_labels: true,
            start_timestamps: true,
        }
    }

    /// Switches one feature on by its `--enable-feature` name; false when it is not one of PromQL's.
    pub fn enable(&mut self, name: &str) -> bool {
        let switch = match name {
            "promql-experimental-functions" => &mut self.experimental_functions,
            "promql-duration-expr" => &mut self.duration_expr,
            "promql-extended-range-selectors" => &mut self.extended_range_selectors,
            "promql-binop-fill-modifiers" => &mut self.binop_fill_modifiers,
            "promql-delayed-name-removal" => &mut self.delayed_name_removal,
            "type-and-unit-labels" => &mut self.type_and_unit_labels,
            "use-start-timestamps" => &mut self.start_timestamps,
            _ => return false,
        };
        *switch = true;
        true
    }

    /// Switches features on by their `--enable-feature` names. Gives what is to be told of names without effect here.
    pub fn enable_all<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut notes = Vec::new();
        for name in names.into_iter().map(str::trim).filter(|n| !n.is_empty()) {
            if !self.enable(name) {
                notes.extend(features::note(name, &[]));
            }
        }
        notes
    }
}
