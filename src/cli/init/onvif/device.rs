//! One device: its clock, its media service, its profiles, the address of its largest stream of each picture.

use http_auth::{ChallengeParser, DigestClient, PasswordParams};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use quick_xml::escape::escape;
use url::Url;

use super::error::AskError;
use super::http::{self, Answer, place};
use super::soap::{self, Fault};
use super::xml::{self, Element};
use crate::base::{decode_text, wall_now};
use crate::cli::init::camera::Login;
use crate::cli::init::given::has_password_in_path;
use crate::cli::init::words::clean;

/// Pictures of one device that are taken over: a large recorder has 64.
const MOST_SOURCES: usize = 64;

const DEVICE: &str = "http://www.onvif.org/ver10/device/wsdl";
const MEDIA: &str = "http://www.onvif.org/ver10/media/wsdl";
const TYPES: &str = "http://www.onvif.org/ver10/schema";

/// A stream that the device offers.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Without user and password, at the host that was asked.
    pub url: Url,
    /// What people should know of it.
    pub notes: Vec<String>,
}

/// A conversation with a device.
pub(super) struct Device<'a> {
    service: Url,
    login: Option<&'a Login>,
    /// The device's clock minus ours, microseconds.
    ahead: i64,
    /// Set once the device has asked for a digest over HTTP.
    digest: Option<DigestClient>,
}

/// What a device can send.
struct Profile {
    token: String,
    name: String,
    source: String,
    encoding: String,
    size: (u32, u32),
}

impl<'a> Device<'a> {
    pub fn at(service: Url, login: Option<&'a Login>) -> Self {
        Self { service, login, ahead: 0, digest: None }
    }

    /// The largest stream of each of its pictures; a recorder has several.
    ///
    /// # Errors
    /// It cannot be asked, or offers no stream that Lintel reads.
    pub async fn streams(mut self) -> Result<Vec<Stream>, AskError> {
        self.ahead = self.clock().await?.unwrap_or(0);
        let media = self.media().await?;
        let body = format!("<m:GetProfiles xmlns:m=\"{MEDIA}\"/>");
        let answer = self.ask(&media, &format!("{MEDIA}/GetProfiles"), &body).await?;
        let (best, sources) = best(profiles(&answer));
        if best.is_empty() {
            let what = if sources == 0 { "names no stream" } else { "offers neither H.264 nor H.265" };
            return Err(self.nothing(what));
        }
        let (mut streams, mut failed) = (Vec::new(), None);
        for profile in &best {
            match self.stream(&media, profile).await {
                Ok(stream) => streams.push(stream),
                // A channel of a recorder without a camera has no stream.
                Err(error @ (AskError::Fault { .. } | AskError::Nothing { .. })) => failed = Some(error),
                Err(error) => return Err(error),
            }
        }
        let taken = streams.len();
        match (streams.first_mut(), failed) {
            (None, Some(error)) => return Err(error),
            (Some(first), failed) if taken < sources => {
                let why = failed.map(|error| clean(&format!("; {error}"))).unwrap_or_default();
                first.notes.push(format!("the device has {sources} pictures; {taken} are taken{why}"));
            }
            _ => {}
        }
        Ok(streams)
    }

    /// How far the device's clock is ahead of ours: proofs carry its time. Everybody may ask for it. `None`: it
    /// does not tell.
    async fn clock(&mut self) -> Result<Option<i64>, AskError> {
        let action = format!("{DEVICE}/GetSystemDateAndTime");
        let body = soap::envelope("", &format!("<d:GetSystemDateAndTime xmlns:d=\"{DEVICE}\"/>"));
        let answer = http::post(&self.service, &action, body, None).await?;
        match tree(&self.service, answer.body) {
            Ok(root) => Ok(utc(&root).map(|device| device.saturating_sub(wall_now().0))),
            // What answers with a web page is no device; one with an error may still answer the next question.
            Err(error) if (200..300).contains(&answer.status) => Err(error),
            Err(_) if answer.status == 404 => {
                Err(AskError::Status { at: place(&self.service), status: answer.status })
            }
            Err(_) => Ok(None),
        }
    }

