//! The language against what Go gives: fixtures/templates/go.txt holds templates and their outputs.

use serde_json::Value as Json;

use super::alertmanager::{AlertData, Data, Templates};
use super::*;
use crate::model::Labels;

fn labels(json: &Json) -> Labels {
    let pairs = json.as_object().into_iter().flatten();
    Labels::from_pairs(pairs.map(|(k, v)| (k.clone(), v.as_str().unwrap_or("").to_owned())))
}

fn time(json: &Json) -> Time {
    let text = json.as_str().unwrap();
    match chrono::DateTime::parse_from_rfc3339(text).unwrap() {
        t if text.starts_with("0001") => (t, Time::zero()).1,
        t => Time::from_millis(t.timestamp_millis()),
    }
}

fn string(json: &Json) -> String {
    json.as_str().unwrap_or("").to_owned()
}

/// The data of fixtures/templates/data.json.
pub(super) fn data() -> Value {
    let json: Json = serde_json::from_str(include_str!("../../fixtures/templates/data.json")).unwrap();
    let alert = |a: &Json| AlertData {
        status: string(&a["status"]),
        labels: labels(&a["labels"]),
        annotations: labels(&a["annotations"]),
        starts_at: time(&a["startsAt"]),
        ends_at: time(&a["endsAt"]),
        generator_url: string(&a["generatorURL"]),
        fingerprint: string(&a["fingerprint"]),
        value: None,
        resolved_value: None,
    };
    Data {
        receiver: string(&json["receiver"]),
        status: string(&json["status"]),
        alerts: json["alerts"].as_array().unwrap().iter().map(alert).collect(),
        notification_reason: String::new(),
        group_labels: labels(&json["groupLabels"]),
        common_labels: labels(&json["commonLabels"]),
        common_annotations: labels(&json["commonAnnotations"]),
        route_labels: Labels::empty(),
        external_url: string(&json["externalURL"]),
    }
    .into_value()
}

fn cases(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    text.split("<<<\n").skip(1).map(|case| {
        let (template, output) = case.split_once("\n===\n").unwrap();
        (template, output.rsplit_once("\n>>>").unwrap().0)
    })
}

