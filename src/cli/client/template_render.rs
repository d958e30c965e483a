//! `watchbell template render`: what a template makes of an alert.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::Value as Json;

use super::times;
use crate::cli::exit::{fail, written};
use crate::config::expand_globs;
use crate::model::Labels;
use crate::template::alertmanager::{AlertData, Data, Templates};
use crate::template::{Host, Time};

/// The kind of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TemplateType {
    Text,
    Html,
}

/// Render a template of notifications, with data of a file or with a sample of two alerts.
#[derive(Args, Debug)]
pub struct TemplateRender {
    /// Files with templates; may be repeated.
    #[arg(long = "template.glob", value_name = "GLOB")]
    globs: Vec<String>,
    /// The template.
    #[arg(long = "template.text", value_name = "TEXT", required = true)]
    text: String,
    /// Whether it is text or HTML.
    #[arg(long = "template.type", value_enum, default_value = "text")]
    template_type: TemplateType,
    /// A file with the data that the template sees, in JSON, as webhooks carry it.
    #[arg(long = "template.data", value_name = "FILE")]
    data: Option<PathBuf>,
    // It asks nobody: the flags of amtool's that name a server are taken all the same.
    #[command(flatten)]
    _client: super::flags::ClientFlags,
}

struct Now(i64);

impl Host for Now {
    fn now(&self) -> i64 {
        self.0
    }
}

impl TemplateRender {
    /// Writes what it makes.
    pub fn execute(&self) -> ExitCode {
        match self.render() {
            Ok(text) => written(write!(std::io::stdout().lock(), "{text}").map(|()| 0)),
            Err(e) => fail(&e),
        }
    }

    fn render(&self) -> Result<String, String> {
        let mut templates = Templates::default();
        for file in expand_globs(&self.globs) {
            let text = std::fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?;
            let name = Path::new(&file).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            templates.add_file(&name, &text).map_err(|e| format!("{file}: {e}"))?;
        }
        let now = times::now();
        let data = match &self.data {
            None => sample(now),
            Some(file) => {
                let failed = |e: String| format!("{}: {e}", file.display());
                let text = std::fs::read_to_string(file).map_err(|e| failed(e.to_string()))?;
                let json: Json = serde_json::from_str(&text).map_err(|e| failed(e.to_string()))?;
                read(&json).map_err(failed)?
            }
        };
        let (value, host) = (data.into_value(), Now(now));
        let rendered = match self.template_type {
            TemplateType::Text => templates.text(&self.text, &value, &host),
            TemplateType::Html => templates.html(&self.text, &value, &host),
        };
        rendered.map_err(|e| e.to_string())
    }
}

/// Data as webhooks carry it. Names of fields are read in any case, as Go does.
fn read(json: &Json) -> Result<Data, String> {
    if !json.is_object() {
        return Err(format!("expected an object, found {json}"));
    }
    let alerts = field(json, "alerts").and_then(Json::as_array).into_iter().flatten();
    Ok(Data {
        receiver: text(json, "receiver"),
        status: text(json, "status"),
        alerts: alerts.map(read_alert).collect::<Result<_, _>>()?,
        notification_reason: text(json, "notification_reason"),
        route_labels: labels(json, "routeLabels"),
        group_labels: labels(json, "groupLabels"),
        common_labels: labels(json, "commonLabels"),
        common_annotations: labels(json, "commonAnnotations"),
        external_url: text(json, "externalURL"),
    })
}

fn read_alert(json: &Json) -> Result<AlertData, String> {
    let time = |name: &str| match text(json, name).as_str() {
        "" | "0001-01-01T00:00:00Z" => Ok(Time::zero()),
        text => times::parse(text).map(Time::from_millis),
    };
    Ok(AlertData {
        status: text(json, "status"),
        labels: labels(json, "labels"),
        annotations: labels(json, "annotations"),
        starts_at: time("startsAt")?,
        ends_at: time("endsAt")?,
        generator_url: text(json, "generatorURL"),
        fingerprint: text(json, "fingerprint"),
        value: field(json, "value").and_then(Json::as_f64),
        resolved_value: field(json, "resolvedValue").and_then(Json::as_f64),
    })
}

fn field<'a>(json: &'a Json, name: &str) -> Option<&'a Json> {
    json.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn text(json: &Json, name: &str) -> String {
    field(json, name).and_then(Json::as_str).unwrap_or("").to_owned()
}

fn labels(json: &Json, name: &str) -> Labels {
    let pairs = field(json, name).and_then(Json::as_object).into_iter().flatten();
    Labels::from_pairs(pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap_or("").to_owned())))
}

/// Two alerts of which one has resolved, as amtool's.
fn sample(now: i64) -> Data {
    let common = [("commonlabelkey1", "commonlabelvalue1"), ("commonlabelkey2", "commonlabelvalue2")];
    let notes =
        [("commonannotationkey1", "commonannotationvalue1"), ("commonannotationkey2", "commonannotationvalue2")];
    let with = |common: [(&'static str, &'static str); 2], own: &[(&'static str, &'static str)]| {
        Labels::from_pairs(common.into_iter().chain(own.iter().copied()))
    };
    let alert = |n: i64, status: &str, labels: Labels, annotations: Labels| AlertData {
        status: status.into(),
        labels,
        annotations,
        starts_at: Time::from_millis(now - n * 5 * 60_000),
        ends_at: Time::from_millis(now),
        generator_url: "https://generatorurl.com".into(),
        fingerprint: format!("fingerprint{n}"),
        value: None,
        resolved_value: None,
    };
    let firing = with(common, &[("instance", "foo.bar:1234"), ("label1", "value1"), ("label2", "value2")]);
    let resolved = with(common, &[("foo", "bar"), ("baz", "qux")]);
    Data {
        receiver: "receiver".into(),
        status: "alertstatus".into(),
        alerts: vec![
            alert(1, "firing", firing, with(notes, &[("annotation1", "value1"), ("annotation2", "value2")])),
            alert(2, "resolved", resolved, with(notes, &[("aaa", "bbb"), ("ccc", "ddd")])),
        ],
        notification_reason: String::new(),
        route_labels: Labels::empty(),
        group_labels: Labels::from_pairs([
            ("grouplabelkey1", "grouplabelvalue1"),
            ("grouplabelkey2", "grouplabelvalue2"),
        ]),
        common_labels: Labels::from_pairs(common),
        common_annotations: Labels::from_pairs(notes),
        external_url: "https://example.com".into(),
    }
}
