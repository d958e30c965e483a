//! The protobuf wire format: a walker over fields that borrows from the buffer and allocates nothing.

/// A buffer that is not a protobuf message of the expected shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The buffer ends inside a field.
    #[error("the message is cut short")]
    Truncated,
    /// A varint of more than 10 bytes.
    #[error("a number is longer than 64 bits")]
    Overlong,
    /// A tag with field number 0 or a wire type that does not exist.
    #[error("an impossible field tag {0}")]
    Tag(u64),
    /// A field has another wire type than its schema says.
    #[error("field {0} has the wrong wire type")]
    WireType(u32),
    /// A metric has more labels, buckets or the like than anybody needs.
    #[error("more than {0} pieces of one kind in a metric")]
    TooMany(usize),
    /// A string is not UTF-8.
    #[error("a string is not valid UTF-8")]
    Utf8,
}

/// The value of a field, as it is encoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WireValue<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32(u32),
}

/// A field of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'a> {
    /// Its number.
    pub number: u32,
    /// Its value.
    pub value: WireValue<'a>,
}

impl<'a> Field<'a> {
    /// The bytes of a length-delimited field.
    #[inline]
    pub fn bytes(&self) -> Result<&'a [u8], WireError> {
        match self.value {
            WireValue::Bytes(b) => Ok(b),
            _ => Err(WireError::WireType(self.number)),
        }
    }

    /// A string.
    #[inline]
    pub fn str(&self) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| WireError::Utf8)
    }

    /// An unsigned or two's-complement integer.
    #[inline]
    pub fn u64(&self) -> Result<u64, WireError> {
        match self.value {
            WireValue::Varint(n) => Ok(n),
            _ => Err(WireError::WireType(self.number)),
        }
    }

    /// An `int64` (or `int32`).
    #[inline]
    pub fn i64(&self) -> Result<i64, WireError> {
        Ok(self.u64()? as i64)
    }

    /// A zigzag integer (`sint64`, `sint32`).
    #[inline]
    pub fn sint(&self) -> Result<i64, WireError> {
        Ok(unzigzag(self.u64()?))
    }

    /// A `double`.
    #[inline]
    pub fn f64(&self) -> Result<f64, WireError> {
        match self.value {
            WireValue::Fixed64(n) => Ok(f64::from_bits(n)),
            _ => Err(WireError::WireType(self.number)),
        }
    }

    /// A `fixed64`.
    #[inline]
    pub fn fixed64(&self) -> Result<u64, WireError> {
        match self.value {
            WireValue::Fixed64(n) => Ok(n),
            _ => Err(WireError::WireType(self.number)),
        }
    }

    /// Appends the elements of a repeated `fixed64` field, packed or single.
    pub fn fixed64s(&self, out: &mut Vec<u64>) -> Result<(), WireError> {
        match self.value {
            WireValue::Fixed64(n) => out.push(n),
            WireValue::Bytes(b) => {
                let (words, rest) = b.as_chunks::<8>();
                if !rest.is_empty() {
                    return Err(WireError::Truncated);
                }
                out.extend(words.iter().map(|w| u64::from_le_bytes(*w)));
            }
            _ => return Err(WireError::WireType(self.number)),
        }
        Ok(())
    }

    /// Appends the elements of a repeated varint field, packed or single.
    pub fn varints<T>(&self, out: &mut Vec<T>, convert: impl Fn(u64) -> T) -> Result<(), WireError> {
        match self.value {
            WireValue::Varint(n) => out.push(convert(n)),
            WireValue::Bytes(mut rest) => {
                while !rest.is_empty() {
                    out.push(convert(take_varint(&mut rest)?));
                }
            }
            _ => return Err(WireError::WireType(self.number)),
        }
        Ok(())
    }

    /// Appends the elements of a repeated `double` field, packed or single.
    pub fn doubles(&self, out: &mut Vec<f64>) -> Result<(), WireError> {
        match self.value {
            WireValue::Fixed64(n) => out.push(f64::from_bits(n)),
            WireValue::Bytes(b) => {
                let (words, rest) = b.as_chunks::<8>();
                if !rest.is_empty() {
                    return Err(WireError::Truncated);
                }
                out.extend(words.iter().map(|w| f64::from_le_bytes(*w)));
            }
            _ => return Err(WireError::WireType(self.number)),
        }
        Ok(())
    }
}

/// From zigzag to two's complement.
#[inline]
pub fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// Reads a varint from the front.
#[inline]
pub fn take_varint(rest: &mut &[u8]) -> Result<u64, WireError> {
    match rest.split_first() {
        Some((&b, tail)) if b < 0x80 => {
            *rest = tail;
            Ok(u64::from(b))
        }
        Some(_) => take_long_varint(rest),
        None => Err(WireError::Truncated),
    }
}

fn take_long_varint(rest: &mut &[u8]) -> Result<u64, WireError> {
    let mut n = 0u64;
    for (i, &b) in rest.iter().enumerate().take(10) {
        n |= u64::from(b & 0x7f) << (7 * i);
        if b < 0x80 {
            *rest = rest.get(i + 1..).unwrap_or_default();
            return Ok(n);
        }
    }
    Err(if rest.len() < 10 { WireError::Truncated } else { WireError::Overlong })
}

