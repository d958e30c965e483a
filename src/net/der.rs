//! The one thing we read of a certificate ourselves: the public key of one that webpki does not take.

/// A public key as a certificate states it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PublicKey<'a> {
    /// Contents of the algorithm's identifier.
    pub algorithm: &'a [u8],
    /// The key.
    pub key: &'a [u8],
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
/// `[0]`, where a certificate states a version other than 1.
const VERSION: u8 = 0xa0;

/// The public key of a certificate of any version (RFC 5280, 4.1).
pub(super) fn public_key(certificate: &[u8]) -> Option<PublicKey<'_>> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (mut rest, _) = element(certificate, SEQUENCE)?;
    if let Some((_, after)) = element(rest, VERSION) {
        rest = after;
    }
    // Serial number, signature's algorithm, issuer, validity, subject.
    for tag in [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE] {
        rest = element(rest, tag)?.1;
    }
    key_of(rest)
}

/// The key of a `SubjectPublicKeyInfo`, whatever follows it.
pub(super) fn key_of(info: &[u8]) -> Option<PublicKey<'_>> {
    let (info, _) = element(info, SEQUENCE)?;
    let (algorithm, info) = element(info, SEQUENCE)?;
    let (bits, _) = element(info, BIT_STRING)?;
    // A key is whole bytes: the count of unused bits is 0.
    Some(PublicKey { algorithm, key: bits.strip_prefix(&[0])? })
}

/// Contents of the first element if it has this tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, length], rest) = bytes.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match length {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (digits.iter().fold(0, |n, d| n << 8 | usize::from(*d)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_with_and_without_a_version_and_damage_is_none() {
        let key = [0x30, 0x08, 0x30, 0x02, 0x06, 0x00, 0x03, 0x02, 0x00, 0x07];
        let fields = [&[INTEGER, 1, 5][..], &[SEQUENCE, 0].repeat(4), &key].concat();
        let wrapped = |inner: &[u8]| [&[SEQUENCE, u8::try_from(inner.len()).unwrap()], inner].concat();
        let want = PublicKey { algorithm: &[0x06, 0x00], key: &[7] };
        for tbs in [fields.clone(), [&[VERSION, 3, INTEGER, 1, 2][..], &fields].concat()] {
            let certificate = wrapped(&wrapped(&tbs));
            assert_eq!(public_key(&certificate).as_ref(), Some(&want));
            (0..certificate.len()).for_each(|cut| assert_eq!(public_key(&certificate[..cut]), None));
        }
        assert_eq!(public_key(&[SEQUENCE, 0x85, 1, 1, 1, 1, 1]), None);
    }
}