#[test]
fn every_template_gives_what_go_gives() {
    let data = data();
    let templates = Templates::default();
    let mut wrong = String::new();
    let mut count = 0;
    for (template, want) in cases(include_str!("../../fixtures/templates/go.txt")) {
        count += 1;
        let got = templates.text(template, &data, &NoHost).unwrap_or_else(|e| e.to_string());
        if got != want {
            wrong.push_str(&format!("{template}\n  want {want:?}\n  got  {got:?}\n"));
        }
    }
    assert!(count > 150, "{count} cases");
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn default_templates_render_what_alertmanagers_do() {
    let alert = |instance: &str, status: &str, described: bool| {
        let mut annotations = vec![("summary", "Its hot")];
        if described {
            annotations.push(("description", "الذاكرة ممتلئة <b>x</b>"));
        }
        AlertData {
            status: status.into(),
            labels: Labels::from_pairs([
                ("alertname", "High <CPU> & \"more\""),
                ("instance", instance),
                ("severity", "critical"),
            ]),
            annotations: Labels::from_pairs(annotations),
            starts_at: Time::from_millis(0),
            ends_at: Time::zero(),
            generator_url: if described {
                "http://prom/graph?g0.expr=up+%3D%3D+0&g0.tab=1".into()
            } else {
                String::new()
            },
            fingerprint: "abc".into(),
            value: None,
            resolved_value: None,
        }
    };
    let group = |status: &str, alerts: Vec<AlertData>| Data {
        receiver: "team X/pager".into(),
        status: status.into(),
        route_labels: Labels::empty(),
        common_annotations: if alerts.len() > 1 {
            Labels::from_pairs([("summary", "Its hot")])
        } else {
            alerts[0].annotations.clone()
        },
        common_labels: if alerts.len() > 1 {
            Labels::from_pairs([("alertname", "High <CPU> & \"more\""), ("severity", "critical")])
        } else {
            alerts[0].labels.clone()
        },
        alerts,
        notification_reason: String::new(),
        group_labels: Labels::from_pairs([("alertname", "High <CPU> & \"more\"")]),
        external_url: "http://am:9093/x".into(),
    };
    let groups = [
        group("firing", vec![alert("a", "firing", true), alert("c", "firing", false)]),
        group("firing", vec![alert("a", "firing", true), alert("c", "resolved", false)]),
        group("resolved", vec![alert("a", "resolved", true)]),
    ];
    let templates = Templates::default();
    let golden: Json = serde_json::from_str(include_str!("../../fixtures/templates/defaults.json")).unwrap();
    let golden = golden.as_object().unwrap();
    assert!(golden.len() > 50);
    for (name, texts) in golden {
        for (group, want) in groups.iter().zip(texts.as_array().unwrap()) {
            let of_alerts = name.starts_with("__text") || name.ends_with("instances");
            let text = format!("{{{{ template {name:?} {} }}}}", if of_alerts { ".Alerts" } else { "." });
            let got = templates.text(&text, &group.clone().into_value(), &NoHost).unwrap();
            assert_eq!(got, want.as_str().unwrap(), "{name} of {} {} alerts", group.alerts.len(), group.status);
        }
    }
}

fn expansion<'a>(
    labels: &'a Labels,
    value: &'a crate::model::Value,
    query: &'a prometheus::QueryFn<'a>,
) -> prometheus::Expansion<'a> {
    static EXTERNAL: std::sync::LazyLock<Labels> =
        std::sync::LazyLock::new(|| Labels::from_pairs([("cluster", "eu-1")]));
    prometheus::Expansion {
        labels,
        value,
        external_labels: &EXTERNAL,
        external_url: "http://prom.example:9090/pre",
        at: 1_700_000_000_000,
        query,
    }
}

