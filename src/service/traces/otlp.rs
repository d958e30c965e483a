//! OTLP's request of spans, as protobuf (opentelemetry/proto/collector/trace/v1): what we send of it.

use crate::instrument::spans::{Span, SpanKind};

/// A request with these spans.
pub(super) fn request(spans: &[Span]) -> Vec<u8> {
    let mut resource = Vec::new();
    attribute(&mut resource, 1, "service.name", "watchbell");
    attribute(&mut resource, 1, "service.version", env!("CARGO_PKG_VERSION"));
    let mut scope = Vec::new();
    bytes(&mut scope, 1, b"watchbell");
    let mut scope_spans = Vec::new();
    bytes(&mut scope_spans, 1, &scope);
    for one in spans {
        bytes(&mut scope_spans, 2, &span(one));
    }
    let mut resource_spans = Vec::new();
    bytes(&mut resource_spans, 1, &resource);
    bytes(&mut resource_spans, 2, &scope_spans);
    let mut request = Vec::with_capacity(resource_spans.len() + 8);
    bytes(&mut request, 1, &resource_spans);
    request
}

fn span(span: &Span) -> Vec<u8> {
    let ended = u64::try_from(span.ended_at).unwrap_or(0).saturating_mul(1_000_000);
    let took = u64::try_from(span.took.as_nanos()).unwrap_or(u64::MAX);
    let kind = match span.kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
    };
    let mut out = Vec::with_capacity(128);
    bytes(&mut out, 1, &span.id.trace.to_be_bytes());
    bytes(&mut out, 2, &span.id.span.to_be_bytes());
    if let Some(parent) = span.parent {
        bytes(&mut out, 4, &parent.to_be_bytes());
    }
    bytes(&mut out, 5, span.name.as_bytes());
    tag(&mut out, 6, 0);
    varint(&mut out, kind);
    fixed(&mut out, 7, ended.saturating_sub(took));
    fixed(&mut out, 8, ended);
    for (name, value) in &span.attributes {
        attribute(&mut out, 9, name, value);
    }
    if let Some(error) = &span.error {
        let mut status = Vec::new();
        bytes(&mut status, 2, error.as_bytes());
        tag(&mut status, 3, 0);
        varint(&mut status, 2);
        bytes(&mut out, 15, &status);
    }
    out
}

fn attribute(out: &mut Vec<u8>, field: u32, name: &str, value: &str) {
    let (mut any, mut pair) = (Vec::new(), Vec::new());
    bytes(&mut any, 1, value.as_bytes());
    bytes(&mut pair, 1, name.as_bytes());
    bytes(&mut pair, 2, &any);
    bytes(out, field, &pair);
}

fn tag(out: &mut Vec<u8>, field: u32, wire: u32) {
    varint(out, u64::from(field << 3 | wire));
}

fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    tag(out, field, 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn fixed(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, 1);
    out.extend_from_slice(&value.to_le_bytes());
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
