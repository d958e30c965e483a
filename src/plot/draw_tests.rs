use chrono_tz::Tz;
use proptest::prelude::*;

use super::super::png;
use super::*;
use crate::plot::Picture;

const MINUTE: i64 = 60_000;
/// 2026-01-01T12:00:00Z
const NOON: i64 = 1_767_268_800_000;

fn wave(height: f64, shift: i64) -> Vec<(i64, f64)> {
    let value = |i: i64| height * (1.2 + ((i + shift) as f64 / 20.0).sin());
    (0..=180).map(|i| (NOON - (180 - i) * MINUTE, value(i))).collect()
}

fn plot(title: &str, subtitle: &str, lines: Vec<Line>) -> Plot {
    Plot {
        title: title.into(),
        subtitle: subtitle.into(),
        from: NOON - 180 * MINUTE,
        until: NOON,
        step: MINUTE,
        lines,
        more: 0,
        threshold: Some(90.0),
        firing: Some((NOON - 25 * MINUTE, NOON)),
        zone: Tz::Europe__Berlin,
    }
}

fn line(name: &str, points: Vec<(i64, f64)>) -> Line {
    Line { name: name.into(), points }
}

fn with_gaps() -> Vec<(i64, f64)> {
    let mut points = wave(50.0, 0);
    points.retain(|(t, _)| !(NOON - 100 * MINUTE..NOON - 60 * MINUTE).contains(t) || *t == NOON - 80 * MINUTE);
    points[10..30].iter_mut().for_each(|(_, v)| *v = f64::NAN);
    points[31].1 = f64::INFINITY;
    points
}

/// One plot of each shape that matters.
fn shapes() -> Vec<(&'static str, Plot)> {
    let gpu = |n: usize| line(&format!("gpu={n}"), wave(40.0 + 8.0 * n as f64, 7 * n as i64));
    let long = "GPUMemoryExhaustedOnTheWholeOfTheClusterInFrankfurt ".repeat(5);
    vec![
        ("one", plot("GpuHot", "GPU 3 of node-7 is at 97 degrees", vec![line("", wave(45.0, 0))])),
        ("many", Plot { more: 3, ..plot("GpuHot", "8 alerts", (0..6).map(gpu).collect()) }),
        ("gaps", plot("GpuHot", "<script>alert(\"1\")</script> & 'more'", vec![line("", with_gaps())])),
        (
            "arabic",
            plot(
                "حرارة GPU مرتفعة",
                "الذاكرة ممتلئة على الخادم رقم 7",
                vec![line("خادم=الرياض", wave(45.0, 0)), line("خادم=جدة", wave(30.0, 9))],
            ),
        ),
        ("long", plot(&long, &long, vec![line(&long, wave(45.0, 0)), line(&long, wave(30.0, 9))])),
        ("flat", Plot { threshold: Some(1.0), firing: None, ..plot("TargetDown", "", vec![line("", wave(0.0, 0))]) }),
    ]
}

#[test]
fn drawings_are_as_they_were() {
    for (name, plot) in shapes() {
        let (svg, alt) = draw(&plot).unwrap();
        insta::assert_snapshot!(name, format!("{alt}\n{svg}"));
        let picture = Picture::of(&plot).unwrap().unwrap();
        assert!(picture.png.starts_with(b"\x89PNG") && picture.png.len() < 200_000, "{}", picture.png.len());
    }
}

#[test]
fn no_text_leaves_the_drawing_or_runs_into_another() {
    for (name, plot) in shapes() {
        let (svg, _) = draw(&plot).unwrap();
        let texts = png::texts(&svg);
        assert!(texts.len() > 6, "{name}: {texts:?}");
        for (i, (said, [left, top, right, bottom])) in texts.iter().enumerate() {
            assert!(
                *left >= 4.0 && *top >= 2.0 && *right <= 598.0 && *bottom <= 239.0,
                "{name}: {said} {left} {right}"
            );
            // What stands on the lines may meet anything but the titles.
            let on_lines = |said: &str| said == "firing" || said.starts_with("threshold");
            for (other, [l, t, r, b]) in texts.iter().skip(i + 1).filter(|(o, _)| !on_lines(said) && !on_lines(o)) {
                let apart = right <= l || r <= left || bottom <= t || b <= top;
                assert!(apart, "{name}: {said:?} runs into {other:?}");
            }
        }
    }
}

#[test]
fn nothing_to_draw_is_no_drawing() {
    assert_eq!(draw(&plot("a", "b", Vec::new())), None);
    assert_eq!(draw(&plot("a", "b", vec![line("", vec![(NOON, f64::NAN)])])), None);
    let one = draw(&plot("a", "b", vec![line("", vec![(NOON, 5.0)])])).unwrap();
    assert_eq!(one.1, "a: the last value is 5, between 5 and 5, threshold 90");
}

#[test]
fn arabic_is_shaped_and_reads_from_the_right() {
    let (_, plot) = shapes().swap_remove(3);
    let texts = png::texts(&draw(&plot).unwrap().0);
    let (title, [_, _, right, _]) = &texts[0];
    assert!(title.contains("حرارة") && *right > 580.0, "{texts:?}");
    let wide = |text: &str| {
        let svg = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='600' height='240'><text y='50' font-size='20'>{text}</text></svg>"
        );
        let (_, [left, _, right, _]) = png::texts(&svg).remove(0);
        right - left
    };
    // Letters that join are narrower than those kept apart by zero-width non-joiners.
    let apart: String = "ككككك".chars().flat_map(|c| [c, '\u{200c}']).collect();
    assert!(wide("ككككك") < wide(&apart) - 10.0, "{} {}", wide("ككككك"), wide(&apart));
}

#[test]
fn times_are_those_of_the_zone() {
    let (_, mut plot) = shapes().swap_remove(0);
    let labels = |plot: &Plot| -> Vec<String> {
        png::texts(&draw(plot).unwrap().0).into_iter().map(|(said, _)| said).filter(|said| said.contains(':')).collect()
    };
    assert_eq!(labels(&plot), ["2026-01-01 13:00 CET", "10:00", "10:30", "11:00", "11:30", "12:00", "12:30", "13:00"]);
    plot.zone = Tz::Asia__Kolkata;
    assert_eq!(labels(&plot)[..3], ["2026-01-01 17:30 IST", "14:30", "15:00"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn anything_can_be_drawn(
        title in any::<String>(),
        name in any::<String>(),
        values in proptest::collection::vec(any::<f64>(), 0..20),
        (from, span) in (any::<i64>(), any::<i64>()),
        threshold in any::<Option<f64>>(),
        more in 0usize..9,
    ) {
        let until = from.saturating_add(span.saturating_abs());
        let points = values.iter().enumerate().map(|(i, v)| (from.saturating_add(i as i64 * 1_000), *v)).collect();
        let plot = Plot {
            from, until, threshold, more, firing: Some((from, until)), lines: vec![line(&name, points), line(&title, vec![])],
            ..plot(&title, &name, vec![])
        };
        let drawn = Picture::of(&plot).unwrap();
        prop_assert_eq!(drawn.is_some(), values.iter().any(|v| v.is_finite()));
        if let Some(picture) = drawn {
            roxmltree::Document::parse(&picture.svg).unwrap();
        }
    }
}
