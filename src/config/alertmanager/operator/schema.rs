//! The fields of AlertmanagerConfig objects as prometheus-operator's CustomResourceDefinition (0.93) has them. One field,
//! one row; those of receivers are in `integrations`.

use super::field::{Field, Kind, Version, field};
use super::integrations::RECEIVER;

/// `spec`.
pub const SPEC: &[Field] = &[
    field("route", Kind::Section(ROUTE)),
    field("receivers", Kind::Sections(RECEIVER)),
    field("inhibitRules", Kind::Sections(INHIBITION)),
    field("muteTimeIntervals", Kind::Sections(INTERVAL)).named("time_intervals").only(Version::Alpha),
    field("timeIntervals", Kind::Sections(INTERVAL)).only(Version::Beta),
];

/// A route, and those below it.
pub const ROUTE: &[Field] = &[
    field("receiver", Kind::Own),
    field("groupBy", Kind::Texts),
    field("groupWait", Kind::Word),
    field("groupInterval", Kind::Word),
    field("repeatInterval", Kind::Word),
    field("matchers", Kind::Matchers),
    field("continue", Kind::Flag),
    field("muteTimeIntervals", Kind::Owns),
    field("activeTimeIntervals", Kind::Owns),
    field("routes", Kind::Routes),
];

/// A matcher, which becomes a text.
pub const MATCHER: &[Field] = &[
    field("name", Kind::Word).required(),
    field("value", Kind::Text),
    field("matchType", Kind::OneOf(&["=", "!=", "=~", "!~"])),
    field("regex", Kind::Flag).only(Version::Alpha),
];

const INHIBITION: &[Field] = &[
    field("sourceMatch", Kind::Matchers).named("source_matchers"),
    field("targetMatch", Kind::Matchers).named("target_matchers"),
    field("equal", Kind::Texts),
];

const INTERVAL: &[Field] = &[field("name", Kind::Own).required(), field("timeIntervals", Kind::Sections(TIMES))];

const TIMES: &[Field] = &[
    field("times", Kind::Sections(&[field("startTime", Kind::Text), field("endTime", Kind::Text)])),
    field("weekdays", Kind::Names),
    field("daysOfMonth", Kind::Days),
    field("months", Kind::Names),
    field("years", Kind::Texts),
];

/// One day of a month to another.
pub const DAYS: &[Field] = &[field("start", Kind::Whole), field("end", Kind::Whole)];

/// Where a Secret's or a ConfigMap's value stands.
pub const REFERENCE: &[Field] =
    &[field("name", Kind::Word).required(), field("key", Kind::Word).required(), field("optional", Kind::Flag)];

/// Where it stands, and in which kind of object.
pub const EITHER: &[Field] = &[field("secret", Kind::Secret), field("configMap", Kind::Secret)];

/// A key and a value.
pub const PAIR: &[Field] = &[field("key", Kind::Word).required(), field("value", Kind::Text).required()];

/// Threads of mail.
pub const THREADING: &[Field] = &[field("threadByDate", Kind::OneOf(&["Daily", "None"])).required()];

/// TLS.
pub const TLS: &[Field] = &[
    field("ca", Kind::Either),
    field("cert", Kind::Either),
    field("keySecret", Kind::Secret).named("key"),
    field("serverName", Kind::Text),
    field("insecureSkipVerify", Kind::Flag),
    field("minVersion", Kind::Word),
    field("maxVersion", Kind::Word),
];