    /// The address of the media service, at the host that was asked.
    async fn media(&mut self) -> Result<Url, AskError> {
        let service = self.service.clone();
        let capabilities = format!(
            "<d:GetCapabilities xmlns:d=\"{DEVICE}\"><d:Category>Media</d:Category></d:GetCapabilities>"
        );
        let told = match self.ask(&service, &format!("{DEVICE}/GetCapabilities"), &capabilities).await {
            Ok(answer) => answer.text_at(&["Media", "XAddr"]).map(str::to_owned),
            // Newer devices may know GetServices only.
            Err(AskError::Fault { .. } | AskError::Status { .. }) => None,
            Err(error) => return Err(error),
        };
        let told = match told {
            Some(told) => told,
            None => {
                let body = format!(
                    "<d:GetServices xmlns:d=\"{DEVICE}\"><d:IncludeCapability>false</d:IncludeCapability></d:GetServices>"
                );
                let answer = self.ask(&service, &format!("{DEVICE}/GetServices"), &body).await?;
                let services = answer.all("Service");
                let media = services.iter().find(|s| s.text_at(&["Namespace"]) == Some(MEDIA));
                let told = media.and_then(|service| service.text_at(&["XAddr"]));
                told.ok_or_else(|| self.nothing("has no media service of version 1"))?.to_owned()
            }
        };
        let told = Url::parse(&told).map_err(|_| self.nothing("names a media service without an address"))?;
        // Only the asked host is asked, whatever it says: the proof of the password goes there. A device behind
        // a translating router says an address, and perhaps a port, that is not seen from here.
        let mut media = service;
        if told.scheme() == "http"
            && told.host_str() == media.host_str()
            && media.set_port(told.port()).is_err()
        {
            return Err(self.nothing("names a media service without an address"));
        }
        media.set_path(told.path());
        media.set_query(told.query());
        Ok(media)
    }

    async fn stream(&mut self, media: &Url, profile: &Profile) -> Result<Stream, AskError> {
        let token = escape(profile.token.as_str());
        let body = format!(
            "<m:GetStreamUri xmlns:m=\"{MEDIA}\"><m:StreamSetup><t:Stream xmlns:t=\"{TYPES}\">RTP-Unicast</t:Stream>\
             <t:Transport xmlns:t=\"{TYPES}\"><t:Protocol>RTSP</t:Protocol></t:Transport></m:StreamSetup>\
             <m:ProfileToken>{token}</m:ProfileToken></m:GetStreamUri>"
        );
        let answer = self.ask(media, &format!("{MEDIA}/GetStreamUri"), &body).await?;
        let uri = answer.text_at(&["MediaUri", "Uri"]).or_else(|| answer.text_at(&["Uri"]));
        let url = uri.and_then(|uri| Url::parse(uri).ok());
        let url = url.filter(|url| url.scheme() == "rtsp" && url.host_str().is_some_and(|h| !h.is_empty()));
        let Some(mut url) = url else { return Err(self.nothing("names no rtsp:// address for its stream")) };
        if has_password_in_path(&url) {
            return Err(
                self.nothing("has a password in the path of its stream, which would stand in the config")
            );
        }
        let mut notes = vec![clean(&format!(
            "ONVIF: {} {}x{} '{}'",
            profile.encoding, profile.size.0, profile.size.1, profile.name
        ))];
        let (here, there) = (self.service.host_str().unwrap_or_default(), url.host_str().unwrap_or_default());
        if here != there {
            notes.push(clean(&format!("the device says {there}; {here} stands here, because it answered")));
            if url.set_host(Some(here)).is_err() {
                return Err(self.nothing("names no address for its stream"));
            }
        }
        if url.set_username("").and_then(|()| url.set_password(None)).is_err() {
            return Err(self.nothing("names no address for its stream"));
        }
        Ok(Stream { url, notes })
    }

    fn nothing(&self, what: &str) -> AskError {
        AskError::Nothing { at: place(&self.service), what: what.to_owned() }
    }

    /// Asks with a proof of the password, and by digest over HTTP if the device wants that.
    async fn ask(&mut self, at: &Url, action: &str, body: &str) -> Result<Element, AskError> {
        let mut answer = self.send(at, action, body).await?;
        if answer.status == 401
            && self.digest.is_none()
            && let Some(digest) = challenge(&answer)
        {
            self.digest = Some(digest);
            answer = self.send(at, action, body).await?;
        }
        let refused = || match self.login {
            Some(_) => AskError::PasswordRefused { at: place(at) },
            None => AskError::PasswordMissing { at: place(at) },
        };
        if matches!(answer.status, 401 | 403) {
            return Err(refused());
        }
        let status = answer.status;
        let good = (200..300).contains(&status);
        let root = match tree(at, answer.body) {
            Err(_) if !good => return Err(AskError::Status { at: place(at), status }),
            root => root?,
        };
        match soap::fault(&root) {
            Some(Fault::NotAuthorized) => Err(refused()),
            Some(Fault::Other(reason)) => Err(AskError::Fault { at: place(at), reason }),
            None if !good => Err(AskError::Status { at: place(at), status }),
            None => Ok(root),
        }
    }

    async fn send(&mut self, at: &Url, action: &str, body: &str) -> Result<Answer, AskError> {
        let known = self.login.and_then(|login| Some((login, login.password.as_ref()?.0.expose())));
        let security = known.and_then(|(login, password)| {
            let now = jiff::Timestamp::from_microsecond(wall_now().0.saturating_add(self.ahead)).ok()?;
            let created = now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
            Some(soap::username_token(&login.user, password, &rand::random::<[u8; 16]>(), &created))
        });
        let envelope = soap::envelope(&security.unwrap_or_default(), body);
        let authorization = match (&mut self.digest, known) {
            (Some(digest), Some((login, password))) => {
                let uri = &at[url::Position::BeforePath..url::Position::AfterQuery];
                let body = Some(envelope.as_bytes());
                digest
                    .respond(&PasswordParams { username: &login.user, password, uri, method: "POST", body })
                    .ok()
            }
            _ => None,
        };
        http::post(at, action, envelope, authorization.as_deref()).await
    }
}

