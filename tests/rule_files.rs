//! Rule files load as promtool loads them, and every defect is placed.

use watchbell::config::protocol::NameScheme;
use watchbell::rules::{LoadOptions, PartialResponse, RuleKind, duplicate_rules, load_str};

use crate::support::{peers, shared};

fn load(text: &str) -> Result<Vec<watchbell::rules::RuleGroup>, Vec<String>> {
    let options = LoadOptions::default();
    load_str("r.yml", text, &options).map_err(|all| all.iter().map(ToString::to_string).collect())
}

#[test]
fn every_file_of_the_field_loads() {
    let Some(shared) = shared("rules") else { return };
    let (mut files, mut rules) = (0, 0);
    for folder in ["kube-prometheus", "awesome"] {
        for entry in std::fs::read_dir(shared.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.display().to_string();
            let groups = load_str(&name, &text, &LoadOptions::default()).unwrap_or_else(|e| panic!("{name}: {e:?}"));
            files += 1;
            rules += groups.iter().map(|g| g.rules.len()).sum::<usize>();
        }
    }
    assert!(files >= 33 && rules > 300, "{files} files with {rules} rules");
}

#[test]
fn groups_of_mimir_and_vmalert_are_read() {
    let text = "groups:
  - name: g
    interval: 1m
    source_tenants: [a, b]
    params: {nocache: ['1'], extra_label: [x=y, z=w]}
    headers: ['X-Scope: one', 'X-Other:two']
    tenant: '1:2'
    eval_offset: 20s
    concurrency: 4
    debug: true
    type: prometheus
    eval_delay: 30s
    notifier_headers: ['X-A: b']
    eval_alignment: false
    rules:
      - {record: r, expr: up, debug: true, update_entries_limit: 40}
";
    let group = &load(text).unwrap()[0];
    let terms = group.terms.as_ref().unwrap();
    let pairs = |all: &[(String, String)]| all.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>();
    assert_eq!(pairs(&terms.params), ["extra_label=x=y", "extra_label=z=w", "nocache=1"]);
    assert_eq!(pairs(&terms.headers), ["X-Scope=one", "X-Other=two", "X-Scope-OrgID=a|b"]);
    assert_eq!((terms.tenant.as_deref(), group.eval_offset), (Some("1:2"), Some(20_000)));
    assert_eq!(group.query_offset, Some(30_000));
    let notes: Vec<String> = group.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "r.yml:13:23: notifier_headers has no effect: alerts go where the routing configuration says",
            "r.yml:14:21: eval_alignment has no effect: groups are evaluated at ticks that they share",
            "r.yml:10:12: debug has no effect: queries are not logged by group",
            "r.yml:9:18: concurrency has no effect: the rules of a group are evaluated one after the other",
            "r.yml:16:38: debug has no effect: queries are not logged by rule",
            "r.yml:16:66: update_entries_limit has no effect: a rule's last evaluation is kept, not those before it",
        ]
    );
    let bad = load("groups: [{name: g, interval: 10s, eval_offset: 10s, headers: [x], rules: []}]\n").unwrap_err();
    assert!(bad.iter().any(|d| d.contains("eval_offset should be smaller than interval")), "{bad:?}");
    assert!(bad.iter().any(|d| d.contains("expected \"name: value\"")), "{bad:?}");
    let bad = load("groups: [{name: g, type: graphite, rules: []}]\n").unwrap_err();
    assert_eq!(bad, ["r.yml:1:26: expected type prometheus, found \"graphite\": rules are PromQL"]);
}