#[test]
fn alert_templates_expand_as_prometheus_expands_them() {
    let labels = Labels::from_pairs([("__name__", "up"), ("instance", "host.example:9100"), ("job", "node")]);
    let value = crate::model::Value::Float(1_234_567.5);
    let sample = |instance: &str, v: f64| func::QuerySample {
        labels: Labels::from_pairs([("instance", instance), ("__value__", "odd")]),
        value: crate::model::Value::Float(v),
    };
    let query = |q: &str, at: i64| match q {
        "up" if at == 1_700_000_000_000 => Ok(vec![sample("b", 11.0), sample("a", 21.0)]),
        "none" => Ok(vec![]),
        other => Err(format!("unknown query {other}")),
    };
    let with = expansion(&labels, &value, &query);
    for (text, want) in [
        ("no template", "no template"),
        ("{{ $value }} {{ $labels.job }} {{ $labels.nope }}|", "1.2345675e+06 node |"),
        (
            "{{ .Value }} {{ $externalLabels.cluster }} {{ $externalURL }}",
            "1.2345675e+06 eu-1 http://prom.example:9090/pre",
        ),
        ("{{ $labels }}", "map[__name__:up instance:host.example:9100 job:node]"),
        ("{{ query \"up\" | first | value }} {{ query \"up\" | first | label \"instance\" }}", "11 b"),
        (
            "{{ range query \"up\" | sortByLabel \"instance\" }}{{ .Labels.instance }}={{ .Value }},{{ end }}",
            "a=21,b=11,",
        ),
        ("{{ query \"up\" | first | strvalue }}", "odd"),
        ("{{ with query \"none\" }}some{{ else }}none{{ end }}", "none"),
        ("{{ humanize $value }} {{ humanize 0.0 }} {{ humanize 0.00123 }} {{ humanize -1e12 }}", "1.235M 0 1.23m -1T"),
        ("{{ humanize1024 $value }} {{ humanize1024 1048576.0 }} {{ humanize1024 0.5 }}", "1.177Mi 1Mi 0.5"),
        (
            "{{ humanizeDuration 93784.0 }} {{ humanizeDuration .5 }} {{ humanizeDuration -61.0 }}",
            "1d 2h 3m 4s 500ms -1m 1s",
        ),
        ("{{ humanizePercentage 0.98765 }} {{ humanizePercentage \"0.5\" }}", "98.77% 50%"),
        ("{{ humanizeTimestamp 1435065584.128 }}", "2015-06-23 13:19:44.128 +0000 UTC"),
        ("{{ (1435065584.128 | toTime).Year }} {{ toDuration 90 }} {{ now }}", "2015 1m30s 1.7e+09"),
        ("{{ title \"aa bb CC\" }} {{ toUpper \"aéß\" }} {{ toLower \"AB\" }}", "Aa Bb CC AÉß ab"),
        ("{{ match \"a+\" \"aa\" }} {{ reReplaceAll \"(a)b\" \"x$1\" \"ab\" }}", "true xa"),
        (
            "{{ graphLink \"up == 0\" }} {{ tableLink \"up\" }}",
            "/graph?g0.expr=up+%3D%3D+0&g0.tab=0 /graph?g0.expr=up&g0.tab=1",
        ),
        ("{{ parseDuration \"1h30m\" }} {{ urlQueryEscape \"a b\" }}", "5400 a+b"),
        (
            "{{ stripPort $labels.instance }} {{ stripDomain $labels.instance }} {{ stripDomain \"10.0.0.1:80\" }}",
            "host.example host:9100 10.0.0.1:80",
        ),
        ("{{ stripPort \"[::1]:80\" }} {{ stripDomain \"[::1]:80\" }} {{ stripDomain \"a.b\" }}", "::1 [::1]:80 a"),
        ("{{ with args 1 \"x\" }}{{ .arg0 }}{{ .arg1 }}{{ end }}", "1x"),
        ("{{ externalURL }} {{ pathPrefix }} {{ safeHtml \"<b>\" }}", "http://prom.example:9090/pre /pre <b>"),
        ("الوحدة {{ $labels.job }}", "الوحدة node"),
        (
            "{{ foo }}",
            "<error expanding template: error parsing template __alert_A: template: __alert_A:1: function \"foo\" not defined>",
        ),
        (
            "{{ $value.X }}",
            "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing \
             \"__alert_A\" at <$value.X>: can't evaluate field X in type float64>",
        ),
        (
            "{{ query \"bad\" }}",
            "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing \
             \"__alert_A\" at <query \"bad\">: error calling query: unknown query bad>",
        ),
        (
            "{{ query \"none\" | first | value }}",
            "<error expanding template: error executing template __alert_A: template: __alert_A:1:130: executing \
             \"__alert_A\" at <first>: error calling first: first() called on vector with no elements>",
        ),
    ] {
        let got = prometheus::AlertTemplate::new("A", text).expand(&with);
        assert_eq!(got, want, "{text}");
    }
}

#[test]
fn a_rule_is_told_of_a_template_that_cannot_work() {
    assert!(prometheus::check("A", "{{ $value | humanize }}").is_ok());
    let error = prometheus::check("A", "{{ nope }}").unwrap_err();
    assert_eq!(error.to_string(), "template: __alert_A:1: function \"nope\" not defined");
    let error = prometheus::check("A", "\n{{ $x }}").unwrap_err();
    assert_eq!(error.to_string(), "template: __alert_A:2: undefined variable \"$x\"");
}

