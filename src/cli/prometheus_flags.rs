//! Flags of Prometheus that decide nothing here, in one table: a manifest that carries them starts, and hears what each
//! is worth.

use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

/// What a flag of Prometheus is worth here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worth {
    /// What it asks for is so without it.
    Given,
    /// It has no effect; a warning says why.
    Nothing(&'static str),
    /// It asks for another program.
    Refused(&'static str),
}

/// Whether a flag has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
}

/// A flag of Prometheus.
#[derive(Debug)]
struct Flag {
    name: &'static str,
    takes: Takes,
    worth: Worth,
}

const fn switch(name: &'static str, worth: Worth) -> Flag {
    Flag { name, takes: Takes::Nothing, worth }
}

const fn setting(name: &'static str, worth: Worth) -> Flag {
    Flag { name, takes: Takes::Value, worth }
}

const GO: Worth = Worth::Nothing("there is no Go runtime: memory and threads follow what is used");
const CONSOLES: Worth = Worth::Nothing("console templates are not served");
const BLOCKS: Worth = Worth::Nothing("blocks are laid out otherwise");
const SCRAPE_TIMES: Worth = Worth::Nothing("samples have the time at which their scrape was due");
const AGENT: Worth = Worth::Refused(
    "there is no agent mode: `watchbell run` without rules scrapes and remote-writes as an agent does, and keeps what it scraped for its retention",
);

/// Flags of Prometheus 3.14, the hidden ones with them, that `watchbell run` has no field for.
const FLAGS: [Flag; 52] = [
    switch("agent", AGENT),
    switch("no-agent", Worth::Given),
    setting("storage.agent.path", AGENT),
    switch("storage.agent.wal-compression", AGENT),
    switch("no-storage.agent.wal-compression", AGENT),
    setting("storage.agent.wal-compression-type", AGENT),
    setting("storage.agent.wal-segment-size", AGENT),
    setting("storage.agent.wal-truncate-frequency", AGENT),
    setting("storage.agent.retention.min-time", AGENT),
    setting("storage.agent.retention.max-time", AGENT),
    switch("storage.agent.no-lockfile", AGENT),
    switch("no-storage.agent.no-lockfile", AGENT),
    switch("auto-gomaxprocs", Worth::Given),
    switch("no-auto-gomaxprocs", GO),
    switch("auto-gomemlimit", Worth::Given),
    switch("no-auto-gomemlimit", GO),
    setting("auto-gomemlimit.ratio", GO),
    switch("no-web.enable-lifecycle", Worth::Given),
    switch("no-web.enable-admin-api", Worth::Given),
    switch("no-web.enable-remote-write-receiver", Worth::Given),
    switch("no-web.enable-otlp-receiver", Worth::Given),
    setting("web.console.templates", CONSOLES),
    setting("web.console.libraries", CONSOLES),
    setting("web.user-assets", Worth::Nothing("no files of users are served")),
    setting("web.local-assets", Worth::Nothing("pages are part of the program")),
    setting("web.search.max-limit", Worth::Nothing("the experimental endpoints under /api/v1/search are not served")),
    setting("web.page-title", Worth::Nothing("pages have titles of their own")),
    setting("storage.tsdb.min-block-duration", BLOCKS),
    setting("storage.tsdb.max-block-duration", BLOCKS),
    setting("storage.tsdb.max-block-chunk-segment-size", BLOCKS),
    setting("storage.tsdb.samples-per-chunk", BLOCKS),
    setting("storage.tsdb.head-chunks-write-queue-size", BLOCKS),
    setting("storage.tsdb.delay-compact-file.path", BLOCKS),
    setting("storage.tsdb.delayed-compaction.max-percent", BLOCKS),
    switch("storage.tsdb.allow-overlapping-compaction", Worth::Given),
    switch("no-storage.tsdb.allow-overlapping-compaction", BLOCKS),
    setting("storage.tsdb.block-reload-interval", Worth::Nothing("nobody else writes blocks")),
    setting("storage.tsdb.wal-segment-size", Worth::Nothing("the write log has segments of its own size")),
    switch("storage.tsdb.wal-compression", Worth::Given),
    switch("no-storage.tsdb.wal-compression", Worth::Nothing("the write log has a form of its own")),
    setting("storage.tsdb.wal-compression-type", Worth::Nothing("the write log has a form of its own")),
    switch(
        "storage.tsdb.no-lockfile",
        Worth::Nothing("the lock goes with the process: no file is left behind that keeps the next one out"),
    ),
    switch("no-storage.tsdb.no-lockfile", Worth::Given),
    setting(
        "storage.remote.flush-deadline",
        Worth::Nothing("what is not sent when the service ends is sent from the write log after the next start"),
    ),
    setting("storage.remote.read-max-bytes-in-frame", Worth::Nothing("a frame has at most a megabyte")),
    setting(
        "rules.alert.for-outage-tolerance",
        Worth::Nothing("alerts are restored from stored state, however long the outage was"),
    ),
    setting(
        "rules.alert.for-grace-period",
        Worth::Nothing("what was not observed does not count towards `for`: no alert fires for want of a look"),
    ),
    switch("scrape.adjust-timestamps", SCRAPE_TIMES),
    switch("no-scrape.adjust-timestamps", SCRAPE_TIMES),
    setting("scrape.timestamp-tolerance", SCRAPE_TIMES),
    setting("scrape.discovery-reload-interval", Worth::Nothing("what discovery finds is taken at once")),
    setting(
        "scrape.name-escaping-scheme",
        Worth::Nothing("set metric_name_escaping_scheme in the configuration instead"),
    ),
];

