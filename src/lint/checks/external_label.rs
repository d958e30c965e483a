//! Labels of rules that take the place of external labels.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "rule/external-label",
        severity: Severity::Warning,
        pint: &["labels/conflict"],
        what: "A rule sets a label that is one of the external labels of the configuration beside the rules.",
        why: "External labels tell which server an alert or a series comes from. They are added only where there is no label of \
              their name: what this rule gives says something else there, to receivers and to remote storage.",
        fix: "Give the rule's label another name. Nothing is reported where no configuration is given with the rules.",
        bad: "",
        good: "",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let Some(external) = &site.corpus.external_labels else { return };
    for name in external {
        let Some(value) = site.label(name) else { continue };
        let message = format!("`{name}` is an external label of the configuration");
        found.add(site.within("labels", name, 0, value.len()), message);
    }
}