#[test]
fn user_templates_override_the_defaults_and_each_other() {
    let mut templates = Templates::default();
    templates.add_file("a.tmpl", "{{ define \"slack.default.title\" }}mine {{ template \"own\" . }}{{ end }}").unwrap();
    templates.add_file("b.tmpl", "{{ define \"own\" }}{{ .Status }}{{ end }}").unwrap();
    templates.add_file("c.tmpl", "{{ define \"own\" }} {{ end }}").unwrap();
    let text = templates.text("{{ template \"slack.default.fallback\" . }}", &data(), &NoHost).unwrap();
    assert_eq!(text, "mine firing | http://am:9093/x/#/alerts?receiver=team+X%2Fpager");
    let error = templates.add_file("d.tmpl", "{{ define \"x\" }}").unwrap_err();
    assert_eq!(error.to_string(), "template: d.tmpl:1: unexpected EOF");
}

#[test]
fn limits_end_what_would_not_end() {
    let set = TemplateSet::new(&[]).with_limits(Limits { output: 1000, steps: 500, depth: 20, ..Limits::default() });
    for (text, cause) in [
        ("{{ range 1000000000 }}x{{ end }}", "takes more than 500 steps"),
        ("{{ define \"r\" }}{{ template \"r\" }}{{ end }}{{ template \"r\" }}", "exceeded maximum template depth (20)"),
        ("{{ printf \"%900d\" 1 }}{{ printf \"%900d\" 1 }}", "output is longer than 1000 bytes"),
    ] {
        let error = set.execute(&set.parse("t", text).unwrap(), &Value::Nil, &NoHost).unwrap_err().to_string();
        assert!(error.contains(cause), "{text}: {error}");
    }
    let deep = format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(set.parse("t", &format!("{{{{ {deep} }}}}")).is_err());
    assert!(set.parse("t", &"{{ if 1 }}".repeat(10_000)).is_err());
    assert!(set.parse("t", &"{{ if 1 }}{{ else ".repeat(10_000)).is_err());
}

#[test]
fn float_constants_of_integral_value_are_integers_where_integers_are_wanted() {
    let (templates, data) = (Templates::default(), data());
    for (text, want) in [
        ("{{ ((index .Alerts 0).StartsAt.Add 28800e9).Format \"15:04\" }}", "11:04"),
        ("{{ ((index .Alerts 0).StartsAt.AddDate 0.0 1e0 0).Format \"2006-01-02\" }}", "2024-02-02"),
        ("{{ (index .Alerts 0).StartsAt.Add 1.5 }}", "expected integer; found 1.5"),
    ] {
        let got = templates.text(text, &data, &NoHost).unwrap_or_else(|e| e.to_string());
        assert!(got.ends_with(want), "{text}: {got}");
    }
}

#[test]
fn the_functions_that_alertmanager_0_34_added() {
    let (templates, data) = (Templates::default(), data());
    for (text, want) in [
        ("{{ (toDate \"2006-01-02\" \"2026-03-04\").Year }} {{ (toDate \"2006-01-02\" \"soon\").Year }}", "2026 1"),
        ("{{ mustToDate \"2006-01-02\" \"2026-03-04\" | date \"Jan 2\" }}", "Mar 4"),
        (
            "{{ mustToDate \"2006-01-02\" \"soon\" }}",
            "error calling mustToDate: parsing time \"soon\" as \"2006-01-02\": cannot parse \"soon\" as \"2006\"",
        ),
        ("{{ base64encode \"a?>~\" }} {{ base64decode \"YT8-fg==\" }}", "YT8-fg== a?>~"),
        ("{{ base64decode \"%\" }}", "error calling base64decode: illegal base64 data at input byte 0"),
        ("{{ toUpper \"straße\" }}", "STRAßE"),
    ] {
        let got = templates.text(text, &data, &NoHost).unwrap_or_else(|e| e.to_string());
        assert!(got.ends_with(want), "{text}: {got}");
    }
}

