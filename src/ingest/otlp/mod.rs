//! OTLP: OpenTelemetry's metrics, received over HTTP and stored as Prometheus stores them.

mod deltas;
mod json;
mod message;
mod names;
mod translate;

pub use deltas::{Cumulative, Deltas, MOST_STREAMS};
pub use json::to_protobuf;
pub use names::{LabelNames, TranslationStrategy};
pub use translate::{OtlpSettings, Promoted, receive};
