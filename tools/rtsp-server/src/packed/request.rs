//! RTSP requests on a connection (RFC 2326, 6), interleaved with the client's RTCP.

/// A client that sends more without an end of the headers does not speak RTSP.
pub const MAX_REQUEST: usize = 16 << 10;

#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// Path without the first slash; the track's part is still there.
    pub path: String,
    pub cseq: String,
    pub transport: String,
    pub wants_to_close: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// More must be read.
    Incomplete,
    Request(Request),
    Nonsense,
}

/// Removes the first request from `input`, with everything before it.
pub fn take(input: &mut Vec<u8>) -> Parsed {
    loop {
        while matches!(input.first(), Some(b'\r' | b'\n')) {
            input.remove(0);
        }
        if input.first() != Some(&b'$') {
            break;
        }
        // The client's RTCP is ignored.
        let Some(header) = input.get(..4) else { return Parsed::Incomplete };
        let end = 4 + usize::from(u16::from_be_bytes([header[2], header[3]]));
        if input.len() < end {
            return Parsed::Incomplete;
        }
        input.drain(..end);
    }
    let Some(end) = input.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if input.len() > MAX_REQUEST { Parsed::Nonsense } else { Parsed::Incomplete };
    };
    let Ok(head) = std::str::from_utf8(&input[..end]) else { return Parsed::Nonsense };
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or("").split(' ');
    let (Some(method), Some(url), Some("RTSP/1.0")) = (words.next(), words.next(), words.next()) else {
        return Parsed::Nonsense;
    };
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let header = |name: &str| {
        let found = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.trim()).to_owned()
    };
    let path =
        url.split_once("://").map_or("", |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    let request = Request {
        method: method.to_owned(),
        path: path.trim_end_matches('/').to_owned(),
        cseq: header("CSeq"),
        transport: header("Transport"),
        wants_to_close: header("Connection").eq_ignore_ascii_case("close"),
    };
    let body = header("Content-Length").parse::<usize>().unwrap_or(0);
    if input.len() < end + 4 + body {
        return if body > MAX_REQUEST { Parsed::Nonsense } else { Parsed::Incomplete };
    }
    input.drain(..end + 4 + body);
    Parsed::Request(request)
}

/// The first of the two channels in the client's request, if it wants the media over this connection.
pub fn channel(transport: &str) -> Option<u8> {
    let offer = transport.split(',').find(|offer| offer.trim().starts_with("RTP/AVP/TCP"))?;
    let channels = offer.split(';').find_map(|part| part.trim().strip_prefix("interleaved="));
    channels.map_or(Some(0), |channels| channels.split('-').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_when_it_is_whole_and_rtcp_before_it_is_passed_over() {
        let mut input = b"$\x01\x00\x03abc\r\nSETUP rtsp://h:1/cam-1/track RTSP/1.0\r\nCSeq: 4\r\n\
            Transport: RTP/AVP/TCP;unicast;interleaved=2-3\r\n\r"
            .to_vec();
        assert_eq!(take(&mut input), Parsed::Incomplete);
        input.extend(b"\n$\x01");
        let Parsed::Request(request) = take(&mut input) else { panic!("a request") };
        assert_eq!((request.method.as_str(), request.path.as_str()), ("SETUP", "cam-1/track"));
        assert_eq!((request.cseq.as_str(), channel(&request.transport)), ("4", Some(2)));
        assert_eq!(input, b"$\x01");
        assert_eq!(take(&mut input), Parsed::Incomplete);
    }

    #[test]
    fn what_is_no_rtsp_is_refused_and_udp_not_offered() {
        assert_eq!(take(&mut b"GET / HTTP/1.1\r\n\r\n".to_vec()), Parsed::Nonsense);
        assert_eq!(take(&mut vec![b'x'; MAX_REQUEST + 1]), Parsed::Nonsense);
        assert_eq!(channel("RTP/AVP;unicast;client_port=4000-4001"), None);
    }
}
