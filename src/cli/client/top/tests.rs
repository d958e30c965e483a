use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value as Json, json};

use super::draw::{draw, plain};
use super::model::{Model, Over};
use super::view::{Answer, Looked, Section, Wish};
use crate::history::Decision;
use crate::model::{Labels, Matcher};

/// 2026-01-01T12:00:00Z
const NOW: i64 = 1_767_268_800_000;

/// A view with all there can be in one.
fn looked() -> Looked {
    of(now(), decision())
}

fn of(now: Json, decision: Json) -> Looked {
    let decision: Decision = serde_json::from_value(decision).unwrap();
    Looked { now: serde_json::from_value(now).unwrap(), decisions: Ok(vec![decision]) }
}

/// What the service says: told and untold groups, mutes, names in Arabic, labels that try to drive the
/// terminal, more than is listed, what is blind.
fn now() -> Json {
    let alert = |n: u8, name: &str, severity: &str, since: &str, value: &str| {
        json!({
            "fingerprint": format!("{n:016x}"), "severity": severity, "summary": format!("{name} is so"),
            "labels": { "alertname": name, "severity": severity, "cluster": "a", "gpu": n.to_string() },
            "since": since, "value": value, "mutes": [],
        })
    };
    let mut silenced = alert(2, "GPUTemperatureHigh", "warning", "2026-01-01T11:00:00.000Z", "91.5");
    silenced["mutes"] = json!([{ "kind": "silenced", "by": "noura", "until": "2026-01-01T13:30:00.000Z" }]);
    let mut hostile = alert(3, "ارتفاع الحرارة", "info", "2026-01-01T11:59:55.000Z", "NaN");
    hostile["labels"]["evil"] = "\u{1b}[2J\u{202e}x".into();
    hostile["summary"] = "\u{1b}]0;owned\u{7}line\nbreak".into();
    json!({
        "time": "2026-01-01T12:00:00.000Z", "firing": 15, "muted": 1, "moreGroups": 2,
        "blind": [{ "text": "2 of 9 rules fail: what they would tell is not known", "reasons": ["no such \u{1b}[31mmetric"] }],
        "groups": [
            {
                "id": "0a", "labels": { "cluster": "a" }, "receivers": ["ml-oncall", "slack"], "count": 2, "muted": 1,
                "nextFlush": "2026-01-01T12:00:20.000Z",
                "told": [
                    { "receiver": "ml-oncall", "integration": "webhook", "at": "2026-01-01T11:50:00.000Z", "why": "it is new",
                      "error": null, "next": "2026-01-01T15:50:00.000Z" },
                    { "receiver": "slack", "integration": "slack", "at": null, "why": null, "error": "HTTP status 503",
                      "next": null },
                ],
                "alerts": [alert(1, "GPUMemoryExhausted", "critical", "2026-01-01T11:48:30.000Z", "0.9731"), silenced],
            },
            {
                "id": "0b", "labels": {}, "receivers": ["default"], "nextFlush": null, "count": 13, "muted": 0, "told": [],
                "alerts": [hostile],
            },
        ],
        "pending": [{
            "fingerprint": "00000000000000ff", "labels": { "alertname": "LatencyHigh", "severity": "warning", "job": "api" },
            "severity": "warning", "value": "1.25", "activeAt": "2026-01-01T11:58:00.000Z", "firesAt": "2026-01-01T12:03:00.000Z",
        }],
        "pendingCount": 3,
        "receivers": [
            { "receiver": "ml-oncall", "integration": "webhook", "index": 0, "attempts": 3, "failures": 0,
              "lastDelivered": "2026-01-01T11:50:00.000Z", "lastError": "" },
            { "receiver": "slack", "integration": "slack", "index": 0, "attempts": 9, "failures": 9,
              "lastDelivered": null, "lastError": "HTTP status 503" },
        ],
    })
}

fn decision() -> Json {
    json!({
        "time": "2026-01-01T11:50:00.000Z", "kind": "sent", "details": { "attempt": 1 }, "receiver": "ml-oncall",
        "integration": "webhook[0]", "notification": 7,
        "alerts": [{ "labels": { "alertname": "GPUMemoryExhausted" }, "fingerprint": "0123456789abcdef" }],
    })
}

fn model() -> Model {
    let mut model = Model::new("http://user:secret@localhost:9093/", true, 2_000);
    model.answer(Answer::Looked(Ok(looked())), NOW);
    model
}

/// What a terminal of a size shows, its style left out.
fn shown(model: &Model, width: u16, height: u16, now: i64) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(model, (frame.area(), frame.buffer_mut()), true, now)).unwrap();
    let text = terminal.backend().to_string();
    assert!(!text.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}')), "{text:?}");
    text
}

