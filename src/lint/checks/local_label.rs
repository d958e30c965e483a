//! Labels that mean something on their machine only.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::template::prometheus::uses::{Used, uses};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "alert/local-label",
        severity: Severity::Warning,
        pint: &[],
        what: "The annotations of an alert name the index of a part, such as `gpu`, and no label of its machine.",
        why: "Every machine has a GPU 0, a sda and an eth0. The message does not say where.",
        fix: "Name the machine too: `{{ $labels.gpu }} on {{ $labels.Hostname }}`, or `instance`.",
        bad: "- alert: Hot\n  expr: DCGM_FI_DEV_GPU_TEMP > 85\n  annotations: {summary: 'GPU {{ $labels.gpu }} is hot'}",
        good: "- alert: Hot\n  expr: DCGM_FI_DEV_GPU_TEMP > 85\n  annotations: {summary: 'GPU {{ $labels.gpu }} on {{ $labels.Hostname }} is hot'}",
    },
    look: Look::Rule(look),
};

/// Labels whose values are the same on every machine.
const LOCAL: [&str; 8] = ["gpu", "cpu", "core", "disk", "device", "mountpoint", "interface", "chip"];
/// Labels that are local and name something unique when they stand alone.
const MACHINE: [&str; 26] = [
    "Hostname",
    "UUID",
    "cluster",
    "exported_instance",
    "exported_node",
    "fqdn",
    "host",
    "hostname",
    "instance",
    "instanceid",
    "ip",
    "job",
    "kubernetes_node",
    "machine",
    "name",
    "namespace",
    "node",
    "node_name",
    "nodename",
    "pod",
    "server",
    "service",
    "target",
    "unit",
    "vm",
    "uuid",
];

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let Some(alert) = site.alert() else { return };
    let labels = site.labels_of(site.expr);
    let (mut local, mut machine) = (None, false);
    for (annotation, text) in alert.annotations {
        for used in uses(text) {
            match &used.what {
                Used::Label { name, .. } if MACHINE.contains(&name.as_str()) => machine = true,
                Used::Label { name, .. } if LOCAL.contains(&name.as_str()) && local.is_none() => {
                    local = Some((site.within("annotations", annotation, used.at, used.length), name.clone()));
                }
                Used::Label { name, .. } if !LOCAL.contains(&name.as_str()) => machine = true,
                Used::AllLabels | Used::Query(_) => machine = true,
                _ => {}
            }
        }
    }
    let missing = ["Hostname", "instance"].into_iter().find(|name| labels.may_have(name));
    if let (Some((spot, name)), false, Some(_)) = (local, machine, missing) {
        found.add(spot, format!("the annotations name `{name}`, which each machine has, and not the machine"));
    }
}
