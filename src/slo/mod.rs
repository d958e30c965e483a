//! Objectives (SLOs) made into rules: recorded error ratios over several windows, what is left of the budget, and alerts
//! by how fast it burns; with unit tests of these alerts.
//!
//! Two formats are read, Sloth's `prometheus/v1` and OpenSLO's `openslo/v1`. What they say and cannot be had here is
//! refused where it stands. Recorded metrics and labels are named as Sloth names them, so that its dashboards go on.

mod burn;
mod objective;
mod openslo;
mod rules;
mod sloth;
mod template;
mod unit_tests;

#[cfg(test)]
mod tests;

use crate::config::yaml::Decoder;
use crate::model::{Diagnostic, Position};

pub use objective::{AlertMeta, Objective, PERIODS, Sli};
pub use rules::write as write_rules;
pub use template::WindowedQuery;
pub use unit_tests::write as write_tests;

/// What a file says: its objectives, and what in it has no effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The objectives, in order.
    pub objectives: Vec<Objective>,
    /// What was accepted and changes nothing.
    pub warnings: Vec<Diagnostic>,
}

/// Reads a file of objectives; `days` is the period of a format that does not name one.
///
/// # Errors
/// Every defect with its place: of the YAML, of the format, of the queries, and what cannot be done here.
pub fn load_str(file: &str, text: &str, days: u32) -> Result<Spec, Vec<Diagnostic>> {
    let decoder = Decoder::new(file, text);
    let documents = decoder.documents();
    let mut objectives = Vec::new();
    let known = openslo::Indicators::collect(&documents, &decoder);
    for document in documents.iter().filter(|d| !d.is_null()) {
        let Some(m) = decoder.mapping(document, "SLO file") else { continue };
        let version = document.get("version").and_then(|v| v.text());
        let api = document.get("apiVersion").and_then(|v| v.text());
        match (version, api) {
            (Some("prometheus/v1"), _) => sloth::read(&m, days, &mut objectives),
            (_, Some("openslo/v1")) => openslo::read(&m, &known, &mut objectives),
            (_, Some("sloth.slok.dev/v1")) => decoder.error(
                document.position,
                "a PrometheusServiceLevel object is not read, expected Sloth's file format (version: prometheus/v1)",
            ),
            _ => decoder.error(
                document.position,
                "neither Sloth's format nor OpenSLO's, expected version: prometheus/v1 or apiVersion: openslo/v1",
            ),
        }
    }
    let warnings = decoder.take_notes().warnings;
    let some = (!documents.is_empty()).then_some(objectives);
    let objectives = decoder.finish(some)?;
    if objectives.is_empty() {
        return Err(vec![Diagnostic::new(&file.into(), Position::default(), "the file has no SLO")]);
    }
    Ok(Spec { objectives, warnings })
}
