//! A field of an AlertmanagerConfig object: its name, what it holds, and what Alertmanager calls it.

/// The version of an object's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `v1alpha1`
    Alpha,
    /// `v1beta1`
    Beta,
}

/// What a field holds.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A text, which may be empty.
    Text,
    /// A text that says something.
    Word,
    /// One of these words, which Alertmanager writes in lower case.
    OneOf(&'static [&'static str]),
    /// A truth value.
    Flag,
    /// A whole number.
    Whole,
    /// Texts.
    Texts,
    /// Names of days and months, in any case.
    Names,
    /// Days of a month: `{start: 1, end: 5}`.
    Days,
    /// The key of a Secret.
    Secret,
    /// The key of a Secret or of a ConfigMap.
    Either,
    /// A mapping of its own.
    Section(&'static [Field]),
    /// Mappings.
    Sections(&'static [Field]),
    /// TLS, whose parts hang together.
    Tls,
    /// Routes below a route.
    Routes,
    /// Threads of mail, which are there when they are mentioned.
    Threading,
    /// `[{key: a, value: b}]`, a mapping for Alertmanager.
    Pairs,
    /// Texts under keys that the user names.
    Map,
    /// Lists of keys of Secrets under keys that the user names.
    SecretLists,
    /// A name that belongs to the object.
    Own,
    /// Names that belong to the object.
    Owns,
    /// Matchers.
    Matchers,
}

/// A field.
#[derive(Clone, Copy)]
pub struct Field {
    /// Its name in the object.
    pub name: &'static str,
    /// Alertmanager's name for it; else the same in snake case.
    pub to: Option<&'static str>,
    /// What it holds.
    pub kind: Kind,
    /// It must be there.
    pub required: bool,
    /// The one version that has it.
    pub only: Option<Version>,
    /// The global setting that counts where it is not there, and without which Alertmanager refuses the integration.
    pub global: Option<&'static str>,
}

/// A field that may be absent.
pub const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, to: None, kind, required: false, only: None, global: None }
}

impl Field {
    /// Alertmanager calls it something else.
    pub const fn named(self, to: &'static str) -> Field {
        Field { to: Some(to), ..self }
    }

    /// It must be there.
    pub const fn required(self) -> Field {
        Field { required: true, ..self }
    }

    /// One version has it.
    pub const fn only(self, version: Version) -> Field {
        Field { only: Some(version), ..self }
    }

    /// A global setting counts where it is not there.
    pub const fn or_global(self, setting: &'static str) -> Field {
        Field { global: Some(setting), ..self }
    }

    /// What Alertmanager calls it.
    pub fn alertmanager_name(&self) -> String {
        self.to.map_or_else(|| snake(self.name), str::to_owned)
    }
}

/// `apiURL` as `api_url`.
fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 4);
    for (i, c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|i| chars.get(i));
        let after = chars.get(i + 1);
        let begins = before.is_some_and(|b| !b.is_uppercase()) || after.is_some_and(|a| a.is_lowercase());
        if c.is_uppercase() && before.is_some() && begins {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_as_alertmanager_names_them() {
        for (name, wanted) in [
            ("apiURL", "api_url"),
            ("apiUrl", "api_url"),
            ("opsgenieConfigs", "opsgenie_configs"),
            ("msteamsv2Configs", "msteamsv2_configs"),
            ("requireTLS", "require_tls"),
            ("mrkdwnIn", "mrkdwn_in"),
            ("messageThreadID", "message_thread_id"),
            ("topicARN", "topic_arn"),
            ("forceImplicitTLS", "force_implicit_tls"),
            ("enableHttp2", "enable_http2"),
            ("chatID", "chat_id"),
            ("thumbURL", "thumb_url"),
            ("daysOfMonth", "days_of_month"),
        ] {
            assert_eq!(snake(name), wanted);
        }
    }
}