/// Walks the fields of a message.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Over the bytes of a message, without a length in front.
    pub fn new(message: &'a [u8]) -> Self {
        Fields { rest: message }
    }

    /// What has not been walked.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next field, `None` at the end of the message.
    #[inline]
    pub fn next_field(&mut self) -> Result<Option<Field<'a>>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = take_varint(&mut self.rest)?;
        let number = u32::try_from(tag >> 3).ok().filter(|n| *n > 0).ok_or(WireError::Tag(tag))?;
        let value = match tag & 7 {
            0 => WireValue::Varint(take_varint(&mut self.rest)?),
            1 => WireValue::Fixed64(u64::from_le_bytes(self.take_array()?)),
            2 => {
                let len = take_varint(&mut self.rest)?;
                let len = usize::try_from(len).map_err(|_| WireError::Truncated)?;
                let (bytes, rest) = self.rest.split_at_checked(len).ok_or(WireError::Truncated)?;
                self.rest = rest;
                WireValue::Bytes(bytes)
            }
            5 => WireValue::Fixed32(u32::from_le_bytes(self.take_array()?)),
            _ => return Err(WireError::Tag(tag)),
        };
        Ok(Some(Field { number, value }))
    }

    #[inline]
    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (array, rest) = self.rest.split_first_chunk::<N>().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }
}

/// Writes protobuf messages.
#[derive(Clone, Debug, Default)]
pub struct WireWriter {
    /// What has been written.
    pub buf: Vec<u8>,
}

impl WireWriter {
    /// Appends a varint without a tag.
    pub fn varint(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.buf.push((n & 0x7f) as u8 | 0x80);
            n >>= 7;
        }
        self.buf.push(n as u8);
    }

    fn tag(&mut self, number: u32, wire_type: u64) {
        self.varint(u64::from(number) << 3 | wire_type);
    }

    /// A varint field.
    pub fn uint(&mut self, number: u32, n: u64) {
        self.tag(number, 0);
        self.varint(n);
    }

    /// A zigzag field.
    pub fn sint(&mut self, number: u32, n: i64) {
        self.uint(number, zigzag(n));
    }

    /// A `fixed64` field.
    pub fn fixed64(&mut self, number: u32, n: u64) {
        self.tag(number, 1);
        self.buf.extend_from_slice(&n.to_le_bytes());
    }

    /// A `double` field.
    pub fn double(&mut self, number: u32, v: f64) {
        self.fixed64(number, v.to_bits());
    }

    /// A length-delimited field.
    pub fn bytes(&mut self, number: u32, bytes: &[u8]) {
        self.tag(number, 2);
        self.varint(bytes.len() as u64);
        self.buf.extend_from_slice(bytes);
    }

    /// A packed field of doubles.
    pub fn doubles(&mut self, number: u32, values: &[f64]) {
        if values.is_empty() {
            return;
        }
        self.tag(number, 2);
        self.varint(values.len() as u64 * 8);
        for v in values {
            self.buf.extend_from_slice(&v.to_le_bytes());
        }
    }

    /// A packed field of zigzag numbers.
    pub fn sints(&mut self, number: u32, values: &[i64]) {
        if values.is_empty() {
            return;
        }
        let mut packed = WireWriter::default();
        values.iter().for_each(|n| packed.varint(zigzag(*n)));
        self.bytes(number, &packed.buf);
    }

    /// An embedded message.
    pub fn message(&mut self, number: u32, write: impl FnOnce(&mut WireWriter)) {
        let mut inner = WireWriter::default();
        write(&mut inner);
        self.bytes(number, &inner.buf);
    }
}

/// From two's complement to zigzag.
pub fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(n: u64, s: i64, v: f64, text in ".{0,40}", many: Vec<f64>) {
            let mut w = WireWriter::default();
            w.uint(1, n);
            w.sint(2, s);
            w.double(3, v);
            w.message(4, |w| w.bytes(1, text.as_bytes()));
            w.doubles(5, &many);
            let mut fields = Fields::new(&w.buf);
            let mut next = || fields.next_field().unwrap();
            prop_assert_eq!(next().unwrap().u64(), Ok(n));
            prop_assert_eq!(next().unwrap().sint(), Ok(s));
            prop_assert_eq!(next().unwrap().f64().unwrap().to_bits(), v.to_bits());
            let inner = next().unwrap().bytes().unwrap();
            prop_assert_eq!(Fields::new(inner).next_field().unwrap().unwrap().str(), Ok(text.as_str()));
            let mut read = Vec::new();
            if let Some(field) = next() {
                field.doubles(&mut read).unwrap();
            }
            prop_assert_eq!(read.len(), many.len());
        }

        #[test]
        fn damaged_messages_end_in_an_error_or_an_end(bytes: Vec<u8>) {
            let mut fields = Fields::new(&bytes);
            let mut steps = 0;
            while let Ok(Some(_)) = fields.next_field() {
                steps += 1;
            }
            prop_assert!(steps <= bytes.len());
        }
    }
}
