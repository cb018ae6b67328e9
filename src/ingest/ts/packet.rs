//! Transport packets of a file.

use std::io::{self, BufRead, Read};

/// Bytes of a packet.
pub(super) const SIZE: usize = 188;
const SYNC: u8 = 0x47;
/// Plain, with a time code in front (M2TS), with error correction behind.
const STRIDES: [usize; 3] = [SIZE, 192, 204];
/// The first packet begins within so many bytes.
const START: usize = 4096;

/// One packet.
pub(super) struct Packet<'a> {
    pub pid: u16,
    /// A section or a PES packet begins in it.
    pub begins: bool,
    pub payload: &'a [u8],
}

/// `None`: no packet, without payload, encrypted, or marked as damaged.
pub(super) fn parse(bytes: &[u8]) -> Option<Packet<'_>> {
    let &[SYNC, high, low, flags, ref rest @ ..] = bytes else { return None };
    let (damaged, encrypted) = (high & 0x80 != 0, flags & 0xc0 != 0);
    if damaged || encrypted || flags & 0x10 == 0 {
        return None;
    }
    // The length of the adaptation field does not count itself.
    let skip = if flags & 0x20 == 0 { 0 } else { usize::from(*rest.first()?) + 1 };
    let pid = u16::from_be_bytes([high & 0x1f, low]);
    Some(Packet { pid, begins: high & 0x40 != 0, payload: rest.get(skip..)? })
}

/// Reads packets one by one; bytes between packets are skipped.
pub(super) struct Packets<R> {
    file: R,
    /// From packet to packet.
    stride: usize,
    buffer: Vec<u8>,
}

impl<R: BufRead> Packets<R> {
    /// `None`: this is no MPEG-TS.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn open(mut file: R) -> io::Result<Option<Self>> {
        let mut start = Vec::new();
        (&mut file).take((START + 4 * 204) as u64).read_to_end(&mut start)?;
        let fits = |at: usize, stride: usize| {
            let marks = (0..4).map(|i| at + i * stride).take_while(|at| *at < start.len());
            let marks: Vec<usize> = marks.collect();
            marks.len() >= 2 && marks.iter().all(|at| start[*at] == SYNC)
        };
        let found = (0..START.min(start.len())).find_map(|at| {
            let stride = STRIDES.into_iter().find(|stride| fits(at, *stride))?;
            Some((at, stride))
        });
        let Some((at, stride)) = found else { return Ok(None) };
        start.drain(..at);
        Ok(Some(Self { file, stride, buffer: start }))
    }

    /// The next packet's bytes, or `None` at the end. A last packet that is cut off is left out.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn next(&mut self) -> io::Result<Option<[u8; SIZE]>> {
        loop {
            if self.buffer.len() < SIZE {
                let wanted = (self.stride * 64) as u64;
                (&mut self.file).take(wanted).read_to_end(&mut self.buffer)?;
                if self.buffer.len() < SIZE {
                    return Ok(None);
                }
            }
            if self.buffer[0] == SYNC {
                let mut packet = [0; SIZE];
                packet.copy_from_slice(&self.buffer[..SIZE]);
                let used = self.stride.min(self.buffer.len());
                self.buffer.drain(..used);
                if used < self.stride {
                    let missing = (self.stride - used) as u64;
                    io::copy(&mut (&mut self.file).take(missing), &mut io::sink())?;
                }
                return Ok(Some(packet));
            }
            let next =
                self.buffer.iter().skip(1).position(|b| *b == SYNC).map_or(self.buffer.len(), |i| i + 1);
            self.buffer.drain(..next);
        }
    }
}