fn tree(at: &Url, body: Vec<u8>) -> Result<Element, AskError> {
    let unreadable = |why| AskError::Unreadable { at: place(at), why };
    let text = decode_text(body).map_err(|why| unreadable(xml::XmlError::NotXml(why.to_string())))?;
    xml::parse(&text).map_err(unreadable)
}

fn challenge(answer: &Answer) -> Option<DigestClient> {
    let values = answer.challenges.iter();
    let mut all = values.flat_map(|value| ChallengeParser::new(value).map_while(Result::ok));
    all.find_map(|challenge| DigestClient::try_from(&challenge).ok())
}

/// The time of a device, microseconds since 1970.
fn utc(root: &Element) -> Option<i64> {
    let told = root.find("UTCDateTime")?;
    let number = |path: [&str; 2]| told.text_at(&path)?.parse::<i16>().ok();
    let small = |path| number(path).and_then(|n| i8::try_from(n).ok());
    let time = DateTime::new(
        number(["Date", "Year"])?,
        small(["Date", "Month"])?,
        small(["Date", "Day"])?,
        small(["Time", "Hour"])?,
        small(["Time", "Minute"])?,
        small(["Time", "Second"])?,
        0,
    );
    Some(time.ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

fn profiles(answer: &Element) -> Vec<Profile> {
    let profile = |element: &Element| {
        let encoder = element.find("VideoEncoderConfiguration");
        let text = |path: &[&str]| encoder.and_then(|e| e.text_at(path)).unwrap_or_default();
        let pixels = |side| text(&["Resolution", side]).parse().unwrap_or(0);
        let source = element.text_at(&["VideoSourceConfiguration", "SourceToken"]);
        Some(Profile {
            token: element.attribute("token")?.to_owned(),
            name: clean(element.text_at(&["Name"]).unwrap_or_default()),
            source: source.unwrap_or_default().to_owned(),
            encoding: clean(text(&["Encoding"])),
            size: (pixels("Width"), pixels("Height")),
        })
    };
    answer.all("Profiles").into_iter().filter_map(profile).collect()
}

/// The largest profile of each source that can be read, in the device's order, and the number of sources.
fn best(profiles: Vec<Profile>) -> (Vec<Profile>, usize) {
    let mut order: Vec<String> = Vec::new();
    let mut found: std::collections::HashMap<String, Option<Profile>> = std::collections::HashMap::new();
    for profile in profiles {
        let slot = found.entry(profile.source.clone()).or_insert_with(|| {
            order.push(profile.source.clone());
            None
        });
        let pixels = |p: &Profile| u64::from(p.size.0) * u64::from(p.size.1);
        if is_read(&profile.encoding) && slot.as_ref().is_none_or(|best| pixels(best) < pixels(&profile)) {
            *slot = Some(profile);
        }
    }
    let best = order.iter().filter_map(|source| found.get_mut(source).and_then(Option::take));
    (best.take(MOST_SOURCES).collect(), order.len())
}

/// H.265 has no name in this version of the service, so some devices say nothing.
fn is_read(encoding: &str) -> bool {
    !["JPEG", "MPEG4"].iter().any(|other| encoding.eq_ignore_ascii_case(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(source: &str, token: &str, encoding: &str, size: (u32, u32)) -> Profile {
        let text = str::to_owned;
        Profile {
            token: text(token),
            name: text(token),
            source: text(source),
            encoding: text(encoding),
            size,
        }
    }

    #[test]
    fn the_largest_readable_profile_of_each_source_is_taken() {
        let (best, sources) = best(vec![
            profile("a", "sub", "H264", (640, 360)),
            profile("a", "main", "H264", (2560, 1440)),
            profile("a", "photo", "JPEG", (3840, 2160)),
            profile("b", "only", "", (0, 0)),
            profile("c", "photo", "JPEG", (640, 360)),
        ]);
        let tokens: Vec<&str> = best.iter().map(|p| p.token.as_str()).collect();
        assert_eq!((tokens, sources), (vec!["main", "only"], 3));
    }

    #[test]
    fn the_clock_of_a_device_is_read_or_left_out() {
        let of = |time: &str| {
            let text = format!(
                "<a><tt:UTCDateTime><tt:Time><tt:Hour>{time}</tt:Hour><tt:Minute>2</tt:Minute><tt:Second>3</tt:Second>\
                 </tt:Time><tt:Date><tt:Year>1970</tt:Year><tt:Month>1</tt:Month><tt:Day>2</tt:Day></tt:Date>\
                 </tt:UTCDateTime></a>"
            );
            utc(&xml::parse(&text).expect("XML"))
        };
        assert_eq!(of("1"), Some((86_400 + 3_600 + 123) * 1_000_000));
        assert_eq!((of("25"), of("x"), of("99999999")), (None, None, None));
    }
}
