//! Times and URLs as Alertmanager's API reads them: the forms of go-openapi's `strfmt`.

use chrono::{NaiveDate, NaiveDateTime};

/// Where a time's zone stands.
#[derive(Clone, Copy, PartialEq)]
enum Zone {
    /// `Z` or `+03:00`.
    Colon,
    /// `Z` or `+0300`.
    NoColon,
    /// `Z` alone.
    Utc,
    /// Nowhere: it is UTC.
    Absent,
}

/// Go's zero time, which says that nothing was said.
pub const ZERO_TIME: i64 = -62_135_596_800_000;

/// A time in any of `strfmt`'s forms, milliseconds. An empty text is the epoch, as there.
///
/// # Errors
/// The text is in none of them.
pub fn time(text: &str) -> Result<i64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    read(text).ok_or_else(|| format!("parsing time {text:?}: cannot parse as a date and time"))
}

fn read(text: &str) -> Option<i64> {
    let midnight = |date: NaiveDate| date.and_hms_opt(0, 0, 0).map(|t| t.and_utc().timestamp_millis());
    let (date, rest) = text.split_at_checked(10)?;
    let digits = |at: &[usize]| at.iter().all(|i| date.as_bytes().get(*i).is_some_and(u8::is_ascii_digit));
    if !digits(&[0, 1, 2, 3, 5, 6, 8, 9]) {
        return None;
    }
    let day = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    let Some(between) = rest.chars().next() else { return midnight(day) };
    let (time, zone, offset) = split_zone(rest.get(1..)?)?;
    let (clock, fraction) = match time.find(['.', ',']) {
        Some(at) => (time.get(..at)?, Some(time.get(at + 1..)?)),
        None => (time, None),
    };
    let parts: Vec<u32> = clock.split(':').map(two_digits).collect::<Option<_>>()?;
    let well_formed = match (between, parts.len()) {
        ('T', 3) => match zone {
            Zone::Colon | Zone::Utc | Zone::Absent => true,
            // Known to milliseconds and microseconds only.
            Zone::NoColon => fraction.is_some_and(|f| matches!(f.len(), 3 | 6)),
        },
        ('T', 2) => fraction.is_none() && matches!(zone, Zone::Utc | Zone::Absent),
        (' ', 3) => zone == Zone::Absent,
        _ => false,
    };
    if !well_formed {
        return None;
    }
    let (hour, minute) = (*parts.first()?, *parts.get(1)?);
    let second = parts.get(2).copied().unwrap_or(0);
    let at: NaiveDateTime = day.and_hms_opt(hour, minute, second)?;
    Some(at.and_utc().timestamp_millis() + millis(fraction)? - offset)
}

