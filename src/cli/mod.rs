//! The command line: one file a subcommand.

pub mod alertmanager;
mod arguments;
pub mod backtest;
mod changed_lines;
pub mod check_config;
mod check_data;
pub mod check_lint;
pub mod check_paths;
pub mod check_rules;
pub mod client;
pub mod demo;
mod exit;
pub mod fmt;
mod git;
pub mod health;
pub mod history;
mod log;
pub mod lsp;
mod man;
mod progress;
mod prometheus_flags;
pub mod query;
mod routing_flags;
pub mod run;
mod signals;
pub mod slo;
mod terminal;
pub mod test_capture;
mod test_coverage;
pub mod test_mutate;
mod test_promql;
pub mod test_rules;
pub mod tsdb_verify;
mod watch;
mod web_flags;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use exit::written;

/// Evaluates Prometheus rules and notifies as Alertmanager does, in one process that loses nothing.
#[derive(Debug, Parser)]
#[command(name = "watchbell", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::Run>),
    Alertmanager(Box<alertmanager::Alertmanager>),
    Demo(demo::Demo),
    Query(query::Query),
    Check(CheckCommand),
    /// Run tests.
    #[command(subcommand)]
    Test(Test),
    Backtest(Box<backtest::Backtest>),
    Fmt(fmt::Fmt),
    Lsp(lsp::Lsp),
    Slo(slo::Slo),
    /// Look after a database.
    #[command(subcommand)]
    Tsdb(TsdbCommand),
    Health(health::Health),
    History(Box<history::History>),
    /// Look at alerts, and post them.
    #[command(subcommand)]
    Alert(AlertCommand),
    Ack(client::ack::Ack),
    Drill(client::drill::Drill),
    Explain(client::explain::Explain),
    Top(Box<client::top::Top>),
    /// Make, change, end and look at silences.
    #[command(subcommand)]
    Silence(SilenceCommand),
    /// Look at routes, and try them.
    #[command(subcommand)]
    Route(RouteCommand),
    /// Try receivers.
    #[command(subcommand)]
    Receiver(ReceiverCommand),
    /// Try templates of notifications.
    #[command(subcommand)]
    Template(TemplateCommand),
    /// Look at the configuration in force.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a shell's completion script.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    Man(man::Man),
}

/// Check files, with the place of every defect, and of what loads and yet may not do what was meant.
///
/// What a file is shows in what is in it: rules, tests of rules, configurations, Kubernetes objects, templates. Exit code 0:
/// nothing is wrong; 1: something does not load, or a finding is as grave as `--fail-on`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
struct CheckCommand {
    #[command(subcommand)]
    what: Option<Check>,
    /// Files, folders and globs.
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// Build no clients: the files that TLS and secrets need may be missing here.
    #[arg(long)]
    syntax_only: bool,
    #[command(flatten)]
    lint: check_lint::LintFlags,
}

impl CheckCommand {
    fn execute(&self) -> ExitCode {
        match &self.what {
            Some(what) => what.execute(),
            None => {
                let mut out = std::io::stdout().lock();
                written(match &self.lint.explain {
                    Some(check) => check_lint::explain(check, &mut out),
                    None => check_paths::run(&self.paths, self.syntax_only, &self.lint, &mut out),
                })
            }
        }
    }
}

#[derive(Debug, Subcommand)]
enum Check {
    Rules(check_rules::CheckRules),
    /// Check configurations and the files they name.
    Config {
        /// Configurations.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Build no clients: the files that TLS and secrets need may be missing here.
        #[arg(long)]
        syntax_only: bool,
        /// Let discoveries pass that Prometheus has and Watchbell has not: `run` refuses them.
        #[arg(long)]
        lenient_discovery: bool,
        /// Comma-separated names of the features that `run` is to have; may be repeated.
        #[arg(long, value_name = "NAMES", value_delimiter = ',')]
        enable_feature: Vec<String>,
    },
    /// Check Alertmanager configurations, plain or in Kubernetes objects.
    Alertmanager {
        /// Configurations.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Build no clients, as amtool: the files that TLS and secrets need may be missing here.
        #[arg(long)]
        syntax_only: bool,
        /// Comma-separated names of the features that `alertmanager` is to have; may be repeated.
        #[arg(long, value_name = "NAMES", value_delimiter = ',')]
        enable_feature: Vec<String>,
    },
}