/// Those of [`FLAGS`] that were given.
#[derive(Debug, Default)]
pub(super) struct PrometheusFlags {
    given: Vec<&'static Flag>,
}

impl clap::Args for PrometheusFlags {
    fn augment_args(command: Command) -> Command {
        FLAGS.iter().fold(command, |command, flag| {
            let action = match flag.takes {
                Takes::Nothing => ArgAction::SetTrue,
                Takes::Value => ArgAction::Set,
            };
            command.arg(Arg::new(flag.name).long(flag.name).action(action).hide(true))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PrometheusFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |flag: &&Flag| match flag.takes {
            Takes::Nothing => matches.get_flag(flag.name),
            Takes::Value => matches.contains_id(flag.name),
        };
        Ok(PrometheusFlags { given: FLAGS.iter().filter(given).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl PrometheusFlags {
    /// The first that asks for another program.
    ///
    /// # Errors
    /// What to do instead.
    pub fn check(&self) -> Result<(), String> {
        let refused = |flag: &&Flag| match flag.worth {
            Worth::Refused(why) => Some(format!("--{}: {why}", flag.name)),
            _ => None,
        };
        self.given.iter().find_map(refused).map_or(Ok(()), Err)
    }

    /// Says of each that has no effect why, once.
    pub fn warn(&self) {
        for (flag, why) in self.without_effect() {
            tracing::warn!(flag = format_args!("--{flag}"), "this flag has no effect: {why}");
        }
    }

    fn without_effect(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.given.iter().filter_map(|flag| match flag.worth {
            Worth::Nothing(why) => Some((flag.name, why)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        flags: PrometheusFlags,
    }

    fn flags(given: &[&str]) -> PrometheusFlags {
        Program::try_parse_from([&["program"], given].concat()).unwrap().flags
    }

    #[test]
    fn each_flag_is_told_what_it_is_worth() {
        let none = flags(&[]);
        assert!(none.check().is_ok() && none.without_effect().next().is_none());
        let some = flags(&["--web.console.templates=/x", "--no-web.enable-lifecycle", "--storage.tsdb.no-lockfile"]);
        let without_effect: Vec<&str> = some.without_effect().map(|(name, _)| name).collect();
        assert_eq!(without_effect, ["web.console.templates", "storage.tsdb.no-lockfile"]);
        assert!(some.check().is_ok());
        let refused = flags(&["--agent"]).check().unwrap_err();
        assert!(refused.starts_with("--agent: there is no agent mode"), "{refused}");
    }
}
