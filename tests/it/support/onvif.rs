//! A scripted ONVIF device: answers as cameras do, each maker with prefixes of its own, and refuses whoever
//! cannot prove the password on the device's own, wrong clock. Or it does not answer as a device should.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use sha1::{Digest as _, Sha1};

use lintel::base::wall_now;

/// How far the device's clock is behind.
const BEHIND: SignedDuration = SignedDuration::from_hours(8);

/// What the device does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As Hikvision: gSOAP's prefixes, WS-Security.
    Usual,
    /// As newer ones: other prefixes, GetServices only, and a digest over HTTP beside WS-Security.
    Newer,
    /// These answers are what every request gets: head and body, and then the body again without end.
    Always { head: &'static str, body: String, endless: bool },
    /// Takes requests and says nothing.
    Silent,
}

pub struct Script {
    pub manner: Manner,
    pub login: (&'static str, &'static str),
    /// Addresses of streams, one for each picture of the device, as it tells them.
    pub streams: Vec<String>,
}

/// Serves until the test ends.
pub struct Device {
    pub port: u16,
    /// Names of the requests that it was asked.
    pub asked: Arc<Mutex<Vec<String>>>,
}

struct State {
    script: Script,
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    nonces: Mutex<HashSet<String>>,
}

impl Device {
    pub fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listener");
        let port = listener.local_addr().expect("address").port();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let state = Arc::new(State { script, port, asked: asked.clone(), nonces: Mutex::default() });
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&state);
                // The client hangs up, which is the end of it.
                std::thread::spawn(move || drop(state.serve(&client)));
            }
        });
        Self { port, asked }
    }

    pub fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Answers to WS-Discovery at this address, with the addresses of other networks first.
    pub fn discovery(&self) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("socket");
        let at = socket.local_addr().expect("address");
        let port = self.port;
        std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok((length, sender)) = socket.recv_from(&mut buffer) {
                let question = String::from_utf8_lossy(&buffer[..length]).into_owned();
                assert!(question.contains("NetworkVideoTransmitter"), "{question}");
                let id = inside(&question, "MessageID").expect("an id");
                let answer = format!(
                    "<?xml version=\"1.0\" encoding=\"utf-8\"?><SOAP-ENV:Envelope><SOAP-ENV:Header>\
                     <wsa:RelatesTo>{id}</wsa:RelatesTo></SOAP-ENV:Header><SOAP-ENV:Body><wsdd:ProbeMatches>\
                     <wsdd:ProbeMatch><wsa:EndpointReference><wsa:Address>urn:uuid:1</wsa:Address>\
                     </wsa:EndpointReference><wsdd:Types>dn:NetworkVideoTransmitter tds:Device</wsdd:Types>\
                     <wsdd:Scopes>onvif://www.onvif.org/name/IPC%20东门</wsdd:Scopes>\
                     <wsdd:XAddrs>http://192.168.1.64:{port}/onvif/device_service http://[fe80::1]/onvif</wsdd:XAddrs>\
                     <wsdd:MetadataVersion>10</wsdd:MetadataVersion></wsdd:ProbeMatch></wsdd:ProbeMatches>\
                     </SOAP-ENV:Body></SOAP-ENV:Envelope>"
                );
                drop(socket.send_to(b"\x00\xff garbage", sender));
                drop(socket.send_to(answer.as_bytes(), sender));
            }
        });
        at
    }
}