fn two_digits(text: &str) -> Option<u32> {
    (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// The milliseconds of a second's decimals.
fn millis(fraction: Option<&str>) -> Option<i64> {
    let Some(digits) = fraction else { return Some(0) };
    let numeric = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let first: String = digits.chars().chain("00".chars()).take(3).collect();
    numeric.then(|| first.parse().ok()).flatten()
}

/// Splits a time of day from its zone; the offset is in milliseconds.
fn split_zone(text: &str) -> Option<(&str, Zone, i64)> {
    if let Some(time) = text.strip_suffix('Z') {
        return Some((time, Zone::Utc, 0));
    }
    let Some(at) = text.rfind(['+', '-']) else { return Some((text, Zone::Absent, 0)) };
    let (time, zone) = text.split_at_checked(at)?;
    let (hours, minutes, kind) = match zone.get(1..)?.split_once(':') {
        Some((hours, minutes)) => (hours, minutes, Zone::Colon),
        None => (zone.get(1..3)?, zone.get(3..)?, Zone::NoColon),
    };
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    if hours > 24 || minutes > 60 {
        return None;
    }
    let offset = i64::from(hours * 60 + minutes) * 60_000;
    Some((time, kind, if zone.starts_with('-') { -offset } else { offset }))
}

/// Whether Go's `url.ParseRequestURI` takes what of a text is before its fragment: an absolute URL, an absolute path, a
/// scheme with anything after it, or a star.
pub fn is_request_uri(text: &str) -> bool {
    if text.bytes().any(|b| b < b' ' || b == 0x7f) {
        return false;
    }
    let text = text.split('#').next().unwrap_or("");
    if text.is_empty() || text == "*" {
        return text == "*";
    }
    let Some((rest, has_scheme)) = after_scheme(text) else { return false };
    let path_and_host = rest.split_once('?').map_or(rest, |(before, _)| before);
    if !path_and_host.starts_with('/') {
        return has_scheme;
    }
    // Without a scheme two slashes are the beginning of a path.
    match path_and_host.strip_prefix("//").filter(|_| has_scheme) {
        Some(authority) => {
            let (host, path) = authority.split_at(authority.find('/').unwrap_or(authority.len()));
            is_authority(host) && has_whole_escapes(path)
        }
        None => has_whole_escapes(path_and_host),
    }
}

/// What follows a scheme, and whether there is one.
fn after_scheme(text: &str) -> Option<(&str, bool)> {
    for (i, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if i > 0 => {}
            ':' if i == 0 => return None,
            ':' => return Some((text.get(i + 1..).unwrap_or(""), true)),
            _ => break,
        }
    }
    Some((text, false))
}

fn is_authority(text: &str) -> bool {
    let host = match text.rsplit_once('@') {
        Some((user, host)) => {
            let known = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
            if !user.chars().all(known) || !has_whole_escapes(user) {
                return false;
            }
            host
        }
        None => text,
    };
    let is_port =
        |port: &str| port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    if let Some(literal) = host.strip_prefix('[') {
        return literal.rsplit_once(']').is_some_and(|(address, port)| is_ipv6(address) && is_port(port));
    }
    let port = host.rfind(':').and_then(|at| host.get(at..)).unwrap_or("");
    // Of characters that may stand there as they are, only the sign of escapes may be one.
    let escapes = |after: &str| after.starts_with("25") || after.starts_with(|c: char| !matches!(c, '0'..='7'));
    is_port(port)
        && !host.contains('[')
        && host.chars().all(is_of_hosts)
        && has_whole_escapes(host)
        && host.split('%').skip(1).all(escapes)
}

/// An address of version 6, with a zone behind `%25` or without.
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once("%25").map_or((text, None), |(address, zone)| (address, Some(zone)));
    let is_zone = |zone: &str| {
        // An escaped slash is a slash, which may not be.
        let slash = zone.to_ascii_lowercase().contains("%2f");
        !zone.is_empty()
            && !slash
            && !zone.contains(['[', ']'])
            && zone.chars().all(is_of_hosts)
            && has_whole_escapes(zone)
    };
    address.parse::<std::net::Ipv6Addr>().is_ok() && zone.is_none_or(is_zone)
}

fn is_of_hosts(c: char) -> bool {
    !c.is_ascii() || c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=:[]<>\"%".contains(c)
}

