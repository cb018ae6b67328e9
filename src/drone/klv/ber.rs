//! BER lengths and BER-OID tags (ISO/IEC 8825-1, 8.1.3 and 8.19; SMPTE ST 336).

/// A length and how many bytes it took. `None`: cut off, indefinite, or longer than 8 bytes.
pub(super) fn length(bytes: &[u8]) -> Option<(u64, usize)> {
    let &first = bytes.first()?;
    if first < 0x80 {
        return Some((u64::from(first), 1));
    }
    let count = usize::from(first & 0x7f);
    if !(1..=8).contains(&count) {
        return None;
    }
    let value = bytes.get(1..1 + count)?.iter().fold(0u64, |v, b| v << 8 | u64::from(*b));
    Some((value, 1 + count))
}

/// A tag and how many bytes it took: seven bits a byte, the highest bit says that more follow.
pub(super) fn tag(bytes: &[u8]) -> Option<(u32, usize)> {
    let mut value = 0u32;
    for (i, byte) in bytes.iter().enumerate().take(4) {
        value = value << 7 | u32::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, i + 1));
        }
    }
    None
}

/// The shortest form.
pub(super) fn write_length(length: usize, out: &mut Vec<u8>) {
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let zeros = bytes.iter().take_while(|b| **b == 0).count();
            // 8 at most.
            out.push(0x80 | (bytes.len() - zeros) as u8);
            out.extend(&bytes[zeros..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_lengths() {
        assert_eq!(length(&[0x61]), Some((0x61, 1)));
        assert_eq!(length(&[0x81, 0xd2]), Some((210, 2)));
        assert_eq!(length(&[0x82, 0x01, 0x00]), Some((256, 3)));
        for wrong in [&[][..], &[0x80], &[0x82, 1], &[0x89, 0, 0, 0, 0, 0, 0, 0, 0, 1]] {
            assert_eq!(length(wrong), None, "{wrong:?}");
        }
        for value in [0, 127, 128, 255, 256, 70_000] {
            let mut out = Vec::new();
            write_length(value, &mut out);
            assert_eq!(length(&out), Some((value as u64, out.len())));
        }
    }

    #[test]
    fn tags_of_more_than_seven_bits() {
        assert_eq!(tag(&[13, 4]), Some((13, 1)));
        assert_eq!(tag(&[0x81, 0x0c]), Some((140, 2)));
        assert_eq!(tag(&[0x81]), None);
        assert_eq!(tag(&[0xff; 9]), None);
    }
}
