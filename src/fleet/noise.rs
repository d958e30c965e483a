//! Noise without state: a hash of the subject and the place.

/// SplitMix64's finalizer: every input bit reaches every output bit.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The seed of a subject under a seed.
pub(super) fn seed(seed: u64, subject: &str) -> u64 {
    subject.bytes().fold(mix(seed ^ 0x9e37_79b9_7f4a_7c15), |h, b| mix(h ^ u64::from(b)))
}

/// A value in `[-1, 1)` for a place.
#[inline]
pub(super) fn signed(seed: u64, place: i64) -> f64 {
    let bits = mix(seed ^ (place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    (bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

/// A value in `[0, 1)` that belongs to the subject itself.
pub(super) fn unit(seed: u64) -> f64 {
    (mix(seed) >> 11) as f64 / (1u64 << 53) as f64
}

/// Characters such as Kubernetes puts behind the names of pods.
pub(super) fn suffix(seed: u64, len: usize) -> String {
    const ALPHABET: [char; 27] = [
        'b', 'c', 'd', 'f', 'g', 'h', 'j', 'k', 'l', 'm', 'n', 'p', 'q', 'r', 's', 't', 'v', 'w', 'x', 'z', '2', '4',
        '5', '6', '7', '8', '9',
    ];
    let pick = |i: usize| mix(seed.wrapping_add(i as u64)) as usize % ALPHABET.len();
    (0..len).filter_map(|i| ALPHABET.get(pick(i)).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_even_around_zero_and_within_its_bounds() {
        let values: Vec<f64> = (0..10_000).map(|i| signed(42, i)).collect();
        assert!(values.iter().all(|v| (-1.0..1.0).contains(v)));
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 0.02, "{mean}");
    }
}
