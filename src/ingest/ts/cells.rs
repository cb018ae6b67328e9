//! Metadata access unit cells (ISO/IEC 13818-1, 2.12.4), which wrap KLV in synchronous streams.

const HEAD: usize = 5;

/// Access units that may go on over cells and PES packets.
#[derive(Default)]
pub(super) struct Cells {
    open: Vec<u8>,
}

impl Cells {
    /// The metadata that is whole with this PES payload. Bytes that are no cells are given as they are: some
    /// senders leave the cells out.
    pub fn push(&mut self, payload: &[u8]) -> Vec<u8> {
        let Some(cells) = split(payload) else { return payload.to_vec() };
        let mut whole = Vec::new();
        for (fragment, content) in cells {
            match fragment {
                0b11 => whole.extend(content),
                0b10 => self.open = content.to_vec(),
                0b00 => self.open.extend(content),
                _ => {
                    self.open.extend(content);
                    whole.append(&mut self.open);
                }
            }
        }
        whole
    }
}

/// Fragment indication and content of each cell; `None` if the payload does not divide into cells.
fn split(mut payload: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut cells = Vec::new();
    while !payload.is_empty() {
        let &[_service, _sequence, flags, high, low, ..] = payload else { return None };
        let end = HEAD + usize::from(u16::from_be_bytes([high, low]));
        cells.push((flags >> 6, payload.get(HEAD..end)?));
        payload = &payload[end..];
    }
    Some(cells)
}
