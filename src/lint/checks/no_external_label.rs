//! Templates that name external labels which no configuration gives.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::template::prometheus::uses::{Used, uses};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "alert/external-label",
        severity: Severity::Warning,
        pint: &["alerts/external_labels"],
        what: "A template names an external label, and the configuration beside the rules gives none of that name.",
        why: "The text has a gap there in every message.",
        fix: "Add the label to `external_labels` of the configuration's `global`, or leave it out of the text. Nothing is reported \
              where no configuration is given with the rules.",
        bad: "",
        good: "",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let (Some(alert), Some(external)) = (site.alert(), &site.corpus.external_labels) else { return };
    for (key, one, pairs) in
        [("labels", "label", site.rule.labels.as_slice()), ("annotations", "annotation", alert.annotations)]
    {
        for (name, text) in pairs {
            for used in uses(text) {
                let Used::ExternalLabel(label) = &used.what else { continue };
                if !external.contains(label) {
                    let message = format!("{one} {name:?} names the external label `{label}`, which is not configured");
                    found.add(site.within(key, name, used.at, used.length), message);
                }
            }
        }
    }
}
