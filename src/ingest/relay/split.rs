//! Splits what one side of an RTSP connection sends into messages and everything else.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::message::Message;
use super::refusal::Refusal;

/// Head of a message: start line and headers.
pub(super) const HEAD_BYTES: usize = 64 << 10;
/// Body of a message: descriptions have a few hundred bytes.
pub(super) const BODY_BYTES: usize = 1 << 20;
/// Read at once.
const READ_BYTES: usize = 64 << 10;
/// Channel and length before interleaved data (RFC 2326, 10.12).
const FRAME_HEAD: usize = 4;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Whole frames of interleaved data, or bytes that are no RTSP. The client judges them.
    Data(Bytes),
    Message(Message),
}

#[derive(Debug, Default)]
pub(super) struct Splitter {
    buffer: BytesMut,
    /// No end of a head begins before this.
    searched: usize,
}

impl Splitter {
    /// The next piece; `None` at the end of the stream. Loses nothing if it is cancelled.
    ///
    /// # Errors
    /// A head or a body beyond its bound, or the connection broke.
    pub async fn next(&mut self, from: &mut (impl AsyncRead + Unpin)) -> Result<Option<Piece>, Refusal> {
        loop {
            if let Some(piece) = self.take()? {
                return Ok(Some(piece));
            }
            self.buffer.reserve(READ_BYTES);
            if from.read_buf(&mut self.buffer).await.map_err(|_| Refusal::Closed)? == 0 {
                // Half a message: the client says what is missing.
                let rest = std::mem::take(&mut self.buffer).freeze();
                self.searched = 0;
                return Ok((!rest.is_empty()).then_some(Piece::Data(rest)));
            }
        }
    }

    fn take(&mut self) -> Result<Option<Piece>, Refusal> {
        let data = self.data();
        if data > 0 {
            self.searched = 0;
            return Ok(Some(Piece::Data(self.buffer.split_to(data).freeze())));
        }
        if self.buffer.first().is_none_or(|&first| first == b'$') {
            return Ok(None);
        }
        let Some((head, rest)) = self.head_end() else {
            return if self.buffer.len() > HEAD_BYTES { Err(Refusal::LongHead) } else { Ok(None) };
        };
        if head > HEAD_BYTES {
            return Err(Refusal::LongHead);
        }
        let mut message = Message::new(&self.buffer[..head], Bytes::new());
        let body = match message.value("Content-Length").map(str::parse::<usize>) {
            Some(Ok(length)) if length > BODY_BYTES => return Err(Refusal::LongBody),
            Some(Ok(length)) => length,
            // Not a number: the client judges it.
            Some(Err(_)) | None => 0,
        };
        if self.buffer.len() < rest + body {
            return Ok(None);
        }
        self.searched = 0;
        drop(self.buffer.split_to(rest));
        message.body = self.buffer.split_to(body).freeze();
        Ok(Some(Piece::Message(message)))
    }

    /// Length of the whole frames, and of what begins no message, at the front.
    fn data(&self) -> usize {
        let mut at = 0;
        while let Some(&first) = self.buffer.get(at) {
            at += match first {
                b'$' => match self.buffer.get(at..at + FRAME_HEAD) {
                    Some(head) if self.buffer.len() - at >= frame_length(head) => frame_length(head),
                    _ => break,
                },
                first if first.is_ascii_alphabetic() => break,
                _ => 1,
            };
        }
        at
    }

    /// Where the head ends, and where the empty line after it ends.
    fn head_end(&mut self) -> Option<(usize, usize)> {
        for at in self.searched..self.buffer.len() {
            if self.buffer[at] == b'\n' {
                match &self.buffer[at + 1..] {
                    [b'\n', ..] => return Some((at, at + 2)),
                    [b'\r', b'\n', ..] => return Some((at, at + 3)),
                    [] | [b'\r'] => return None,
                    _ => {}
                }
            }
            self.searched = at;
        }
        None
    }
}

fn frame_length(head: &[u8]) -> usize {
    FRAME_HEAD + usize::from(u16::from_be_bytes([head[2], head[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All pieces of `bytes` that arrive in steps of `step`.
    async fn split(bytes: &[u8], step: usize) -> Result<Vec<Piece>, Refusal> {
        let (mut to, mut from) = tokio::io::duplex(step);
        let bytes = bytes.to_vec();
        let writing = tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            // The reader may refuse the rest.
            drop(to.write_all(&bytes).await);
        });
        let (mut splitter, mut pieces) = (Splitter::default(), Vec::new());
        while let Some(piece) = splitter.next(&mut from).await? {
            pieces.push(piece);
        }
        drop(from);
        writing.await.expect("written");
        Ok(pieces)
    }

    #[tokio::test]
    async fn messages_and_data_come_apart_however_they_arrive() {
        let sent: &[u8] = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-length: 3\r\n\r\nabc$\x00\x00\x02xy\r\n$\x01\x00\x01zRTSP/1.0 404 No\n\nRTSP/1.0 1";
        for step in [1, 7, 1 << 16] {
            let (mut data, mut heads) = (Vec::new(), Vec::new());
            for piece in split(sent, step).await.expect("pieces") {
                match piece {
                    Piece::Data(bytes) => data.extend_from_slice(&bytes),
                    Piece::Message(message) => heads.push((message.status(), message.body)),
                }
            }
            assert_eq!(data, b"$\x00\x00\x02xy\r\n$\x01\x00\x01zRTSP/1.0 1");
            assert_eq!(heads, [(Some(200), Bytes::from_static(b"abc")), (Some(404), Bytes::new())]);
        }
    }

    #[tokio::test]
    async fn a_message_without_end_is_refused_at_its_bound() {
        let head = [b"RTSP/1.0 200 OK\r\n".as_slice(), &b"X: y\r\n".repeat(HEAD_BYTES)].concat();
        assert_eq!(split(&head, 4096).await, Err(Refusal::LongHead));
        let body = b"RTSP/1.0 200 OK\r\nContent-Length: 99999999999\r\n\r\n";
        assert_eq!(split(body, 4096).await, Err(Refusal::LongBody));
    }
}
