//! What a query is expected to say beside its result: that it fails, its warnings, its infos.

use crate::alerting::group::RuleResult;
use crate::config::yaml::MapReader;

use super::pairs;
use super::wanted::{Difference, Wanted, shown};

/// What is expected; what is not said is not looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Remarks {
    /// It fails, with an error like this.
    pub error: Option<Wanted>,
    /// Its infos, all of them.
    pub infos: Option<Vec<Wanted>>,
    /// Its warnings, all of them.
    pub warnings: Option<Vec<Wanted>>,
}

impl Remarks {
    /// Reads `exp_error`, `exp_infos` and `exp_warnings`.
    pub fn read(m: &MapReader) -> Self {
        Remarks { error: m.get("exp_error"), infos: m.get("exp_infos"), warnings: m.get("exp_warnings") }
    }

    /// Whether nothing is expected.
    pub fn is_empty(&self) -> bool {
        *self == Remarks::default()
    }

    /// In what a query differs from it.
    pub fn differences(&self, got: &Result<RuleResult, String>) -> Vec<Difference> {
        let mut out = Vec::new();
        out.extend(
            self.error.iter().flat_map(|wanted| wanted.differences("error", got.as_ref().err().map(String::as_str))),
        );
        if let (None, Err(error)) = (&self.error, got) {
            out.push(Difference { field: "error".to_owned(), expected: shown(None), got: shown(Some(error)) });
        }
        let none = RuleResult::default();
        let result = got.as_ref().unwrap_or(&none);
        out.extend(self.infos.iter().flat_map(|wanted| all_of("infos", wanted, &result.infos)));
        out.extend(self.warnings.iter().flat_map(|wanted| all_of("warnings", wanted, &result.warnings)));
        out
    }
}

/// In what texts differ from those expected, in any order.
fn all_of(field: &str, wanted: &[Wanted], got: &[String]) -> Vec<Difference> {
    let differences = |e: usize, g: usize| match (wanted.get(e), got.get(g)) {
        (Some(e), Some(g)) => e.differences(field, Some(g)),
        _ => Vec::new(),
    };
    let pairing = pairs::pair(wanted.len(), got.len(), |e, g| differences(e, g).len());
    let difference = |(e, g): (Option<usize>, Option<usize>)| match (e, g) {
        (Some(e), Some(g)) => differences(e, g),
        (Some(e), None) => match wanted.get(e).map(|w| w.differences(field, None)) {
            Some(all) if !all.is_empty() => all,
            _ => vec![Difference { field: field.to_owned(), expected: "one more".to_owned(), got: shown(None) }],
        },
        (None, g) => {
            let got = g.and_then(|g| got.get(g)).map(String::as_str);
            vec![Difference { field: field.to_owned(), expected: shown(None), got: shown(got) }]
        }
    };
    pairing.into_iter().flat_map(difference).collect()
}
