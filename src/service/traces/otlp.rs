//! OTLP's request of spans, as protobuf (opentelemetry/proto/collector/trace/v1): what we send of it.

use crate::ingest::wire::WireWriter;
use crate::instrument::spans::{Span, SpanKind};

/// A request with these spans.
pub(super) fn request(spans: &[Span]) -> Vec<u8> {
    let mut request = WireWriter::default();
    request.message(1, |resource_spans| {
        resource_spans.message(1, |resource| {
            attribute(resource, 1, "service.name", "watchbell");
            attribute(resource, 1, "service.version", env!("CARGO_PKG_VERSION"));
        });
        resource_spans.message(2, |scope_spans| {
            scope_spans.message(1, |scope| scope.bytes(1, b"watchbell"));
            spans.iter().for_each(|one| scope_spans.message(2, |w| span(w, one)));
        });
    });
    request.buf
}

fn span(w: &mut WireWriter, span: &Span) {
    let ended = u64::try_from(span.ended_at).unwrap_or(0).saturating_mul(1_000_000);
    let took = u64::try_from(span.took.as_nanos()).unwrap_or(u64::MAX);
    let kind = match span.kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
    };
    w.bytes(1, &span.id.trace.to_be_bytes());
    w.bytes(2, &span.id.span.to_be_bytes());
    if let Some(parent) = span.parent {
        w.bytes(4, &parent.to_be_bytes());
    }
    w.bytes(5, span.name.as_bytes());
    w.uint(6, kind);
    w.fixed64(7, ended.saturating_sub(took));
    w.fixed64(8, ended);
    for (name, value) in &span.attributes {
        attribute(w, 9, name, value);
    }
    if let Some(error) = &span.error {
        w.message(15, |status| {
            status.bytes(2, error.as_bytes());
            status.uint(3, 2);
        });
    }
}

fn attribute(w: &mut WireWriter, field: u32, name: &str, value: &str) {
    w.message(field, |pair| {
        pair.bytes(1, name.as_bytes());
        pair.message(2, |any| any.bytes(1, value.as_bytes()));
    });
}
