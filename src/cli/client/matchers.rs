//! Matchers and labels on the command line.

use crate::config::alertmanager::matchers::parse_matchers;
use crate::model::{MatchOp, Matcher};

/// Reads matchers; a first argument that is none is the value of `alertname`.
///
/// # Errors
/// What is wrong with the first bad one.
pub(in crate::cli) fn matchers(arguments: &[String]) -> Result<Vec<Matcher>, String> {
    let mut all = Vec::with_capacity(arguments.len());
    for (i, argument) in arguments.iter().enumerate() {
        match parse_matchers(argument) {
            Ok(more) if !more.is_empty() => all.extend(more),
            _ if i == 0 && !argument.contains(['=', '~', '{', '}']) => {
                all.push(Matcher::equal("alertname", argument));
            }
            Ok(_) => return Err(format!("bad matcher format: {argument}")),
            Err(e) => return Err(e),
        }
    }
    Ok(all)
}

/// Reads labels: matchers that say `=`.
///
/// # Errors
/// What is wrong with the first bad one.
pub(super) fn labels(arguments: &[String]) -> Result<Vec<(String, String)>, String> {
    let matchers = matchers(arguments)?;
    if matchers.iter().any(|m| m.op != MatchOp::Equal) {
        return Err("labels must be specified as key=value pairs".into());
    }
    Ok(matchers.into_iter().map(|m| (m.name.to_string(), m.value.to_string())).collect())
}

/// Reads annotations: `name=value`, where the value is taken as it is.
///
/// # Errors
/// The first that has no name.
pub(super) fn annotations(arguments: &[String]) -> Result<Vec<(String, String)>, String> {
    let pair = |argument: &String| match argument.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
            Ok((name.trim().to_owned(), value.to_owned()))
        }
        _ => Err(format!("annotations must be specified as key=value pairs: {argument}")),
    };
    arguments.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_argument_may_be_an_alert_name() {
        let read = |args: &[&str]| {
            let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
            matchers(&args).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(read(&["foo", "a=~b.*"]).unwrap(), ["alertname=\"foo\"", "a=~\"b.*\""]);
        assert_eq!(read(&["two words"]).unwrap(), ["alertname=\"two words\""]);
        assert!(read(&["a=b", "foo"]).is_err());
        assert_eq!(labels(&["foo".into(), "a!=b".into()]).unwrap_err(), "labels must be specified as key=value pairs");
        assert_eq!(annotations(&["s=a b=c".into()]).unwrap(), [("s".to_owned(), "a b=c".to_owned())]);
    }
}
