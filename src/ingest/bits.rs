//! Reads fields from the head of a NAL unit (ITU-T H.264 clause 7.2 and 9.1, H.265 clause 9.2). Nothing is ever read past
//! the end: `None`.

/// The bits of a NAL unit, without its emulation prevention bytes.
pub(crate) struct Bits<'a> {
    rest: &'a [u8],
    escaped: bool,
    read: usize,
    zeros: u8,
    byte: u8,
    left: u8,
}

impl<'a> Bits<'a> {
    /// `nal`: from the first byte to be read.
    pub fn new(nal: &'a [u8]) -> Self {
        Self { rest: nal, escaped: true, read: 0, zeros: 0, byte: 0, left: 0 }
    }

    /// Of bytes whose emulation prevention was taken out.
    pub fn plain(bytes: &'a [u8]) -> Self {
        Self { escaped: false, ..Self::new(bytes) }
    }

    /// Bits read so far.
    pub fn position(&self) -> usize {
        self.read
    }

    pub fn bit(&mut self) -> Option<bool> {
        if self.left == 0 {
            self.byte = self.next_byte()?;
            self.left = 8;
        }
        self.left -= 1;
        self.read += 1;
        Some(self.byte >> self.left & 1 == 1)
    }

    /// At most 32 bits.
    pub fn bits(&mut self, count: u8) -> Option<u32> {
        (0..count).try_fold(0, |value, _| Some(value << 1 | u32::from(self.bit()?)))
    }

    pub fn skip(&mut self, count: u32) -> Option<()> {
        (0..count).try_for_each(|_| self.bit().map(drop))
    }

    /// An unsigned Exp-Golomb code.
    pub fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1u32 << zeros) - 1 + self.bits(zeros)?)
    }

    /// A signed Exp-Golomb code.
    pub fn signed(&mut self) -> Option<i32> {
        let code = i64::from(self.unsigned()?);
        i32::try_from(if code % 2 == 1 { (code + 1) / 2 } else { -(code / 2) }).ok()
    }

    fn next_byte(&mut self) -> Option<u8> {
        loop {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            if self.escaped && self.zeros == 2 && byte == 3 {
                self.zeros = 0;
                continue;
            }
            self.zeros = if byte == 0 { (self.zeros + 1).min(2) } else { 0 };
            return Some(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_are_read_by_the_table() {
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!([(); 4].map(|()| bits.unsigned()), [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!(bits.unsigned(), Some(4));
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!([(); 5].map(|()| bits.signed()), [Some(0), Some(1), Some(-1), Some(2), Some(-2)]);
    }

    #[test]
    fn emulation_prevention_is_left_out_and_the_end_is_the_end() {
        let mut bits = Bits::new(&[0, 0, 3, 1, 0, 0, 3]);
        assert_eq!(bits.bits(24), Some(1));
        assert_eq!((bits.bits(16), bits.bit()), (Some(0), None));
        assert_eq!(Bits::new(&[0; 5]).unsigned(), None);
    }
}