impl State {
    fn serve(&self, mut client: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(client);
        let mut head = Vec::new();
        for line in reader.by_ref().lines() {
            match line? {
                line if line.is_empty() => break,
                line => head.push(line),
            }
        }
        let header = |name: &str| {
            let value =
                head.iter().filter_map(|l| l.split_once(':')).find(|(k, _)| k.eq_ignore_ascii_case(name));
            value.map(|(_, value)| value.trim().to_owned())
        };
        let length = header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8(body).expect("UTF-8");
        let asked = ["GetSystemDateAndTime", "GetCapabilities", "GetServices", "GetProfiles", "GetStreamUri"];
        let asked =
            asked.into_iter().find(|name| body.contains(&format!(":{name} "))).expect("a known request");
        self.asked.lock().push(asked.to_owned());
        match &self.script.manner {
            Manner::Silent => drop(client.read(&mut [0; 1])?),
            Manner::Always { head, body, endless } => {
                write!(client, "HTTP/1.1 200 OK\r\n{head}\r\n{body}")?;
                if *endless {
                    loop {
                        client.write_all(body.as_bytes())?;
                    }
                }
            }
            Manner::Usual | Manner::Newer => {
                let newer = self.script.manner == Manner::Newer;
                let open = asked == "GetSystemDateAndTime";
                if newer && !open && !header("authorization").is_some_and(|a| self.is_digest(&a)) {
                    let challenge = "Digest realm=\"cam\", qop=\"auth\", nonce=\"5f1a\", algorithm=MD5";
                    write!(
                        client,
                        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n"
                    )?;
                    return Ok(());
                }
                let (status, inner) = match open || self.knows_password(&body) {
                    true if newer && asked == "GetCapabilities" => {
                        ("400 Bad Request", fault("ActionNotSupported"))
                    }
                    true => ("200 OK", self.answer(asked, &body)),
                    false => ("400 Bad Request", fault("NotAuthorized")),
                };
                let answer = envelope(newer, &inner);
                let length = answer.len();
                write!(
                    client,
                    "HTTP/1.1 {status}\r\nServer: gSOAP/2.8\r\nContent-Type: application/soap+xml\r\n\
                     Content-Length: {length}\r\n\r\n{answer}"
                )?;
            }
        }
        Ok(())
    }

    /// Of somebody who answers the challenge; the digest itself is checked by the RTSP server's tests.
    fn is_digest(&self, authorization: &str) -> bool {
        let user = format!("username=\"{}\"", self.script.login.0);
        authorization.starts_with("Digest ")
            && authorization.contains(&user)
            && authorization.contains("uri=\"/onvif/")
            && authorization.contains("nonce=\"5f1a\"")
    }

    /// WS-Security UsernameToken: the digest of nonce, time and password; the time by the device's clock; no
    /// nonce twice.
    fn knows_password(&self, body: &str) -> bool {
        let (user, password) = self.script.login;
        let part = |name| inside(body, name);
        let (Some(nonce), Some(created), Some(digest)) = (part("Nonce"), part("Created"), part("Password"))
        else {
            return false;
        };
        let Ok(raw) = STANDARD.decode(&nonce) else { return false };
        let mut hash = Sha1::new();
        hash.update(&raw);
        hash.update(&created);
        hash.update(password);
        let Ok(time) = created.parse::<Timestamp>() else { return false };
        let off = time.duration_since(device_clock()).abs();
        part("Username").as_deref() == Some(user)
            && STANDARD.encode(hash.finalize()) == digest
            && off < SignedDuration::from_secs(30)
            && raw.len() >= 16
            && self.nonces.lock().insert(nonce)
    }

