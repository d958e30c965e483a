//! Not-a-numbers that mean something: the staleness marker.

/// The NaN that marks a series as stale (Prometheus' `value.StaleNaN`). Compare by bits, with [`is_stale`].
pub const STALE_NAN: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// The NaN that Prometheus writes for an ordinary not-a-number.
pub const NORMAL_NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);

/// Whether a value is the staleness marker.
#[inline]
pub fn is_stale(v: f64) -> bool {
    v.to_bits() == STALE_NAN.to_bits()
}
