//! PES packets: what a stream carries, and when.

/// Times are of 90 kHz and wrap after 33 bits.
const BITS: u32 = 33;
/// More than a picture or a metadata packet of a drone has.
const MOST_BYTES: usize = 8 << 20;

/// A time of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticks(u64);

impl Ticks {
    /// Microseconds since `earlier`; negative if it is later.
    pub fn since(self, earlier: Ticks) -> i64 {
        let shift = 64 - BITS;
        let ticks = ((self.0.wrapping_sub(earlier.0) << shift) as i64) >> shift;
        ticks * 100 / 9
    }
}

/// A whole PES packet.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Pes {
    pub pts: Option<Ticks>,
    pub dts: Option<Ticks>,
    pub payload: Vec<u8>,
}

/// The packet of one PID that is being collected.
#[derive(Default)]
pub(super) struct Collector {
    bytes: Vec<u8>,
    open: bool,
}

impl Collector {
    /// Takes the payload of a transport packet in, and gives the PES packet that it ends: the one before, or a
    /// short one at once.
    pub fn push(&mut self, begins: bool, payload: &[u8]) -> Option<Pes> {
        let before = if begins { self.finish() } else { None };
        if begins {
            self.open = true;
        }
        if self.open && self.bytes.len() + payload.len() <= MOST_BYTES {
            self.bytes.extend(payload);
        }
        // A packet with a length is whole as soon as it is there; video has none.
        before.or_else(|| self.is_whole().then(|| self.finish()).flatten())
    }

    fn is_whole(&self) -> bool {
        let Some(&[_, _, _, _, high, low]) = self.bytes.get(..6) else { return false };
        let length = usize::from(u16::from_be_bytes([high, low]));
        length > 0 && self.bytes.len() >= 6 + length
    }

    /// The packet as far as it has come.
    pub fn finish(&mut self) -> Option<Pes> {
        self.open = false;
        parse(&std::mem::take(&mut self.bytes))
    }
}

/// A packet as far as it is there. `None`: no PES packet with a header.
pub(super) fn parse(bytes: &[u8]) -> Option<Pes> {
    let &[0, 0, 1, _, high, low, mark, flags, head, ref rest @ ..] = bytes else { return None };
    if mark & 0xc0 != 0x80 {
        return None;
    }
    let head = usize::from(head);
    let length = usize::from(u16::from_be_bytes([high, low]));
    // The length counts from behind itself.
    let end = if length == 0 { rest.len() } else { rest.len().min(length.saturating_sub(3)) };
    let pts = (flags & 0x80 != 0).then(|| time(rest)).flatten();
    let dts = (flags & 0x40 != 0).then(|| time(rest.get(5..)?)).flatten();
    Some(Pes { pts, dts, payload: rest.get(head..end)?.to_vec() })
}

fn time(bytes: &[u8]) -> Option<Ticks> {
    let &[a, b, c, d, e, ..] = bytes else { return None };
    let (high, middle, low) =
        (u64::from(a >> 1 & 7), u16::from_be_bytes([b, c]) >> 1, u16::from_be_bytes([d, e]) >> 1);
    Some(Ticks(high << 30 | u64::from(middle) << 15 | u64::from(low)))
}