fn press(model: &mut Model, keys: &[KeyCode]) -> Wish {
    let mut last = Wish::Nothing;
    for key in keys {
        last = model.key(KeyEvent::new(*key, KeyModifiers::NONE));
    }
    last
}

fn typed(model: &mut Model, text: &str) {
    text.chars().for_each(|c| _ = press(model, &[KeyCode::Char(c)]));
}

#[test]
fn a_terminal_of_any_size_shows_what_fits() {
    for (width, height) in [(120, 36), (80, 24), (44, 12)] {
        insta::assert_snapshot!(format!("top_{width}x{height}"), shown(&model(), width, height, NOW));
    }
    // No size is too small for it.
    for (width, height) in [(1, 1), (1, 40), (3, 3), (200, 1), (200, 2), (7, 20)] {
        shown(&model(), width, height, NOW);
    }
}

#[test]
fn where_standard_output_is_no_terminal_everything_is_written_plainly() {
    let text = plain(&looked(), "http://user:secret@localhost:9093", "2026-01-01 12:00:00 UTC");
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']) && !text.contains("secret"), "{text}");
    insta::assert_snapshot!("top_plain", text);
}

/// Every text of it, but for numbers and times and what stands for one of a few things, with what drives a terminal in it,
/// and long.
fn made_hostile(json: &mut Json) {
    match json {
        Json::String(text) if text.parse::<f64>().is_err() && !text.ends_with('Z') && text != "sent" => {
            *text = format!("\u{1b}[2J\u{7}\r\u{9b}31m\u{202e}{text}{}", "x".repeat(5_000));
        }
        Json::Array(all) => all.iter_mut().for_each(made_hostile),
        Json::Object(fields) => fields.values_mut().for_each(made_hostile),
        _ => {}
    }
}