    fn answer(&self, asked: &str, body: &str) -> String {
        let newer = self.script.manner == Manner::Newer;
        match asked {
            "GetSystemDateAndTime" => {
                let now = device_clock().to_zoned(jiff::tz::TimeZone::UTC);
                format!(
                    "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType>\
                     <tt:DaylightSavings>false</tt:DaylightSavings><tt:TimeZone><tt:TZ>CST-8</tt:TZ></tt:TimeZone>\
                     <tt:UTCDateTime><tt:Time><tt:Hour>{}</tt:Hour><tt:Minute>{}</tt:Minute><tt:Second>{}</tt:Second>\
                     </tt:Time><tt:Date><tt:Year>{}</tt:Year><tt:Month>{}</tt:Month><tt:Day>{}</tt:Day></tt:Date>\
                     </tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>",
                    now.hour(),
                    now.minute(),
                    now.second(),
                    now.year(),
                    now.month(),
                    now.day()
                )
            }
            // Of a network that is not this one.
            "GetCapabilities" => "<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Media>\
                                  <tt:XAddr>http://192.168.1.64/onvif/Media</tt:XAddr><tt:StreamingCapabilities>\
                                  <tt:RTPMulticast>true</tt:RTPMulticast></tt:StreamingCapabilities></tt:Media>\
                                  </tds:Capabilities></tds:GetCapabilitiesResponse>"
                .to_owned(),
            "GetServices" => {
                let service = |version: &str, place: &str| {
                    format!(
                        "<d:Service><d:Namespace>http://www.onvif.org/{version}/wsdl</d:Namespace><d:XAddr>{place}</d:XAddr>\
                         <d:Version><t:Major>2</t:Major><t:Minor>60</t:Minor></d:Version></d:Service>"
                    )
                };
                let place = |name: &str| format!("http://127.0.0.1:{}/onvif/{name}", self.port);
                let all = [
                    service("ver10/device", &place("device_service")),
                    service("ver20/media", &place("media2")),
                    service("ver10/media", &place("Media")),
                ];
                format!("<d:GetServicesResponse>{}</d:GetServicesResponse>", all.concat())
            }
            "GetProfiles" => {
                let (a, b) = if newer { ("m", "t") } else { ("trt", "tt") };
                let profile = |source: usize, name: &str, encoding: &str, width: u32| {
                    format!(
                        "<{a}:Profiles token=\"{name}_{source}&amp;\" fixed=\"true\"><{b}:Name>{name}</{b}:Name>\
                         <{b}:VideoSourceConfiguration token=\"v\"><{b}:Name>v</{b}:Name>\
                         <{b}:SourceToken>source_{source}</{b}:SourceToken><{b}:Bounds x=\"0\" y=\"0\"/>\
                         </{b}:VideoSourceConfiguration><{b}:VideoEncoderConfiguration token=\"e\">\
                         <{b}:Encoding>{encoding}</{b}:Encoding><{b}:Resolution><{b}:Width>{width}</{b}:Width>\
                         <{b}:Height>576</{b}:Height></{b}:Resolution></{b}:VideoEncoderConfiguration>\
                         <{b}:Extension><{b}:AudioOutput/></{b}:Extension></{a}:Profiles>"
                    )
                };
                let all = (0..self.script.streams.len()).map(|source| {
                    [
                        profile(source, "subStream", "H264", 352),
                        profile(source, "mainStream", "H264", 768),
                        profile(source, "jpegStream", "JPEG", 4000),
                    ]
                    .concat()
                });
                format!("<{a}:GetProfilesResponse>{}</{a}:GetProfilesResponse>", all.collect::<String>())
            }
            _ => {
                let token = inside(body, "ProfileToken").expect("a token");
                let source = token.strip_prefix("mainStream_").and_then(|t| t.strip_suffix("&amp;"));
                let source: usize = source.and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{token}"));
                format!(
                    "<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>{}</tt:Uri>\
                     <tt:InvalidAfterConnect>false</tt:InvalidAfterConnect><tt:Timeout>PT60S</tt:Timeout></trt:MediaUri>\
                     </trt:GetStreamUriResponse>",
                    self.script.streams[source].replace('&', "&amp;")
                )
            }
        }
    }
}

fn device_clock() -> Timestamp {
    wall_now().timestamp().expect("a time") - BEHIND
}

fn envelope(newer: bool, inner: &str) -> String {
    let prefix = if newer { "s" } else { "SOAP-ENV" };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{prefix}:Envelope \
         xmlns:{prefix}=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:tt=\"http://www.onvif.org/ver10/schema\">\n\
         <{prefix}:Header/>\n<{prefix}:Body>{inner}</{prefix}:Body></{prefix}:Envelope>\n"
    )
}

fn fault(code: &str) -> String {
    format!(
        "<env:Fault><env:Code><env:Value>env:Sender</env:Value><env:Subcode><env:Value>ter:{code}</env:Value>\
         </env:Subcode></env:Code><env:Reason><env:Text xml:lang=\"en\">{code}</env:Text></env:Reason></env:Fault>"
    )
}

/// The text of the first element of this name, whatever its prefix.
fn inside(xml: &str, name: &str) -> Option<String> {
    let mut rest = xml;
    while let Some(at) = rest.find(name) {
        let (before, after) = (&rest[..at], &rest[at + name.len()..]);
        let open = before.rfind('<')?;
        if !before[open..].contains(['/', ' ', '>']) && after.starts_with(['>', ' ']) {
            let text = &after[after.find('>')? + 1..];
            return Some(text[..text.find('<')?].to_owned());
        }
        rest = after;
    }
    None
}
