//! Go's `fmt` for template values: `print`, `println`, `printf`, and what an action writes.

mod number;
mod parts;
mod quote;
mod verb;

use crate::template::value::Value;
pub(crate) use number::float_text;
pub(crate) use quote::is_print;
pub use quote::quote;
pub use verb::sprintf;

use verb::Spec;

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&sprint_value(self))
    }
}

/// What an action writes: as `%v`, except that nothing is `<no value>`.
pub fn display(value: &Value) -> String {
    match value {
        Value::Nil => "<no value>".into(),
        other => sprint_value(other),
    }
}

/// A value as `%v`.
pub fn sprint_value(value: &Value) -> String {
    let mut out = String::new();
    verb::push_value(&mut out, &Spec::default(), 'v', value);
    out
}

/// `print`: a space between operands when neither is a string.
pub fn sprint(args: &[Value]) -> String {
    let mut out = String::new();
    let mut after_string = true;
    for (i, arg) in args.iter().enumerate() {
        let is_string = arg.as_str().is_some();
        if i > 0 && !is_string && !after_string {
            out.push(' ');
        }
        verb::push_value(&mut out, &Spec::default(), 'v', arg);
        after_string = is_string;
    }
    out
}

/// `println`: a space between operands, a newline at the end.
pub fn sprintln(args: &[Value]) -> String {
    let mut out = args.iter().map(sprint_value).collect::<Vec<_>>().join(" ");
    out.push('\n');
    out
}
