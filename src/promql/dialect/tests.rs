use super::*;
use crate::promql::ast::{At, BinaryOp, Dur, ExprKind};
use crate::promql::func::RangeMode;

fn parse_ok(source: &str) -> Expr {
    match parse(source, &Features::all()) {
        Ok(parsed) => parsed.expr,
        Err(fault) => panic!("{source}: {}", fault.locate(source)),
    }
}

/// A compact form of the tree, for comparison.
fn show(e: &Expr) -> String {
    match &e.kind {
        ExprKind::Number(v) => format!("{v}"),
        ExprKind::String(s) => format!("{s:?}"),
        ExprKind::Paren(x) => format!("({})", show(x)),
        ExprKind::Negate(x) => format!("-{}", show(x)),
        ExprKind::Vector(s) => format!("{:?}{}", s.matchers, show_timing(&s.timing, s.mode)),
        ExprKind::Matrix(s, d) => format!("{:?}[{d:?}]{}", s.matchers, show_timing(&s.timing, s.mode)),
        ExprKind::Subquery(s) => {
            format!("{}[{:?}:{:?}]{}", show(&s.expr), s.range, s.step, show_timing(&s.timing, RangeMode::Plain))
        }
        ExprKind::Call(c) => {
            format!("{}({})", c.func.name, c.args.iter().map(show).collect::<Vec<_>>().join(", "))
        }
        ExprKind::Aggregate(a) => {
            let param = a.param.as_ref().map_or(String::new(), |p| format!("{}, ", show(p)));
            format!("{:?} {:?}({param}{})", a.op, a.grouping.labels, show(&a.expr))
        }
        ExprKind::Binary(b) => format!("<{} {} {}>", show(&b.left), b.op.as_str(), show(&b.right)),
    }
}

fn show_timing(t: &crate::promql::ast::Timing, mode: RangeMode) -> String {
    let mut out = String::new();
    if let Some(o) = &t.offset {
        out.push_str(&format!(" offset {o:?}"));
    }
    if let Some(at) = t.at {
        out.push_str(&format!(" @ {at:?}"));
    }
    if mode != RangeMode::Plain {
        out.push_str(&format!(" {mode:?}"));
    }
    out
}

#[test]
fn trees_have_the_shape_the_grammar_gives_them() {
    for (source, want) in [
        ("-1^2", "-<1 ^ 2>"),
        ("- - - 1", "-1"),
        ("2^3^2", "<2 ^ <3 ^ 2>>"),
        ("1 - 2 - 3", "<<1 - 2> - 3>"),
        ("+a * b", "<[__name__=\"a\"] * [__name__=\"b\"]>"),
        ("a offset 2 ^ 2", "<[__name__=\"a\"] offset Millis(2000) ^ 2>"),
        ("a offset -(1+1)", "[__name__=\"a\"] offset Millis(-2000)"),
        ("a </ 1 + 2", "<[__name__=\"a\"] </ <1 + 2>>"),
        ("a[5m] @ end() offset 1m", "[__name__=\"a\"][Millis(300000)] offset Millis(60000) @ End"),
        ("a[1m] smoothed", "[__name__=\"a\"][Millis(60000)] Smoothed"),
        ("fill + fill(0) fill_left", "<[__name__=\"fill\"] + [__name__=\"fill_left\"]>"),
        ("sum by (job) (a) + min(b) by (x)", "<Sum [\"job\"]([__name__=\"a\"]) + Min [\"x\"]([__name__=\"b\"])>"),
        ("topk(3, sum)", "Topk [](3, [__name__=\"sum\"])"),
        ("-a[5m:]", "-[__name__=\"a\"][Millis(300000):None]"),
        ("{\"a b\", 'c d'=~'e'}", "[\"c d\"=~\"e\", __name__=\"a b\"]"),
        ("time() - step()", "<time() - step()>"),
        ("1h30m", "5400"),
    ] {
        // A subquery of a negated selector is refused, the rest is compared.
        if source == "-a[5m:]" {
            assert!(parse(source, &Features::all()).is_err());
            continue;
        }
        assert_eq!(show(&parse_ok(source)), want, "{source}");
    }
}