#[test]
fn names_are_those_of_the_scheme() {
    let text = "groups:
  - name: g
    labels: {\"g.l\": x}
    rules:
      - {record: a.b, expr: up}
      - {record: 'a:b', expr: up, labels: {\"l.l\": x}}
      - {alert: A.b, expr: up, annotations: {\"an.n\": x}}
      - {record: c, expr: 'sum by (\"a.b\") ({\"x.y\"})'}
";
    assert!(load(text).is_ok());
    let options = LoadOptions { names: NameScheme::Legacy, ..LoadOptions::default() };
    let defects: Vec<String> = load_str("r.yml", text, &options).unwrap_err().iter().map(ToString::to_string).collect();
    let want = [
        "r.yml:3:13: group \"g\": invalid label name: g.l",
        "r.yml:5:18: group \"g\", rule 1, \"a.b\": invalid recording rule name: a.b",
        "r.yml:6:51: group \"g\", rule 2, \"a:b\": invalid label name: l.l",
        "r.yml:7:54: group \"g\", rule 3, \"A.b\": invalid annotation name: an.n",
    ];
    assert_eq!(defects, want);
}

#[test]
fn all_fields_of_a_group_are_read() {
    let text = "
groups:
  - name: g
    interval: 30s
    query_offset: 1m
    limit: 10
    labels: {team: ml, severity: page}
    partial_response_strategy: warn
    rules:
      - alert: A
        expr: up == 0
        for: 5m
        keep_firing_for: 2m
        labels: {severity: ticket}
        annotations: {summary: '{{ $value }}'}
      - record: job:up:sum
        expr: sum by (job) (up)
";
    let groups = load(text).unwrap();
    let group = &groups[0];
    assert_eq!((group.interval, group.query_offset, group.limit), (Some(30_000), Some(60_000), 10));
    assert_eq!(group.partial_response, PartialResponse::Warn);
    let [alert, record] = &group.rules[..] else { panic!("two rules") };
    let RuleKind::Alerting { hold, keep_firing, annotations } = &alert.kind else { panic!("an alert") };
    assert_eq!((*hold, *keep_firing, annotations.len()), (300_000, 120_000, 1));
    let merged = group.merged_labels(alert);
    assert_eq!(merged, [("severity".into(), "ticket".into()), ("team".into(), "ml".to_owned())]);
    assert_eq!(record.kind, RuleKind::Recording);
}

#[test]
fn objects_documents_and_lists_are_read() {
    let object = |name: &str| {
        format!(
            "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {{name: x, labels: {{a: b}}}}\n\
             spec:\n  groups:\n    - name: {name}\n      rules: [{{record: a, expr: up}}]\n"
        )
    };
    assert_eq!(load(&format!("{}---\n{}", object("a"), object("b"))).unwrap().len(), 2);
    let indented = |s: String| s.lines().map(|l| format!("    {l}\n")).collect::<String>().replacen("    ", "  - ", 1);
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n{}  - {{kind: ConfigMap, apiVersion: v1}}\n{}",
        indented(object("a")),
        indented(object("b"))
    );
    assert_eq!(load(&list).unwrap().len(), 2);
    assert!(load("apiVersion: v1\nkind: Pod\nspec: {}\n").is_err());
}

#[test]
fn every_defect_is_reported_where_it_stands() {
    let text = "groups:
  - name: a
    intervall: 1m
    rules:
      - record: x
        expr: up +
      - alert: Z
        record: z
        expr: up
      - record: q
        expr: |
          sum(up)
            by (job
        for: 5m
        annotations: {a: b}
      - expr: up
      - alert: W
        for: 5
      - alert: L
        expr: up
        labels: {__name__: x}
  - name: a
  - rules: []
";
    let got = load(text).unwrap_err();
    let want = [
        "r.yml:3:5: field intervall not found in rule group, did you mean interval?",
        "r.yml:6:19: group \"a\", rule 1, \"x\": could not parse expression: 1:5: parse error: unexpected end of input",
        "r.yml:7:16: group \"a\", rule 2, \"Z\": only one of 'record' and 'alert' must be set",
        "r.yml:14:14: group \"a\", rule 3, \"q\": invalid field 'for' in recording rule",
        "r.yml:15:22: group \"a\", rule 3, \"q\": invalid field 'annotations' in recording rule",
        "r.yml:16:9: group \"a\", rule 4, \"\": one of 'record' or 'alert' must be set",
        "r.yml:17:9: group \"a\", rule 5, \"W\": field 'expr' must be set in rule",
        "r.yml:18:14: not a valid duration string: \"5\"",
        "r.yml:21:28: group \"a\", rule 6, \"L\": invalid label name: __name__",
        "r.yml:22:5: groupname: \"a\" is repeated in the same file",
        "r.yml:23:5: Groupname must not be empty",
    ];
    for line in want {
        assert!(got.iter().any(|g| g == line), "missing {line}\nin {got:#?}");
    }
    // The unclosed grouping stands in a block scalar, on the file's line 13.
    assert!(got.iter().any(|g| g.starts_with("r.yml:13:") && g.contains("rule 3")), "{got:#?}");
    assert_eq!(got.len(), want.len() + 1, "{got:#?}");
}

#[test]
fn duplicates_are_found_as_promtool_finds_them() {
    let text = "groups: [{name: a, labels: {x: y}, rules: [
      {record: 'a:b', expr: up}, {record: 'a:b', expr: up * 2}, {alert: ok, expr: up},
      {alert: ok, expr: up, labels: {x: z}}]}]";
    let found = duplicate_rules(&load(text).unwrap());
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].name.as_str(), found[0].labels[0].1.as_str()), ("a:b", "y"));
}

#[test]
fn the_verdict_on_plain_files_is_promtools() {
    let Some(promtool) = peers::find("promtool") else { return };
    let cases = [
        "groups: []",
        "groups:\n- name: a\n  rules:\n  - record: a\n    expr: up\n",
        "groups:\n- name: a\n  rules:\n  - record: a b\n    expr: up\n",
        "groups:\n- name: a\n  rules:\n  - record: 'a{b}'\n    expr: up\n",
        "groups:\n- name: a\n  rules:\n  - alert: a b\n    expr: up\n    labels: {'a-b': c}\n",
        "groups:\n- name: a\n  rules:\n  - alert: a\n    expr: up[5m]\n",
        "groups:\n- name: a\n  rules:\n  - alert: a\n    expr: 'up{'\n",
        "groups:\n- name: a\n  rules:\n  - alert: a\n    expr: up\n    for: 1x\n",
        "groups:\n- name: a\n  rules:\n  - alert: a\n    expr: up\n    labels: {a: 1}\n",
        "groups:\n- name: a\n  rules:\n  - alert: a\n    expr: up\n    annotations: {a: [1]}\n",
        "groups:\n- name: a\n  limit: -1\n  rules: []\n",
        "groups:\n- name: a\n  rules:\n  - expr: up\n",
        "groups:\n- name: a\n- name: a\n",
        "groups:\n- name: a\n  interval: 0s\n",
        "groupz: []",
        "groups:\n- name: a\n  rules:\n  - {record: a, expr: limitk(1, up)}\n",
        "groups:\n- name: a\n  rules:\n  - {record: a, expr: 1}\n",
        "",
    ];
    let dir = tempfile::tempdir().unwrap();
    for text in cases {
        let path = dir.path().join("r.yml");
        std::fs::write(&path, text).unwrap();
        let theirs = std::process::Command::new(&promtool).args(["check", "rules"]).arg(&path).output().unwrap();
        let ours = load(text);
        assert_eq!(
            ours.is_ok(),
            theirs.status.success(),
            "{text}\nours: {ours:?}\ntheirs: {}",
            String::from_utf8_lossy(&theirs.stderr)
        );
    }
}
