//! Runs the checks over a corpus.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::checks::{self, reading};
use super::comments::Comments;
use super::corpus::{Corpus, RuleFile};
use super::finding::Finding;
use super::look::{Findings, Look, MOST_FINDINGS};
use super::routing::RoutingSite;
use super::settings::Settings;
use super::site::Site;
use crate::promql::parse_and;
use crate::rules::{Rule, RuleGroup};

/// What all checks find in a corpus that the settings do not switch off, in no order.
pub fn checks(corpus: &Corpus, settings: &Settings) -> Vec<Finding> {
    let mut found = Vec::new();
    let rows = || checks::TABLE.iter().filter(|row| settings.is_on(row.check));
    for (file, group, rule) in corpus.all() {
        if found.len() >= MOST_FINDINGS {
            break;
        }
        found.extend(of_rule(corpus, file, group, rule, settings));
    }
    for row in rows() {
        let findings = &mut Findings::new(row.check, &mut found);
        match row.look {
            Look::Rules(look) => look(corpus, findings),
            Look::Routing(look) => {
                for file in &corpus.routing {
                    look(&RoutingSite { corpus, file, root: &file.root }, findings);
                }
            }
            Look::Reading | Look::Rule(_) => {}
        }
    }
    found
}

fn of_rule(corpus: &Corpus, file: &RuleFile, group: &RuleGroup, rule: &Rule, settings: &Settings) -> Vec<Finding> {
    let Some(node) = file.node(rule) else { return Vec::new() };
    let looked = parse_and(&rule.expr, &corpus.options(), |expr| {
        let site = Site { corpus, file, group, rule, node, expr, required: &settings.required };
        let mut found = Vec::new();
        for row in checks::TABLE.iter().filter(|row| settings.is_on(row.check)) {
            if let Look::Rule(look) = row.look {
                look(&site, &mut Findings::new(row.check, &mut found));
            }
        }
        found
    });
    // It was compiled when it was loaded.
    looked.unwrap_or_default()
}

/// Makes findings ready to be told: what comments and settings switch off is gone, severities are the settings', and they are
/// in the order of files and places. `texts` are the files' texts by name.
pub fn finish(
    mut found: Vec<Finding>,
    texts: &BTreeMap<Arc<str>, Arc<str>>,
    settings: &Settings,
    now: i64,
) -> Vec<Finding> {
    let is_known = |name: &str| checks::all().any(|check| check.is_called(name));
    let comments: BTreeMap<_, _> =
        texts.iter().map(|(file, text)| (file, Comments::read(file, text, is_known))).collect();
    found.retain(|finding| comments.get(&finding.spot.file).is_none_or(|c| !c.silence(finding, now)));
    let wrong = comments.into_values().flat_map(|c| c.wrong);
    found.extend(wrong.map(|(spot, wrong)| Finding::new(&reading::COMMENT, spot, wrong)));
    found.retain_mut(|finding| settings.apply(finding));
    found.sort_by(|a, b| {
        let key = |f: &Finding| (f.spot.file.clone(), f.spot.from, f.check.name, f.message.clone());
        key(a).cmp(&key(b))
    });
    found.dedup_by(|a, b| a.check.name == b.check.name && a.spot == b.spot && a.message == b.message);
    found
}
