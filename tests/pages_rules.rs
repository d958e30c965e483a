//! The page of rules: where they are tested.

use crate::support::service::Home;

#[test]
fn rules_link_to_their_tests_where_the_configuration_names_them() {
    let config = "rule_files: [rules.yml]\nwatchbell: {test_files: ['*_test.yml']}\n";
    let rules = "groups: [{name: g, rules: [{alert: Down, expr: up == 0}, {alert: Untested, expr: up > 5}, \
                 {record: 'job:up:sum', expr: sum by (job) (up)}]}]\n";
    let test = "rule_files: [rules.yml]\ntests:\n- alert_rule_test:\n  - eval_time: 1m\n    alertname: Down\n  \
                promql_expr_test:\n  - {expr: 'job:up:sum', eval_time: 1m} # <b>\n";
    let wrong = "tests: [{alert_rule_tests: []}]\n";
    let home = Home::new(&[
        ("watchbell.yaml", config),
        ("rules.yml", rules),
        ("a_test.yml", test),
        ("wrong_test.yml", wrong),
        ("secret.yml", "password"),
    ]);
    let server = home.start();
    let page = server.get("/rules").1;
    let rule = |name: &str| page.split("<article").find(|part| part.contains(&format!(">{name}</strong>"))).unwrap();
    assert!(
        rule("Down").contains("test <bdi>a_test.yml:4</bdi>") && rule("job:up:sum").contains("a_test.yml:7"),
        "{page}"
    );
    assert!(rule("Untested").contains("no test") && !rule("Down").contains("no test"), "{page}");

    let (_, link) = rule("Down").split_once("href=\"rule-test?").unwrap();
    let (query, _) = link.split_once('#').unwrap();
    let shown = server.get(&format!("/rule-test?{query}")).1;
    assert!(shown.contains("<span id=\"L5\">    alertname: Down</span>") && shown.contains("# &lt;b&gt;"), "{shown}");
    // What is no test file is not shown, nor is one that cannot be read.
    for other in ["secret.yml", "wrong_test.yml", "no_test.yml"] {
        let path = format!("/rule-test?{}", query.replace("a_test.yml", other));
        let (status, page) = server.get(&path);
        assert!(status == 404 && !page.contains("password"), "{other}: {status} {page}");
    }
}
