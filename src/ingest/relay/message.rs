//! One RTSP request or answer: its lines can be read and replaced, the rest stays as it came.

use bytes::Bytes;

/// Head lines without their ends, and the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    lines: Vec<String>,
    pub body: Bytes,
}

impl Message {
    /// `head`: everything up to the empty line.
    pub fn new(head: &[u8], body: Bytes) -> Self {
        let text = String::from_utf8_lossy(head);
        // The last line has lost its line feed, so `lines` leaves its carriage return.
        let lines = text.lines().map(|line| line.trim_end_matches('\r')).filter(|line| !line.is_empty());
        Self { lines: lines.map(str::to_owned).collect(), body }
    }

    fn first_line(&self) -> &str {
        self.lines.first().map_or("", |line| line)
    }

    /// The status of an answer; `None` for a request.
    pub fn status(&self) -> Option<u16> {
        let (version, rest) = self.first_line().split_once(' ')?;
        let code = rest.trim_start().split(' ').next()?.parse().ok()?;
        version.starts_with("RTSP/").then_some(code)
    }

    /// Method and address of a request.
    pub fn request(&self) -> Option<(&str, &str)> {
        let mut words = self.first_line().split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some(method), Some(uri), Some(version)) if version.starts_with("RTSP/") => Some((method, uri)),
            _ => None,
        }
    }

    /// Replaces the address of a request.
    pub fn set_uri(&mut self, uri: &str) {
        let line = self.request().map(|(method, _)| format!("{method} {uri} RTSP/1.0"));
        if let (Some(first), Some(line)) = (self.lines.first_mut(), line) {
            *first = line;
        }
    }

    /// Values of a header, in their order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines.iter().skip(1).filter_map(move |line| value(line, name))
    }

    pub fn value<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.values(name).next()
    }

    /// Sets a header, in its place if it is there.
    pub fn set(&mut self, name: &str, value_of_it: &str) {
        let line = format!("{name}: {value_of_it}");
        match self.lines.iter_mut().skip(1).find(|line| value(line, name).is_some()) {
            Some(there) => *there = line,
            None => self.lines.push(line),
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.lines.join("\r\n").into_bytes();
        bytes.extend_from_slice(b"\r\n\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (found, value) = line.split_once(':')?;
    found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_and_rewritten() {
        let head = b"SETUP rtsp://127.0.0.1:9/a RTSP/1.0\r\nCSeq: 3\r\nX:1\r";
        let mut message = Message::new(head, Bytes::from_static(b"body"));
        assert_eq!(message.request(), Some(("SETUP", "rtsp://127.0.0.1:9/a")));
        assert_eq!(
            (message.status(), message.value("cseq"), message.value("x")),
            (None, Some("3"), Some("1"))
        );
        message.set_uri("rtsp://camera/a");
        message.set("CSeq", "4");
        message.set("Authorization", "Digest");
        let expected: &[u8] =
            b"SETUP rtsp://camera/a RTSP/1.0\r\nCSeq: 4\r\nX:1\r\nAuthorization: Digest\r\n\r\nbody";
        assert_eq!(message.to_bytes(), expected);
    }

    #[test]
    fn an_answer_has_a_status_and_several_values_of_a_header() {
        let head = b"RTSP/1.0 401 Unauthorized\nWWW-Authenticate: Digest a\nwww-authenticate : Basic b";
        let message = Message::new(head, Bytes::new());
        assert_eq!((message.status(), message.request()), (Some(401), None));
        assert_eq!(message.values("WWW-Authenticate").collect::<Vec<_>>(), ["Digest a", "Basic b"]);
        assert_eq!(Message::new(b"RTSP/1.0 x", Bytes::new()).status(), None);
    }
}
