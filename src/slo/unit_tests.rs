//! Unit tests of an objective's alerts, in promtool's format.
//!
//! What the queries count is not known here. The recorded ratios are, so each test gives those and looks at the alerts:
//! every pair of windows fires alone, just above its threshold, and not when one of the two is just below it.

use std::fmt::Write as _;

use super::burn::{Burn, PAGE, TICKET, rounded};
use super::objective::Objective;
use super::rules::{WINDOWS, alerts, quoted, selector};

/// Just above a threshold.
const ABOVE: f64 = 1.01;
/// Just below it.
const BELOW: f64 = 0.99;

/// Writes unit tests of the objectives' alerts; `rules` is the rule file's name as seen from the tests' folder.
pub fn write(objectives: &[Objective], rules: &str, source: &str) -> String {
    let mut out = format!(
        "# Written by `watchbell slo` from {source}. Change that file, not this one.\nrule_files: [{}]\n\
         evaluation_interval: 1m\ntests:\n",
        quoted(rules)
    );
    for objective in objectives {
        for burn in PAGE.iter().chain(&TICKET).filter(|burn| burn.can_be(objective.days, objective.budget())) {
            for (short, long, told) in [
                (ABOVE, ABOVE, "both above"),
                (ABOVE, BELOW, "only the short above"),
                (BELOW, ABOVE, "only the long above"),
            ] {
                let name = format!("{}: {} and {}, {told} their threshold", objective.id(), burn.short, burn.long);
                case(&mut out, objective, &name, burn, |window| match window {
                    w if w == burn.short => short,
                    w if w == burn.long => long,
                    _ => 0.0,
                });
            }
        }
    }
    out
}

/// One test: each window's ratio is so many times the threshold of a pair of windows.
fn case(out: &mut String, objective: &Objective, name: &str, pair: &Burn, times: impl Fn(&str) -> f64) {
    let threshold = pair.factor(objective.days) * objective.budget();
    let ratio = |window: &str| rounded(threshold * times(window));
    let _ = writeln!(out, "  - name: {}\n    interval: 1m\n    input_series:", quoted(name));
    let own = selector(objective);
    let own = own.trim_end_matches('}');
    for window in WINDOWS {
        let series = format!("slo:sli_error:ratio_rate{window}{own}, sloth_window=\"{window}\"}}");
        let _ = writeln!(out, "      - series: {}\n        values: '{}x2'", quoted(&series), ratio(window));
    }
    out.push_str("    promql_expr_test:\n");
    for severity in ["page", "ticket"] {
        let id = quoted(&objective.id());
        let expr = format!("count(ALERTS{{sloth_id={id}, sloth_severity=\"{severity}\", alertstate=\"firing\"}})");
        let fires = alerts(objective).any(|(found, burns, _)| {
            let over = |window: &str, factor: f64| ratio(window) > rounded(factor * objective.budget());
            let both = |b: &Burn| {
                let factor = b.factor(objective.days);
                over(b.short, factor) && over(b.long, factor)
            };
            found == severity && burns.iter().any(both)
        });
        let samples = if fires { "[{labels: '{}', value: 1}]" } else { "[]" };
        let _ = writeln!(out, "      - expr: {}\n        eval_time: 1m\n        exp_samples: {samples}", quoted(&expr));
    }
}