/// Whether every `%` has two hexadecimal digits after it.
fn has_whole_escapes(text: &str) -> bool {
    text.split('%').skip(1).all(|after| after.get(..2).is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_forms_that_alertmanager_reads() {
        let at = 1_767_323_045_000;
        for (text, want) in [
            ("2026-01-02T03:04:05Z", Some(at)),
            ("2026-01-02T03:04:05", Some(at)),
            ("2026-01-02 03:04:05", Some(at)),
            ("2026-01-02T03:04:05.123456", Some(at + 123)),
            ("2026-01-02T03:04:05.123456Z", Some(at + 123)),
            ("2026-01-02T03:04:05.123456789Z", Some(at + 123)),
            ("2026-01-02T03:04:05.1Z", Some(at + 100)),
            ("2026-01-02T03:04:05,5Z", Some(at + 500)),
            ("2026-01-02T03:04:05+03:00", Some(at - 3 * 3_600_000)),
            ("2026-01-02T03:04:05.123-0330", Some(at + 123 + 12_600_000)),
            ("2026-01-02T03:04Z", Some(at - 5_000)),
            ("2026-01-02T03:04", Some(at - 5_000)),
            ("2026-01-02", Some(1_767_312_000_000)),
            ("0001-01-01T00:00:00Z", Some(ZERO_TIME)),
            ("0001-01-01T00:00:00.000Z", Some(ZERO_TIME)),
            ("", Some(0)),
            ("2026-01-02T03:04:05+0300", None),
            ("2026-01-02T03:04+03:00", None),
            ("2026-01-02 03:04:05Z", None),
            ("2026-1-2T03:04:05Z", None),
            ("2026-01-02t03:04:05z", None),
            ("2026-01-02T24:00:00Z", None),
            ("2026-01-02T03:04:60Z", None),
            ("2026-01-02T03:04:05 Z", None),
            ("20260102T030405Z", None),
            ("10000-01-01T00:00:00Z", None),
            ("1767323045", None),
            ("null", None),
            ("yesterday, more or less", None),
            ("٢٠٢٦-٠١-٠٢", None),
        ] {
            assert_eq!(time(text).ok(), want, "{text:?}");
        }
    }

    #[test]
    fn urls_are_what_go_requests() {
        for (text, want) in [
            ("http://prometheus:9090/graph?g0.expr=up > 1&g0.tab=1", true),
            ("/graph?x", true),
            ("ftp://a/", true),
            ("localhost:9090/graph", true),
            ("http://[::1]:9090/", true),
            ("http://u:p@h/", true),
            ("http://h/%D8%A8", true),
            ("http://خادم/مسار", true),
            ("not a url", false),
            ("a.b/c", false),
            ("http://[::1", false),
            ("http://a b/", false),
            ("http://x/%zz", false),
            ("http://h:port/", false),
            (":x", false),
            ("", false),
            ("http://h/\n", false),
            // Below, what Alertmanager 0.33.1 answered.
            ("*", true),
            ("*#a", true),
            ("*x", false),
            ("http:*", true),
            ("http:", true),
            ("http://", true),
            ("http:///x", true),
            ("http://h#", true),
            ("http://h#f%zz#g", true),
            ("http://h?a#%zz", true),
            ("http://h/a%zz#", false),
            ("http://h:#", true),
            ("/a#b", true),
            ("a#b", false),
            ("#http://h", false),
            ("#", false),
            ("mailto:a#b", true),
            ("//h%41", true),
            ("//h:port/", true),
            ("//[x]/", true),
            ("///h", true),
            ("http://h%41/", false),
            ("http://h%2f/", false),
            ("http://h%7f/", false),
            ("http://h%25/", true),
            ("http://h%2541/", true),
            ("http://h%C3%A9/", true),
            ("http://h%80/", true),
            ("http://a%/", false),
            ("http://u%41:p@h/", true),
            ("http://@h", true),
            ("http://h]/", true),
            ("http://h[/", false),
            ("http://h[::1]/", false),
            ("http://a:b:80/", true),
            ("http://h:80:90/", true),
            ("http://h:-1/", false),
            ("http://a|b/", false),
            ("http://[x]/", false),
            ("http://[]/", false),
            ("http://[v1.x]/", false),
            ("http://[1.2.3.4]/", false),
            ("http://[::ffff:1.2.3.4]/", true),
            ("http://[::1]x/", false),
            ("http://[::1]:x/", false),
            ("http://[::1]:/", true),
            ("http://[::1]]/", false),
            ("http://[%3a:1]/", false),
            ("http://[::1%en0]/", false),
            ("http://u@[::1%en0]/", false),
            ("http://[::1%25en0]/", true),
            ("http://[fe80::1%25en0]:80/x", true),
            ("http://[fe80::1%25]/", false),
            ("http://[::1%25%41]/", true),
            ("http://[::1%25%20]/", true),
            ("http://[::1%25a b]/", false),
            ("http://[::1%25a%zz]/", false),
            ("http://[::1%25a%2f]/", false),
            ("http://[::1%25a[]/", false),
        ] {
            assert_eq!(is_request_uri(text), want, "{text:?}");
        }
    }
}