#[test]
fn nothing_that_a_server_says_drives_the_terminal() {
    let (mut now, mut decision) = (now(), decision());
    made_hostile(&mut now);
    made_hostile(&mut decision);
    decision["alerts"][0]["fingerprint"] = "0123456789abcdef".into();
    let looked = of(now, decision);
    let text = plain(&looked, "http://\u{1b}[2J", "now");
    assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
    assert!(text.contains("\\u{1b}[2J") && text.lines().all(|line| line.len() < 12_000), "{text}");
    let mut model = Model::new("http://\u{1b}[2J", true, 2_000);
    model.answer(Answer::Looked(Ok(looked)), NOW);
    model.answer(Answer::Looked(Err("\u{1b}[2J".repeat(5_000))), NOW);
    model.answer(Answer::Done(Err("\u{1b}[2J".repeat(5_000))), NOW);
    let drawn = shown(&model, 400, 60, NOW);
    assert!(!drawn.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{drawn:?}");
    assert!(drawn.matches("\\u{1b}[2J").count() > 20, "{drawn}");
}

#[test]
fn an_explanation_that_comes_late_takes_no_form_away() {
    let mut model = model();
    press(&mut model, &[KeyCode::Down; 3]);
    press(&mut model, &[KeyCode::Char('e'), KeyCode::Char('a')]);
    typed(&mut model, "mi");
    model.answer(Answer::Explained(Ok("because".into())), NOW);
    typed(&mut model, "ne");
    let acknowledge = Wish::Acknowledge { fingerprint: "0000000000000001".into(), comment: "mine".into() };
    assert_eq!(press(&mut model, &[KeyCode::Enter]), acknowledge);
}

#[test]
fn a_server_that_is_gone_is_told_with_the_age_of_what_is_shown() {
    let mut model = Model::new("http://localhost:9093", true, 2_000);
    model.answer(Answer::Looked(Err("connection refused".into())), NOW);
    assert!(shown(&model, 80, 24, NOW + 3_000).contains("no answer for 3s: connection refused"));
    model.answer(Answer::Looked(Ok(looked())), NOW);
    assert!(!shown(&model, 80, 24, NOW).contains("no answer"));
    assert!(!shown(&model, 80, 24, NOW + 7_000).contains("awaited"));
    assert!(shown(&model, 80, 24, NOW + 7_001).contains("an answer is awaited; what is below is 7s old"));
    model.answer(Answer::Looked(Err("connection refused".into())), NOW + 2_000);
    model.answer(Answer::Looked(Err("connection refused".into())), NOW + 9_000);
    let text = shown(&model, 80, 24, NOW + 12_000);
    assert!(text.contains("no answer for 10s; what is below is 12s old: connection refused"), "{text}");
    assert!(text.contains("GPUMemoryExhausted"));
    model.answer(Answer::Looked(Ok(looked())), NOW + 14_000);
    assert!(!shown(&model, 80, 24, NOW + 14_000).contains("no answer"));
}

#[test]
fn without_colour_no_cell_has_one() {
    let mut terminal = Terminal::new(TestBackend::new(120, 36)).unwrap();
    terminal.draw(|frame| draw(&model(), (frame.area(), frame.buffer_mut()), false, NOW)).unwrap();
    let reset = ratatui::style::Color::Reset;
    assert!(terminal.backend().buffer().content().iter().all(|cell| cell.fg == reset && cell.bg == reset));
}

#[test]
fn keys_explain_acknowledge_and_silence_the_chosen_alert() {
    let mut model = model();
    // The group's row, two of who was told, the alert.
    let down = [KeyCode::Down; 3];
    assert_eq!(press(&mut model, &down), Wish::Nothing);
    assert_eq!(press(&mut model, &[KeyCode::Enter]), Wish::Explain("0000000000000001".into()));
    model.answer(Answer::Explained(Ok("because\n".repeat(40))), NOW);
    assert!(shown(&model, 80, 24, NOW).matches("because").count() > 15);
    press(&mut model, &[KeyCode::End]);
    assert_eq!(shown(&model, 80, 24, NOW).matches("because").count(), 1);
    press(&mut model, &[KeyCode::Esc, KeyCode::Char('s')]);
    assert!(shown(&model, 80, 24, NOW).contains("silence GPUMemoryExhausted for, and why: 2h"));
    assert_eq!(press(&mut model, &[KeyCode::Enter]), Wish::Nothing);
    assert!(model.note.contains("comment required"), "{}", model.note);
    typed(&mut model, "hot spares é");
    let labels = [("alertname", "GPUMemoryExhausted"), ("cluster", "a"), ("gpu", "1"), ("severity", "critical")];
    let matchers = labels.iter().map(|(name, value)| Matcher::equal(*name, *value)).collect();
    let silence = Wish::Silence { matchers, millis: 7_200_000, comment: "hot spares é".into() };
    assert_eq!(press(&mut model, &[KeyCode::Enter]), silence);
    press(&mut model, &[KeyCode::Char('a')]);
    typed(&mut model, "mine");
    let acknowledge = Wish::Acknowledge { fingerprint: "0000000000000001".into(), comment: "mine".into() };
    assert_eq!(press(&mut model, &[KeyCode::Enter]), acknowledge);
    model.answer(Answer::Done(Err("HTTP status 403".into())), NOW);
    assert!(shown(&model, 80, 24, NOW).contains("it failed: HTTP status 403"));
    assert_eq!(press(&mut model, &[KeyCode::Char('q')]), Wish::Quit);
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    press(&mut model, &[KeyCode::Char('s')]);
    assert_eq!(model.key(control_c), Wish::Quit, "whatever is open");
}

#[test]
fn the_cursor_stays_at_its_alert_when_others_come() {
    let mut model = model();
    press(&mut model, &[KeyCode::Down; 4]);
    let mut later = looked();
    let newer = later.now.groups[1].clone();
    later.now.groups.insert(0, newer);
    later.now.groups[0].labels = Labels::from_pairs([("cluster", "b")]);
    model.answer(Answer::Looked(Ok(later)), NOW);
    assert_eq!(press(&mut model, &[KeyCode::Char('e')]), Wish::Explain("0000000000000002".into()));
    model.answer(Answer::Looked(Ok(looked())), NOW);
    assert_eq!(press(&mut model, &[KeyCode::Char('e')]), Wish::Explain("0000000000000002".into()));
}

#[test]
fn lists_are_gone_through_by_keys_and_all_alerts_are_asked_for_by_one() {
    let mut model = model();
    press(&mut model, &[KeyCode::Tab]);
    assert_eq!(model.section, Section::Pending);
    assert_eq!(press(&mut model, &[KeyCode::Char('e')]), Wish::Explain("00000000000000ff".into()));
    press(&mut model, &[KeyCode::Char('a')]);
    assert!(matches!(model.over, Over::Nothing), "it does not fire yet");
    press(&mut model, &[KeyCode::Char('3'), KeyCode::End, KeyCode::Enter]);
    assert!(matches!(&model.over, Over::Text(text, 0) if text.contains("cannot be told: HTTP status 503")));
    press(&mut model, &[KeyCode::Esc, KeyCode::BackTab, KeyCode::BackTab, KeyCode::BackTab]);
    assert_eq!(model.section, Section::Decisions);
    assert_eq!(press(&mut model, &[KeyCode::Char('m')]), Wish::Look { all: true });
    assert!(model.shows_all());
    press(&mut model, &[KeyCode::Char('?')]);
    assert!(shown(&model, 80, 24, NOW).contains("acknowledge the alert"));
}
