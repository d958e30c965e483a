//! Lists of mail addresses as people write them: what Go's parser, and so Alertmanager, takes.

use std::str::FromStr as _;

use lettre::Address;

/// The addresses of a list, and what is wrong with the entries that are none. Names, comments, empty entries and groups
/// (`undisclosed-recipients:;`) are no addresses.
pub(super) fn parse(list: &str) -> (Vec<Address>, Vec<String>) {
    let (mut addresses, mut defects) = (Vec::new(), Vec::new());
    for entry in entries(list) {
        match Address::from_str(bare(&entry)) {
            Ok(address) => addresses.push(address),
            Err(e) => defects.push(format!("{:?} is no mail address: {e}", entry.trim())),
        }
    }
    (addresses, defects)
}

/// The entries of a list, without comments and without the names of groups.
fn entries(list: &str) -> Vec<String> {
    let (mut entries, mut entry) = (Vec::new(), String::new());
    let (mut quoted, mut escaped, mut angle, mut comments) = (false, false, false, 0_usize);
    for c in list.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted || comments > 0 => escaped = true,
            '"' if comments == 0 => quoted = !quoted,
            '(' if !quoted => comments += 1,
            ')' if !quoted && comments > 0 => {
                comments -= 1;
                continue;
            }
            '<' if !quoted && comments == 0 => angle = true,
            '>' if !quoted && comments == 0 => angle = false,
            ',' | ';' if !quoted && !angle && comments == 0 => {
                entries.push(std::mem::take(&mut entry));
                continue;
            }
            // What stood before it is the group's name.
            ':' if !quoted && !angle && comments == 0 => {
                entry.clear();
                continue;
            }
            _ => {}
        }
        if comments == 0 {
            entry.push(c);
        }
    }
    entries.push(entry);
    entries.retain(|entry| !entry.trim().is_empty());
    entries
}

/// The address of an entry: what stands in angle brackets, else all of it.
fn bare(entry: &str) -> &str {
    let bracketed = entry.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(address, _)| address);
    bracketed.unwrap_or(entry).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_people_write_them() {
        for (list, want) in [
            ("a@x.test", "a@x.test"),
            ("a@x.test,", "a@x.test"),
            (" a@x.test , ,b@x.test;", "a@x.test b@x.test"),
            ("Watch <a@x.test>, \"Last, First\" <b@x.test>", "a@x.test b@x.test"),
            ("عمر <a@x.test>", "a@x.test"),
            ("a@x.test (on call, nights)", "a@x.test"),
            ("undisclosed-recipients:;", ""),
            ("Team: a@x.test, B <b@x.test>;, c@x.test", "a@x.test b@x.test c@x.test"),
        ] {
            let (addresses, defects) = parse(list);
            let got: Vec<&str> = addresses.iter().map(AsRef::as_ref).collect();
            assert_eq!((got.join(" ").as_str(), defects.len()), (want, 0), "{list}");
        }
        let (good, bad) = parse("nobody, a@x.test");
        assert_eq!((good.len(), bad.len()), (1, 1));
        assert!(bad[0].starts_with("\"nobody\" is no mail address"), "{bad:?}");
    }
}