#[test]
fn html_is_escaped_for_its_place() {
    let templates = Templates::default();
    let data = Value::map([
        ("bad", Value::str("<script>\"x\"</script>&'")),
        ("js", Value::str("javascript:alert(1)")),
        ("url", Value::str("http://a/b?c=d&e=f g")),
        ("pair", Value::str("a onclick=b")),
        ("color", Value::str("#c62828")),
    ]);
    for (text, want) in [
        ("<p>{{ .bad }}</p>", "<p>&lt;script&gt;&#34;x&#34;&lt;/script&gt;&amp;&#39;</p>"),
        ("<p title=\"{{ .bad }}\">", "<p title=\"&lt;script&gt;&#34;x&#34;&lt;/script&gt;&amp;&#39;\">"),
        ("<a href=\"{{ .js }}\">", "<a href=\"#ZgotmplZ\">"),
        (
            "<a x y\nhref = \"{{ .js }}\" title = {{ .pair }}>",
            "<a x y\nhref = \"#ZgotmplZ\" title = a&#32;onclick&#61;b>",
        ),
        ("<a href=\"{{ .url }}\">", "<a href=\"http://a/b?c=d&amp;e=f%20g\">"),
        ("<a href=\"/x?u={{ .url }}\">", "<a href=\"/x?u=http%3a%2f%2fa%2fb%3fc%3dd%26e%3df%20g\">"),
        ("<a href=\"/x?u={{ .url | urlquery }}\">", "<a href=\"/x?u=http%3A%2F%2Fa%2Fb%3Fc%3Dd%26e%3Df+g\">"),
        ("<a href=\"{{ .url | html }}\">", "<a href=\"http://a/b?c=d&amp;e=f%20g\">"),
        ("<p>{{ .bad | html }}</p>", "<p>&lt;script&gt;&#34;x&#34;&lt;/script&gt;&amp;&#39;</p>"),
        ("<p title={{ .pair }}>", "<p title=a&#32;onclick&#61;b>"),
        ("<p style=\"color: {{ .color }}\">", "<p style=\"color: #c62828\">"),
        ("<p style=\"color: {{ .js }}\">", "<p style=\"color: ZgotmplZ\">"),
        ("<style>p { color: {{ .bad }} }</style>{{ .color }}", "<style>p { color: ZgotmplZ }</style>#c62828"),
        (
            "<p onclick=\"f('{{ .bad }}')\">",
            "<p onclick=\"f('\\u003Cscript\\u003E\\&#34;x\\&#34;\\u003C/script\\u003E\\u0026\\&#39;')\">",
        ),
        ("<script>var x = \"a {{ .color }}\";</script>", "<script>var x = \"a #c62828\";</script>"),
        (
            "<title>{{ .bad }}</title><p>{{ .color }}",
            "<title>&lt;script&gt;&#34;x&#34;&lt;/script&gt;&amp;&#39;</title><p>#c62828",
        ),
        ("{{ safeHtml \"<b>x</b>\" }}", "<b>x</b>"),
        ("<!-- {{ .bad }} -->", "<!--  -->"),
        (
            "<script>var x = {{ .bad }};</script>{{ .bad }}",
            "<script>var x = \"\\u003Cscript\\u003E\\\"x\\\"\\u003C/script\\u003E\\u0026\\u0027\";</script>&lt;script&gt;&#34;x&#34;&lt;/script&gt;&amp;&#39;",
        ),
    ] {
        assert_eq!(templates.html(text, &data, &NoHost).unwrap(), want, "{text}");
    }
}

