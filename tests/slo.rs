//! `watchbell slo`: rules that hold here and in promtool, with tests that pass in both; what cannot be honoured is refused.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::peers;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/slo").join(name)
}

fn watchbell(arguments: &[&str], dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_watchbell")).args(arguments).current_dir(dir).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Makes rules and tests of a fixture, runs them here and in promtool, and gives both.
fn made(name: &str) -> (String, String) {
    let dir = tempfile::tempdir().unwrap();
    let spec = fixture(&format!("{name}.yaml"));
    let ran = watchbell(&["slo", spec.to_str().unwrap(), "--output", "."], dir.path());
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    let (rules, tests) = (format!("{name}.rules.yaml"), format!("{name}.tests.yaml"));
    assert_eq!(text(&ran.stdout), format!("./{rules}\n./{tests}\n"));
    let printed = watchbell(&["slo", spec.to_str().unwrap()], dir.path());
    let read = |file: &str| std::fs::read_to_string(dir.path().join(file)).unwrap();
    assert_eq!(text(&printed.stdout), read(&rules));
    for arguments in [["check", "rules", &rules], ["test", "rules", &tests]] {
        let ran = watchbell(&arguments, dir.path());
        assert!(ran.status.success(), "{}{}", text(&ran.stdout), text(&ran.stderr));
    }
    if let Some(promtool) = peers::find("promtool") {
        for arguments in [["check", "rules", "--lint=all", &rules].as_slice(), &["test", "rules", &tests]] {
            let ran = Command::new(&promtool).args(arguments).current_dir(dir.path()).output().unwrap();
            assert!(ran.status.success(), "{}{}", text(&ran.stdout), text(&ran.stderr));
        }
    }
    (read(&rules), read(&tests))
}

#[test]
fn sloths_format_becomes_rules_and_their_tests() {
    let (rules, tests) = made("sloth");
    insta::assert_snapshot!("slo_sloth_rules", rules);
    insta::assert_snapshot!("slo_sloth_tests", tests);
}

#[test]
fn openslos_format_becomes_rules_and_their_tests() {
    let (rules, tests) = made("openslo");
    insta::assert_snapshot!("slo_openslo_rules", rules);
    // Of every pair of windows both, and each alone.
    assert_eq!(tests.matches("  - name: ").count(), 12);
    assert_eq!(tests.matches("value: 1}").count(), 4);
}

#[test]
fn a_threshold_that_somebody_changed_fails_the_tests() {
    let dir = tempfile::tempdir().unwrap();
    let spec = fixture("openslo.yaml");
    assert!(watchbell(&["slo", spec.to_str().unwrap(), "--output", "."], dir.path()).status.success());
    let path = dir.path().join("openslo.rules.yaml");
    let rules = std::fs::read_to_string(&path).unwrap();
    for (was, is) in [("> 13.44 *", "> 15 *"), ("> 5.6 *", "> 1 *"), ("and\n", "or\n")] {
        assert!(rules.contains(was), "{was}");
        std::fs::write(&path, rules.replace(was, is)).unwrap();
        let ran = watchbell(&["test", "rules", "openslo.tests.yaml"], dir.path());
        assert_eq!(ran.status.code(), Some(1), "{was} -> {is}: {}", text(&ran.stdout));
    }
}

#[test]
fn what_cannot_be_honoured_is_said_with_its_place_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let spec = std::fs::read_to_string(fixture("sloth.yaml")).unwrap();
    let spec = spec.replace("events:", "plugin: {id: x}\n      events:").replace("objective: 95", "objective: 100");
    std::fs::write(dir.path().join("bad.yaml"), spec).unwrap();
    let ran = watchbell(&["slo", "bad.yaml", "--output", "."], dir.path());
    assert_eq!(ran.status.code(), Some(1));
    assert_eq!(
        text(&ran.stderr).lines().collect::<Vec<_>>(),
        [
            "bad.yaml:10:15: plugins are code of Sloth's and are not run here, expected events or raw",
            "bad.yaml:25:16: found 100 %, which leaves no budget to burn, expected more than 0 and less than 100",
        ]
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    let ran = watchbell(&["slo", "bad.yaml", "--period", "7d"], dir.path());
    assert!(text(&ran.stderr).contains("expected whole days from 28d to 92d"), "{}", text(&ran.stderr));
}