#[test]
fn every_node_knows_its_place() {
    let source = "sum(rate(foo{a=\"b\"}[5m])) / 2";
    let ExprKind::Binary(b) = parse_ok(source).kind else { panic!("binary") };
    let ExprKind::Aggregate(a) = b.left.kind else { panic!("aggregate") };
    let ExprKind::Call(c) = a.expr.kind else { panic!("call") };
    assert_eq!(source.get(a.expr.span.range()), Some("rate(foo{a=\"b\"}[5m])"));
    assert_eq!(c.args.first().and_then(|e| source.get(e.span.range())), Some("foo{a=\"b\"}[5m]"));
    assert_eq!(c.args.first().map(|e| e.span.position(source)), Some("1:10".to_owned()));
}

#[test]
fn defects_are_reported_with_their_place() {
    for (source, want) in [
        ("", "1:1: parse error: no expression found in input"),
        ("rate(foo)", "1:1: parse error: expected type range vector in call to function \"rate\", got instant vector"),
        ("1 + abs(foo, bar)", "1:5: parse error: expected 1 argument(s) in call to \"abs\", got 2"),
        ("sum(", "1:5: parse error: unclosed left parenthesis"),
        ("(a", "1:3: parse error: unclosed left parenthesis"),
        ("sum by (a", "1:10: parse error: unclosed left parenthesis"),
        ("sum(a{", "1:7: parse error: unexpected end of input inside braces"),
        ("a)", "1:2: parse error: unexpected right parenthesis ')'"),
        ("foo bar", "1:5: parse error: unexpected identifier \"bar\""),
        ("unknown(1)", "1:1: parse error: unknown function with name \"unknown\""),
        ("foo[0s]", "1:5: parse error: duration must be greater than 0"),
        ("{a=~\".*\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ("a + bool b", "1:5: parse error: bool modifier can only be used on comparison operators"),
        ("foo{a=~\"(\"}", "1:8: parse error: error parsing regexp: unclosed group"),
    ] {
        let text = match parse(source, &Features::all()) {
            Ok(_) => panic!("{source} parses"),
            Err(fault) => fault.locate(source).to_string(),
        };
        assert!(text.starts_with(want), "{source}: {text}");
    }
}

#[test]
fn deep_and_long_queries_are_refused_or_parsed_but_never_crash() {
    let deep = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
    assert!(parse(&deep(150), &Features::all()).is_ok());
    assert!(parse(&deep(100_000), &Features::all()).is_err());
    assert!(parse(&"-".repeat(100_000), &Features::all()).is_err());
    let chain = vec!["1"; 3_000].join("+");
    assert!(parse(&chain, &Features::all()).is_ok());
    assert!(parse(&vec!["1"; 30_000].join("^"), &Features::all()).is_err());
    assert!(parse(&format!("a[{}1{}]", "(".repeat(1000), ")".repeat(1000)), &Features::all()).is_err());
}

#[test]
fn features_that_are_off_are_refused() {
    for source in
        ["a smoothed", "a + fill(1) b", "limitk(1, a)", "mad_over_time(a[5m])", "ts_of_first_over_time(a[5m])"]
    {
        assert!(parse(source, &Features::default()).is_err(), "{source}");
    }
    // What has left its switch.
    for source in ["a offset -5m", "a[1m+1m]", "a offset (1)", "a[step()]", "first_over_time(a[5m])"] {
        assert!(parse(source, &Features::default()).is_ok(), "{source}");
    }
}

#[test]
fn times_after_at_are_seconds() {
    for (source, want) in [("a @ 1.234", At::Time(1234)), ("a @ -1m", At::Time(-60_000)), ("a @ start()", At::Start)] {
        let ExprKind::Vector(s) = parse_ok(source).kind else { panic!("vector") };
        assert_eq!(s.timing.at, Some(want));
    }
    assert!(parse("a @ Inf", &Features::all()).is_err());
}

#[test]
fn durations_are_computed_when_they_can_be() {
    for (source, want) in [
        ("a[5m+1h/2]", Some(Dur::Millis(2_100_000))),
        ("a[2m*(10+5)]", Some(Dur::Millis(1_800_000))),
        ("a[-2^2+10]", Some(Dur::Millis(6_000))),
        ("a[1h30m % 1h]", Some(Dur::Millis(1_800_000))),
        ("a[step()+1]", None),
    ] {
        let ExprKind::Matrix(_, d) = parse_ok(source).kind else { panic!("matrix") };
        match want {
            Some(w) => assert_eq!(d, w, "{source}"),
            None => assert_eq!(d.millis(10_000, 0), Ok(11_000)),
        }
    }
    assert_eq!(BinaryOp::TrimLower.as_str(), ">/");
}