/// What Go's html/template makes of the same.
#[test]
fn styles_and_lists_of_pictures_are_escaped_for_their_place() {
    let templates = Templates::default();
    let data = Value::map([
        ("js", Value::str("javascript:alert(1337)")),
        ("path", Value::str("/search?img=foo&size=icon")),
        ("url", Value::str("http://oreilly.com/O'Reilly Animals(1)<2>;{}.html")),
        ("file", Value::str("O'Reilly Animal(1)<2>.png")),
        ("special", Value::str("/**/'\";:// \\")),
        ("hidden", Value::str("javascript\\3a alert(1337)")),
        ("color", Value::str("red")),
        ("set", Value::str("/a b.png, javascript:x 2x,/c.png 2x,/d onerror=x")),
    ]);
    for (text, want) in [
        ("<p style=\"background: url({{ .path }})\">", "<p style=\"background: url(/search?img=foo&amp;size=icon)\">"),
        (
            "<p style=\"background: url('{{ .path }}')\">",
            "<p style=\"background: url('/search?img=foo&amp;size=icon')\">",
        ),
        (
            "<p style='background: URL( \"{{ .path }}\" )'>",
            "<p style='background: URL( \"/search?img=foo&amp;size=icon\" )'>",
        ),
        ("<p style=\"background: url('{{ .js }}')\">", "<p style=\"background: url('#ZgotmplZ')\">"),
        ("<p style=\"background: url({{ .js }})\">", "<p style=\"background: url(#ZgotmplZ)\">"),
        (
            "<p style=\"background: url('{{ .url }}')\">",
            "<p style=\"background: url('http://oreilly.com/O%27Reilly%20Animals%281%29%3c2%3e;%7b%7d.html')\">",
        ),
        (
            "<p style=\"background: url(/img?name={{ .file }})\">",
            "<p style=\"background: url(/img?name=O%27Reilly%20Animal%281%29%3c2%3e.png)\">",
        ),
        ("<p style=\"background: curl({{ .path }})\">", "<p style=\"background: curl(ZgotmplZ)\">"),
        (
            "<p style=\"font-family: '{{ .special }}'\">",
            "<p style=\"font-family: '\\2f**\\2f\\27\\22\\3b\\3a\\2f\\2f  \\\\'\">",
        ),
        ("<p style=\"background: '{{ .js }}'\">", "<p style=\"background: '#ZgotmplZ'\">"),
        (
            "<p style=\"background: '{{ .hidden }}'\">",
            "<p style=\"background: 'javascript\\\\3a alert\\28 1337\\29 '\">",
        ),
        ("<p style=\"font: 'a'; color: {{ .color }}\">", "<p style=\"font: 'a'; color: red\">"),
        ("<p style=\"background: url(a.png) {{ .path }}\">", "<p style=\"background: url(a.png) ZgotmplZ\">"),
        (
            "<style>a { background: url({{ .path }}) }</style>",
            "<style>a { background: url(/search?img=foo&size=icon) }</style>",
        ),
        ("<style>a { /* '{{ .color }} */ color: {{ .color }} }</style>", "<style>a { /* ' */ color: red }</style>"),
        (
            "<style>a::before { content: '\\'{{ .path }}' }</style>",
            "<style>a::before { content: '\\'\\2fsearch?img=foo\\26size=icon' }</style>",
        ),
        ("<img srcset=\"{{ .js }}\">", "<img srcset=\"#ZgotmplZ\">"),
        ("<img srcset=\"{{ .set }}\">", "<img srcset=\"#ZgotmplZ,#ZgotmplZ,/c.png 2x,#ZgotmplZ\">"),
        ("<img srcset=\"{{ .path }} 2x, /x.png\">", "<img srcset=\"/search?img=foo&amp;size=icon 2x, /x.png\">"),
    ] {
        assert_eq!(templates.html(text, &data, &NoHost).unwrap(), want, "{text}");
    }
}