impl Check {
    fn execute(&self) -> ExitCode {
        let mut out = std::io::stdout().lock();
        match self {
            Check::Rules(check) => {
                drop(out);
                check.execute()
            }
            Check::Config { files, syntax_only, lenient_discovery, enable_feature } => {
                let features = match check_config::enable(enable_feature) {
                    Ok(features) => features,
                    Err(e) => return exit::fail(&e),
                };
                let options = crate::rules::LoadOptions { features, ..crate::rules::LoadOptions::default() };
                written(check_config::run(files, &options, *syntax_only, *lenient_discovery, &mut out))
            }
            Check::Alertmanager { files, syntax_only, enable_feature } => {
                let known = alertmanager::known_features(enable_feature);
                if let Err(e) = known.and_then(|()| check_config::enable(enable_feature)) {
                    return exit::fail(&e);
                }
                written(check_config::run_alertmanager(files, *syntax_only, &mut out))
            }
        }
    }
}

#[derive(Debug, Subcommand)]
enum TsdbCommand {
    Verify(tsdb_verify::TsdbVerify),
}

#[derive(Debug, Subcommand)]
enum AlertCommand {
    Query(client::alert_query::AlertQuery),
    Add(client::alert_add::AlertAdd),
}

#[derive(Debug, Subcommand)]
enum SilenceCommand {
    Add(client::silence_add::SilenceAdd),
    Query(client::silence_query::SilenceQuery),
    Expire(client::silence_expire::SilenceExpire),
    Update(client::silence_update::SilenceUpdate),
    Import(client::silence_import::SilenceImport),
}

#[derive(Debug, Subcommand)]
enum RouteCommand {
    Show(client::route_show::RouteShow),
    Test(client::route_test::RouteTest),
}

#[derive(Debug, Subcommand)]
enum ReceiverCommand {
    Test(client::receiver_test::ReceiverTest),
}

#[derive(Debug, Subcommand)]
enum TemplateCommand {
    Render(client::template_render::TemplateRender),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    Show(client::config_show::ConfigShow),
}

#[derive(Debug, Subcommand)]
enum Test {
    Rules(test_rules::TestRules),
    Mutate(test_mutate::TestMutate),
    Capture(Box<test_capture::TestCapture>),
    /// Run Prometheus' PromQL test scripts.
    Promql {
        /// Scripts.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// Carries out what the arguments ask for.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(run) => run.execute(),
        Command::Alertmanager(alertmanager) => alertmanager.execute(),
        Command::Demo(demo) => demo.execute(),
        Command::Query(query) => query.execute(),
        Command::Check(check) => check.execute(),
        Command::Test(Test::Promql { files }) => written(test_promql::run(&files, &mut std::io::stdout().lock())),
        Command::Test(Test::Rules(tests)) => tests.execute(),
        Command::Test(Test::Mutate(mutate)) => mutate.execute(),
        Command::Test(Test::Capture(capture)) => capture.execute(),
        Command::Backtest(backtest) => backtest.execute(),
        Command::Fmt(fmt) => fmt.execute(),
        Command::Lsp(lsp) => lsp.execute(),
        Command::Slo(slo) => slo.execute(),
        Command::Tsdb(TsdbCommand::Verify(verify)) => verify.execute(),
        Command::Health(health) => health.execute(),
        Command::History(history) => history.execute(),
        Command::Alert(AlertCommand::Query(query)) => query.execute(),
        Command::Alert(AlertCommand::Add(add)) => add.execute(),
        Command::Ack(ack) => ack.execute(),
        Command::Drill(drill) => drill.execute(),
        Command::Explain(explain) => explain.execute(),
        Command::Top(top) => top.execute(),
        Command::Silence(SilenceCommand::Add(add)) => add.execute(),
        Command::Silence(SilenceCommand::Query(query)) => query.execute(),
        Command::Silence(SilenceCommand::Expire(expire)) => expire.execute(),
        Command::Silence(SilenceCommand::Update(update)) => update.execute(),
        Command::Silence(SilenceCommand::Import(import)) => import.execute(),
        Command::Route(RouteCommand::Show(show)) => show.execute(),
        Command::Route(RouteCommand::Test(test)) => test.execute(),
        Command::Receiver(ReceiverCommand::Test(test)) => test.execute(),
        Command::Template(TemplateCommand::Render(render)) => render.execute(),
        Command::Config(ConfigCommand::Show(show)) => show.execute(),
        Command::Completions { shell } => {
            // Into memory first: the generator panics where writing fails.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "watchbell", &mut script);
            written(std::io::stdout().write_all(&script).map(|()| 0))
        }
        Command::Man(man) => man.execute(Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
