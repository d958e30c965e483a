//! OTLP: OpenTelemetry's metrics, received over HTTP and stored as Prometheus stores them.

mod message;
mod names;
mod translate;

pub use names::{LabelNames, TranslationStrategy};
pub use translate::{OtlpSettings, Promoted, receive};