#[test]
fn the_default_mail_is_escaped_and_lets_text_find_its_direction() {
    let html = Templates::default().html("{{ template \"email.default.html\" . }}", &data(), &NoHost).unwrap();
    assert!(html.contains("الذاكرة ممتلئة &lt;b&gt;x&lt;/b&gt;"), "{html}");
    assert!(html.contains("dir=\"auto\""));
    assert!(
        html.contains("href=\"http://am:9093/x/#/alerts?receiver=team&#43;X%2FPager\"")
            || html.contains("receiver=team"),
        "{html}"
    );
    assert!(!html.contains("ZgotmplZ"), "{html}");
    assert!(html.contains("[2] Firing") && html.contains("[1] Resolved"));
    assert!(html.contains("<a href=\"http://am:9093/x\"") && html.contains("Sent by Alertmanager"), "{html}");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_engine_panic(text in "(\\{\\{|\\}\\}|-|if|range|end|else|with|define|template|block|break|\\$x|:=|=|\\.a|\\.|\"|`|'|\\(|\\)|\\||,| |\n|1|len|printf|%d|/\\*|\\*/|م|.){0,40}") {
        let templates = Templates::default();
        // Any result will do.
        let _ = templates.text(&text, &data(), &NoHost);
        let _ = templates.html(&text, &data(), &NoHost);
    }

    #[test]
    fn no_format_makes_printf_panic(format in "(%|\\*|\\.|\\[|\\]|[0-9]|[a-zA-Z#+ -]|م){0,12}") {
        let args = [Value::Int(-7), Value::str("a\u{645}"), Value::Float(1.5e-9), Value::Nil, Value::list(vec![Value::Bool(true)])];
        print::sprintf(&format, &args);
    }
}

/// What a hostile template of notifications says.
fn refused(text: &str) -> String {
    Templates::default().text(text, &data(), &NoHost).unwrap_err().to_string()
}

#[test]
fn texts_inside_a_template_are_bounded_not_its_output_alone() {
    let long = "{{ $a := printf \"%1000000d\" 1 }}";
    for (text, why) in [
        ("{{ $a := \"x\" }}{{ range 30 }}{{ $a = printf \"%s%s\" $a $a }}{{ end }}".to_owned(), "text is longer than"),
        ("{{ $a := \"x\" }}{{ range 30 }}{{ $a = print $a $a }}{{ end }}".to_owned(), "text is longer than"),
        (format!("{long}{{{{ $b := print {} }}}}", "$a ".repeat(1000)), "reads and writes more than"),
        (format!("{long}{{{{ $b := printf \"%s\" (list {}) }}}}", "$a ".repeat(20)), "text is longer than"),
        (format!("{long}{{{{ $b := join $a (stringSlice {}) }}}}", "\"\" ".repeat(1000)), "text is longer than"),
        (format!("{long}{{{{ $b := reReplaceAll \" \" $a $a }}}}"), "text is longer than"),
        (format!("{long}{{{{ $b := reReplaceAll \".*\" \"{}\" $a }}}}", "$0".repeat(1000)), "text is longer than"),
        (format!("{long}{{{{ $b := toJson (list {}) }}}}", "$a ".repeat(20)), "text is longer than"),
        (format!("{long}{{{{ range 10000 }}}}{{{{ $b := toUpper $a }}}}{{{{ end }}}}"), "reads and writes more than"),
        (
            format!("{long}{{{{ range 10000 }}}}{{{{ $b := match \"y\" $a }}}}{{{{ end }}}}"),
            "reads and writes more than",
        ),
        (format!("{long}{{{{ $b := html (printf \"%q\" $a) | urlquery | urlquery }}}}"), "text is longer than"),
    ] {
        let error = refused(&text);
        assert!(error.contains(why), "{}: {error}", text.chars().take(120).collect::<String>());
    }
    // A list of itself, deeper and deeper, or wider and wider.
    let deep = refused("{{ $a := list 1 }}{{ range 100000 }}{{ $a = list $a }}{{ end }}");
    assert!(deep.contains("lists are nested deeper than 100"), "{deep}");
    for show in ["{{ $b := print $a }}", "{{ $b := toJson $a }}", "{{ $a }}"] {
        let wide =
            format!("{{{{ $a := list 1 }}}}{{{{ range 19 }}}}{{{{ $a = list $a $a $a $a $a }}}}{{{{ end }}}}{show}");
        let error = refused(&wide);
        assert!(error.contains("longer than"), "{error}");
    }
    assert!(
        refused("{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}")
            .contains("maximum template depth")
    );
    assert!(refused("{{ range 100000000 }}{{ end }}").contains("steps"));
}
