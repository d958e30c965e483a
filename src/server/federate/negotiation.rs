//! In which form a client wants its answer.

use crate::instrument::Format;

/// A form of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    /// Messages of `io.prometheus.client.MetricFamily`, each with its length before it.
    Protobuf,
}

impl Form {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Form::Text => Format::Text.content_type(),
            Form::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }
}

/// The answer that a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) form: Form,
    /// Whether it reads names that are not made of letters, digits and underscores.
    pub(super) any_names: bool,
}

impl Answer {
    /// What an `Accept` header asks for most: the first of those with the largest `q` that is spoken here, else text.
    pub(super) fn accepted(accept: &str) -> Answer {
        let mut wanted: Vec<(f64, Answer)> = accept.split(',').filter_map(part).collect();
        wanted.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        wanted.first().map_or(Answer { form: Form::Text, any_names: false }, |(_, answer)| *answer)
    }
}

/// A part of the header with its weight, if it names a form that is spoken here.
fn part(text: &str) -> Option<(f64, Answer)> {
    let mut fields = text.split(';').map(str::trim);
    let media = fields.next()?.to_ascii_lowercase();
    let (mut q, mut any_names, mut proto, mut encoding, mut version) = (1.0, false, "", "", "");
    for (name, value) in fields.filter_map(|field| field.split_once('=')) {
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "q" => q = value.parse().ok().filter(|q: &f64| q.is_finite())?,
            "escaping" => any_names = value == "allow-utf-8",
            "proto" => proto = value,
            "encoding" => encoding = value,
            "version" => version = value,
            _ => {}
        }
    }
    let form = match media.as_str() {
        "application/vnd.google.protobuf"
            if proto == "io.prometheus.client.MetricFamily" && encoding == "delimited" =>
        {
            Form::Protobuf
        }
        "text/plain" if matches!(version, "" | "0.0.4" | "1.0.0") => Form::Text,
        _ => return None,
    };
    (q > 0.0).then_some((q, Answer { form, any_names }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_with_the_largest_weight_that_is_spoken_is_taken() {
        let proto = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
        let answer = |form, any_names| Answer { form, any_names };
        for (accept, want) in [
            (String::new(), answer(Form::Text, false)),
            ("*/*".into(), answer(Form::Text, false)),
            (
                format!("{proto};escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;q=0.5"),
                answer(Form::Protobuf, true),
            ),
            (format!("text/plain;version=0.0.4;escaping=allow-utf-8;q=0.6,{proto};q=0.5"), answer(Form::Text, true)),
            (format!("{proto};q=0,*/*"), answer(Form::Text, false)),
            (format!("application/openmetrics-text;q=0.9,{proto};q=0.1"), answer(Form::Protobuf, false)),
            ("application/vnd.google.protobuf;q=0.9,text/plain;q=0.1".into(), answer(Form::Text, false)),
        ] {
            assert_eq!(Answer::accepted(&accept), want, "{accept}");
        }
    }
}
