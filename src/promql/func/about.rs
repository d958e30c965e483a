//! What functions and aggregations give, in a sentence each, for people who write queries.

/// What a function or an aggregation gives.
pub fn about(name: &str) -> Option<&'static str> {
    TEXTS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// By name.
const TEXTS: &[(&str, &str)] = &[
    ("abs", "The values without their sign."),
    ("absent", "1 when there is no such series, with the labels that its matchers fix; nothing when there is one."),
    ("absent_over_time", "1 when no such series had a sample in the range."),
    ("acos", "The arc cosine, in radians."),
    ("acosh", "The inverse hyperbolic cosine."),
    ("asin", "The arc sine, in radians."),
    ("asinh", "The inverse hyperbolic sine."),
    ("atan", "The arc tangent, in radians."),
    ("atanh", "The inverse hyperbolic tangent."),
    ("avg", "The mean of the series of a group."),
    ("avg_over_time", "The mean of a series' samples in the range."),
    ("bottomk", "The k series with the least values of each group, with all their labels."),
    ("ceil", "The values rounded up to whole numbers."),
    ("changes", "How many times the value changed in the range."),
    ("clamp", "The values, none below the minimum and none above the maximum."),
    ("clamp_max", "The values, none above the maximum."),
    ("clamp_min", "The values, none below the minimum."),
    ("cos", "The cosine of radians."),
    ("cosh", "The hyperbolic cosine."),
    ("count", "How many series a group has."),
    ("count_over_time", "How many samples a series has in the range."),
    ("count_values", "How many series of a group have each value, which becomes a label."),
    ("day_of_month", "The day of the month of times in seconds, UTC, from 1."),
    ("day_of_week", "The day of the week of times in seconds, UTC; 0 is Sunday."),
    ("day_of_year", "The day of the year of times in seconds, UTC, from 1."),
    ("days_in_month", "How many days the month has, of times in seconds, UTC."),
    ("deg", "Radians as degrees."),
    ("delta", "How much a gauge changed over the range, extrapolated to its ends. Of counters it is `increase`."),
    ("deriv", "How much a gauge changes a second, by linear regression over the range."),
    (
        "double_exponential_smoothing",
        "A gauge smoothed over the range; older samples and trends count less by two factors.",
    ),
    ("end", "The last time of the query, in seconds."),
    ("exp", "e to the power of the values."),
    ("first_over_time", "The oldest sample in the range."),
    ("floor", "The values rounded down to whole numbers."),
    ("group", "1 for each group."),
    ("histogram_avg", "The mean of what native histograms observed."),
    ("histogram_count", "How many observations native histograms have."),
    ("histogram_fraction", "Which share of observations lies between two bounds."),
    (
        "histogram_quantile",
        "The quantile of what histograms observed, interpolated within a bucket. Classic buckets need their label `le`; above \
         the largest bound, that bound is given.",
    ),
    ("histogram_quantiles", "Several quantiles of histograms, each with a label that tells which."),
    ("histogram_stddev", "The standard deviation of what native histograms observed, estimated."),
    ("histogram_stdvar", "The variance of what native histograms observed, estimated."),
    ("histogram_sum", "The sum of what native histograms observed."),
    ("hour", "The hour of times in seconds, UTC, from 0 to 23."),
    ("idelta", "The difference of the last two samples in the range."),
    ("increase", "How much a counter grew over the range, resets included, extrapolated to its ends. Not for gauges."),
    ("info", "Series with labels of the info series that belong to them."),
    ("irate", "How much a counter grew a second between the last two samples in the range."),
    ("label_join", "Series with a label that joins the values of others."),
    ("label_replace", "Series with a label made of another, where a regular expression matches that."),
    ("last_over_time", "The newest sample in the range."),
    ("limit_ratio", "A share of the series of each group, the same ones each time; a negative one gives the others."),
    ("limitk", "k series of each group, the same ones each time."),
    ("ln", "The natural logarithm."),
    ("log10", "The decimal logarithm."),
    ("log2", "The binary logarithm."),
    ("mad_over_time", "The median of the distances from the median, over the range."),
    ("max", "The largest value of a group."),
    ("max_of", "The largest of several scalars."),
    ("max_over_time", "The largest value in the range."),
    ("min", "The least value of a group."),
    ("min_of", "The least of several scalars."),
    ("min_over_time", "The least value in the range."),
    ("minute", "The minute of times in seconds, UTC, from 0 to 59."),
    ("month", "The month of times in seconds, UTC, from 1 to 12."),
    ("pi", "π"),
    ("predict_linear", "What a gauge will be in so many seconds, by linear regression over the range."),
    ("present_over_time", "1 for each series that has a sample in the range."),
    ("quantile", "The quantile of the values of a group."),
    ("quantile_over_time", "The quantile of a series' samples in the range."),
    ("rad", "Degrees as radians."),
    ("range", "How long the query's range is, in seconds."),
    (
        "rate",
        "How much a counter grows a second, resets included, over the range, extrapolated to its ends. Not for gauges. \
         Let the range hold four scrapes or more; take the rate first and aggregate then.",
    ),
    ("resets", "How many times a counter was reset in the range."),
    ("round", "The values rounded to whole numbers, or to multiples of a number."),
    ("scalar", "The value of the only series; NaN when there is none or several."),
    ("sgn", "1, 0 or -1, as the values are positive, 0 or negative."),
    ("sin", "The sine of radians."),
    ("sinh", "The hyperbolic sine."),
    ("sort", "The series, ascending by value. For instant queries."),
    ("sort_by_label", "The series, ascending by labels. For instant queries."),
    ("sort_by_label_desc", "The series, descending by labels. For instant queries."),
    ("sort_desc", "The series, descending by value. For instant queries."),
    ("sqrt", "The square root."),
    ("start", "The first time of the query, in seconds."),
    ("start_timestamp", "When counters began, in seconds, where that is known."),
    ("stddev", "The standard deviation of the values of a group."),
    ("stddev_over_time", "The standard deviation of a series' samples in the range."),
    ("stdvar", "The variance of the values of a group."),
    ("stdvar_over_time", "The variance of a series' samples in the range."),
    ("step", "How far the query's times are apart, in seconds."),
    ("sum", "The sum of the values of a group. Of counters, take the rate first."),
    ("sum_over_time", "The sum of a series' samples in the range."),
    ("tan", "The tangent of radians."),
    ("tanh", "The hyperbolic tangent."),
    ("time", "The time at which the query is evaluated, in seconds."),
    ("timestamp", "When the samples were taken, in seconds."),
    ("topk", "The k series with the largest values of each group, with all their labels."),
    ("ts_of_first_over_time", "When the oldest sample in the range was taken, in seconds."),
    ("ts_of_last_over_time", "When the newest sample in the range was taken, in seconds."),
    ("ts_of_max_over_time", "When the largest sample in the range was taken last, in seconds."),
    ("ts_of_min_over_time", "When the least sample in the range was taken last, in seconds."),
    ("vector", "A scalar as a series without labels."),
    ("year", "The year of times in seconds, UTC."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::ast::AggregateOp;

    #[test]
    fn every_function_and_aggregation_has_a_text_and_no_other_has() {
        let functions = super::super::all().iter().map(|f| f.name);
        let mut all: Vec<&str> = functions.chain(AggregateOp::ALL.map(AggregateOp::as_str)).collect();
        all.sort_unstable();
        assert_eq!(TEXTS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), all);
    }
}
