//! The terms by which decisions are found without reading them: each is a hash, so what it finds has still to be looked at.

use twox_hash::XxHash64;

use super::decision::Decision;

/// The hash of a term. It stands on disk.
pub(super) type Term = u64;

/// What a term says; the discriminants stand on disk.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Field {
    Label = 1,
    Fingerprint = 2,
    Receiver = 3,
    Kind = 4,
    GroupKey = 5,
    Notification = 6,
}

fn term(field: Field, first: &[u8], second: &[u8]) -> Term {
    let mut bytes = Vec::with_capacity(2 + first.len() + second.len());
    bytes.push(field as u8);
    bytes.extend_from_slice(first);
    // No text in UTF-8 has it.
    bytes.push(0xff);
    bytes.extend_from_slice(second);
    XxHash64::oneshot(0, &bytes)
}

/// An alert of the decision has this label.
pub(super) fn label(name: &str, value: &str) -> Term {
    term(Field::Label, name.as_bytes(), value.as_bytes())
}

/// It is about an alert of this fingerprint.
pub(super) fn fingerprint(fingerprint: u64) -> Term {
    term(Field::Fingerprint, &fingerprint.to_le_bytes(), b"")
}

/// It is about this receiver.
pub(super) fn receiver(name: &str) -> Term {
    term(Field::Receiver, name.as_bytes(), b"")
}

/// It is of this kind.
pub(super) fn kind(name: &str) -> Term {
    term(Field::Kind, name.as_bytes(), b"")
}

/// It is about this aggregation group.
pub(super) fn group_key(key: &str) -> Term {
    term(Field::GroupKey, key.as_bytes(), b"")
}

/// It is about this notification.
pub(super) fn notification(id: u64) -> Term {
    term(Field::Notification, &id.to_le_bytes(), b"")
}

/// All terms of a decision.
pub(super) fn of(decision: &Decision, mut found: impl FnMut(Term)) {
    found(kind(decision.kind().as_str()));
    decision.receiver.iter().for_each(|name| found(receiver(name)));
    decision.routed_to().for_each(|name| found(receiver(name)));
    decision.group_key.iter().for_each(|key| found(group_key(key)));
    decision.notification.iter().for_each(|id| found(notification(*id)));
    for alert in &decision.alerts {
        found(fingerprint(alert.labels.fingerprint()));
        alert.labels.iter().for_each(|(name, value)| found(label(name, value)));
    }
}
