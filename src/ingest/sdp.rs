//! Parameter sets in a session description (RFC 6184 clause 8.1, RFC 7798 clause 7.1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Keys of `a=fmtp` whose values are sets in base64, separated by commas.
const KEYS: [&str; 4] = ["sprop-parameter-sets", "sprop-vps", "sprop-sps", "sprop-pps"];

/// The sets of the stream with this number, counted from 0, without start codes. What cannot be read is left
/// out.
pub(super) fn parameter_sets(sdp: &[u8], stream: usize) -> Vec<Vec<u8>> {
    let sdp = String::from_utf8_lossy(sdp);
    let sections = sdp.lines().scan(None, |section: &mut Option<usize>, line| {
        if line.starts_with("m=") {
            *section = Some(section.map_or(0, |number| number + 1));
        }
        Some((*section, line))
    });
    let formats = sections.filter(|(section, _)| *section == Some(stream));
    let formats = formats.filter_map(|(_, line)| line.strip_prefix("a=fmtp:")?.split_once(' '));
    let sets = formats.flat_map(|(_, parameters)| parameters.split(';')).filter_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        KEYS.iter().any(|known| key.trim().eq_ignore_ascii_case(known)).then_some(value)
    });
    sets.flat_map(|sets| sets.split(',')).filter_map(|set| STANDARD.decode(set.trim()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sets_of_the_wanted_stream_and_of_no_other() {
        let sdp = b"v=0\r\nm=audio 0 RTP/AVP 8\r\na=fmtp:8 mode=20\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
            a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0IA,aM4=,aEg=;profile-level-id=42\r\n\
            m=video 0 RTP/AVP 97\r\na=fmtp:97 sprop-vps=QAE=; SPROP-SPS=QgE=;sprop-pps=*,RAE=\r\n";
        assert_eq!(parameter_sets(sdp, 1), [vec![0x67, 0x42, 0], vec![0x68, 0xce], vec![0x68, 0x48]]);
        assert_eq!(parameter_sets(sdp, 2), [[0x40, 1], [0x42, 1], [0x44, 1]]);
        assert!(parameter_sets(sdp, 0).is_empty() && parameter_sets(sdp, 3).is_empty());
        assert!(parameter_sets(b"\xff m=video\na=fmtp", 0).is_empty());
    }
}
