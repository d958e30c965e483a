//! Methods of Go's `time.Time`, `time.Duration`, `time.Month` and `time.Weekday`.

use chrono::{Datelike, TimeDelta, Timelike};
use chrono_tz::Tz;

use super::time::{MONTHS, Time, WEEKDAYS, duration};
use super::value::{CallError, Object, Shape, Value};

impl Time {
    /// Calls a method of `time.Time`; `None` when it has none of that name.
    pub(super) fn method(&self, name: &str, args: &[Value]) -> Option<Result<Value, CallError>> {
        let t = &self.0;
        let count = |want: usize| if args.len() == want { Ok(()) } else { Err(CallError::Count { want }) };
        let int = |v: i64| count(0).map(|()| Value::Int(v));
        let duration = || match args {
            [Value::Duration(d)] => Ok(*d),
            // Untyped integer constants are durations where Go wants one.
            [Value::Int(d)] => Ok(*d),
            [_] => Err(CallError::Type { index: 0, want: "time.Duration" }),
            _ => Err(CallError::Count { want: 1 }),
        };
        let time = || match args {
            [Value::Time(t)] => Ok(*t),
            [_] => Err(CallError::Type { index: 0, want: "time.Time" }),
            _ => Err(CallError::Count { want: 1 }),
        };
        Some(match name {
            "Format" => match args {
                [Value::Str(layout)] => Ok(Value::from(self.format(layout))),
                [_] => Err(CallError::Type { index: 0, want: "string" }),
                _ => Err(CallError::Count { want: 1 }),
            },
            "String" => count(0).map(|()| Value::from(self.to_string())),
            "UTC" | "Local" => count(0).map(|()| Value::Time(Time(t.with_timezone(&Tz::UTC)))),
            "Unix" => int(t.timestamp()),
            "UnixMilli" => int(t.timestamp_millis()),
            "UnixMicro" => int(t.timestamp_micros()),
            "UnixNano" => int(t.timestamp_nanos_opt().unwrap_or(0)),
            "Year" => int(i64::from(t.year())),
            "Month" => count(0).map(|()| Value::object(Named(MONTH, i64::from(t.month())))),
            "Weekday" => {
                count(0).map(|()| Value::object(Named(WEEKDAY, i64::from(t.weekday().num_days_from_sunday()))))
            }
            "Day" => int(i64::from(t.day())),
            "YearDay" => int(i64::from(t.ordinal())),
            "Hour" => int(i64::from(t.hour())),
            "Minute" => int(i64::from(t.minute())),
            "Second" => int(i64::from(t.second())),
            "Nanosecond" => int(i64::from(t.nanosecond())),
            "IsZero" => count(0).map(|()| Value::Bool(*self == Time::zero())),
            "Add" => duration().map(|d| Value::Time(self.plus(d))),
            "Sub" => time().map(|other| Value::Duration(nanos(t.signed_duration_since(other.0)))),
            "Before" => time().map(|other| Value::Bool(t < &other.0)),
            "After" => time().map(|other| Value::Bool(t > &other.0)),
            "Equal" => time().map(|other| Value::Bool(*self == other)),
            "Compare" => time().map(|other| Value::Int(t.cmp(&other.0) as i64)),
            "Truncate" => duration().map(|d| Value::Time(self.truncated(d, false))),
            "Round" => duration().map(|d| Value::Time(self.truncated(d, true))),
            "AddDate" => match args {
                [Value::Int(years), Value::Int(months), Value::Int(days)] => {
                    Ok(Value::Time(self.add_date(*years, *months, *days)))
                }
                [_, _, _] => Err(CallError::Type { index: 0, want: "int" }),
                _ => Err(CallError::Count { want: 3 }),
            },
            _ => return None,
        })
    }
}

/// Calls a method of `time.Duration`; `None` when it has none of that name.
pub(super) fn duration_method(nanos: i64, name: &str, args: &[Value]) -> Option<Result<Value, CallError>> {
    const SECOND: f64 = 1e9;
    let unit = || match args {
        [Value::Duration(d) | Value::Int(d)] => Ok(*d),
        [_] => Err(CallError::Type { index: 0, want: "time.Duration" }),
        _ => Err(CallError::Count { want: 1 }),
    };
    let none = |v: Value| if args.is_empty() { Ok(v) } else { Err(CallError::Count { want: 0 }) };
    let float = |unit: f64| none(Value::Float(nanos as f64 / unit));
    Some(match name {
        "String" => none(Value::from(duration(nanos))),
        "Seconds" => float(SECOND),
        "Minutes" => float(60.0 * SECOND),
        "Hours" => float(3600.0 * SECOND),
        "Milliseconds" => none(Value::Int(nanos / 1_000_000)),
        "Microseconds" => none(Value::Int(nanos / 1_000)),
        "Nanoseconds" => none(Value::Int(nanos)),
        "Abs" => none(Value::Duration(nanos.saturating_abs())),
        "Truncate" => unit().map(|m| Value::Duration(if m > 0 { nanos - nanos % m } else { nanos })),
        "Round" => unit().map(|m| Value::Duration(round(nanos, m))),
        _ => return None,
    })
}

/// Half away from zero.
fn round(nanos: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return nanos;
    }
    let over = nanos % unit;
    let down = nanos - over;
    if over.saturating_abs() >= unit - over.saturating_abs() { down.saturating_add(unit * over.signum()) } else { down }
}

/// A month or a weekday: a number with a name.
struct Named(&'static NamedType, i64);

struct NamedType {
    type_name: &'static str,
    names: &'static [&'static str],
    first: i64,
}

static MONTH: &NamedType = &NamedType { type_name: "time.Month", names: &MONTHS, first: 1 };

static WEEKDAY: &NamedType = &NamedType { type_name: "time.Weekday", names: &WEEKDAYS, first: 0 };

impl Object for Named {
    fn type_name(&self) -> &'static str {
        self.0.type_name
    }
    fn shape(&self) -> Shape<'_> {
        Shape::Int(self.1)
    }
    fn method(&self, name: &str, _: &[Value]) -> Option<Result<Value, CallError>> {
        (name == "String").then(|| Ok(Value::from(self.text().unwrap_or_default())))
    }
    fn text(&self) -> Option<String> {
        let index = usize::try_from(self.1 - self.0.first).ok()?;
        self.0.names.get(index).map(|n| (*n).to_owned())
    }
}

fn nanos(d: TimeDelta) -> i64 {
    d.num_nanoseconds().unwrap_or(if d < TimeDelta::zero() { i64::MIN } else { i64::MAX })
}
