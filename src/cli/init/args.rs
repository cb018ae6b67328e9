//! The arguments of `lintel init`, and what they mean.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use url::Url;

use super::camera::{Candidate, Login, Place, Unasked};
use super::given::{self, Broker};
use super::ids::fitting;
use crate::base::{is_id, read_text};
use crate::config::Secret;

/// Write a first config for the cameras given or found; open each and keep a still of it
///
/// Cameras are given by address, asked by ONVIF, or found by ONVIF on the local network. Each is opened, and
/// DIR/stills keeps a picture of it, and the same with a grid from which the corners of zones are read. Then
/// DIR/lintel.toml is written, with comments; a file that is there is never overwritten. Passwords do not go
/// into it: one that stands in an address goes to a file in DIR/secrets.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lintel init --out site rtsp://10.0.0.11/ch1 gate=rtsp://10.0.0.12/ch1 --broker mqtts://broker.example:8883\n  \
    lintel init --out site --discover --username admin --password-env CAM_PASSWORD\n  \
    lintel init --out site --onvif 10.0.0.13 --username admin --password-file cam.password\n\n\
    Exit codes: 0 every camera answered, 1 some did not (the config is written all the same) or none was found, \
    2 wrong arguments, or there is a config already.")]
pub struct Args {
    /// Addresses of cameras, with an id or a name if you like: NAME=rtsp://HOST/PATH
    #[arg(value_name = "CAMERA")]
    cameras: Vec<String>,
    /// Folder for lintel.toml, stills and secrets; created if missing
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Look for cameras on the local network (WS-Discovery) and ask each for its stream
    #[arg(long)]
    discover: bool,
    /// Wait this many seconds for cameras to answer
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    discover_for: u64,
    /// Look for cameras at one address instead, also over routers; its port is 3702 unless given
    #[arg(long, value_name = "IP[:PORT]", value_parser = discovery_address)]
    discover_at: Vec<SocketAddr>,
    /// Ask this ONVIF device for its streams; its port is 80 unless given
    #[arg(long, value_name = "HOST[:PORT]")]
    onvif: Vec<String>,
    /// User of all cameras whose address names none
    #[arg(long, value_name = "USER")]
    username: Option<String>,
    /// Environment variable with the user's password; the config names it
    #[arg(long, value_name = "VARIABLE", requires = "username", conflicts_with = "password_file")]
    password_env: Option<String>,
    /// File whose first line is the user's password; the config names it
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// The platform's broker: mqtts://HOST or mqtt://HOST
    #[arg(long, value_name = "URL")]
    broker: Option<String>,
    /// Name of this node in every message [default: the name of this machine]
    #[arg(long, value_name = "ID")]
    node_id: Option<String>,
    /// Folder of the model [default: models/lintel-nano here, beside the program or installed]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Give up on a camera after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

/// The arguments, checked.
pub(super) struct Plan {
    pub out: PathBuf,
    pub given: Vec<Candidate>,
    pub unasked: Vec<Unasked>,
    /// Device services to ask.
    pub devices: Vec<Url>,
    pub discovery: Option<Discovery>,
    /// Of all cameras that name no user.
    pub login: Option<Login>,
    pub broker: Option<Broker>,
    pub node: String,
    /// Absolute, or where it should be if none was found.
    pub model: PathBuf,
    pub timeout: Duration,
}

pub(super) struct Discovery {
    /// Empty: everybody on the local networks.
    pub at: Vec<SocketAddr>,
    pub wait: Duration,
}

impl Plan {
    /// # Errors
    /// An argument is wrong; the message says which and what to write.
    pub fn of(args: Args) -> anyhow::Result<Self> {
        if args.cameras.is_empty() && args.onvif.is_empty() && !args.discover && args.discover_at.is_empty() {
            bail!(
                "no camera: give addresses (rtsp://HOST/PATH), --onvif HOST, or --discover to look for cameras on \
                 the local network"
            );
        }
        let (mut given, mut unasked) = (Vec::new(), Vec::new());
        for (index, text) in args.cameras.iter().enumerate() {
            match given::camera(text, index + 1)? {
                Ok(camera) => given.push(camera),
                Err(camera) => unasked.push(camera),
            }
        }
        let node = match args.node_id {
            Some(id) if is_id(&id) => id,
            Some(_) => {
                bail!("--node-id has 1 to 64 letters (a-z, A-Z), digits, - and _: it is a part of topics")
            }
            None => machine_name(),
        };
        let look = args.discover || !args.discover_at.is_empty();
        let wait = Duration::from_secs(args.discover_for);
        Ok(Self {
            given,
            unasked,
            devices: args.onvif.iter().map(|text| device_service(text)).collect::<anyhow::Result<_>>()?,
            discovery: look.then_some(Discovery { at: args.discover_at, wait }),
            login: login(args.username, args.password_env, args.password_file.as_deref())?,
            broker: args.broker.as_deref().map(given::broker).transpose()?,
            node,
            model: model(args.model.as_deref())?,
            out: args.out,
            timeout: Duration::from_secs(args.timeout),
        })
    }

    /// The model's folder as the config names it: relative if it lies within the config's folder.
    pub fn model_for_config(&self) -> PathBuf {
        let out = self.out.canonicalize().ok();
        let within = out.and_then(|out| self.model.strip_prefix(out).ok().map(Path::to_path_buf));
        within.unwrap_or_else(|| self.model.clone())
    }
}

fn login(user: Option<String>, env: Option<String>, file: Option<&Path>) -> anyhow::Result<Option<Login>> {
    let Some(user) = user else { return Ok(None) };
    let password = match (env, file) {
        (Some(name), _) => {
            let value = std::env::var(&name).ok().filter(|value| !value.is_empty());
            let value = value.with_context(|| format!("--password-env: the variable {name} is not set"))?;
            Some((Secret::new(value), Place::Env(name)))
        }
        (None, Some(file)) => {
            let named = || format!("--password-file {}", file.display());
            let text = read_text(file).with_context(named)?;
            let line = text.lines().next().filter(|line| !line.is_empty());
            let line = line.context("it is empty; its first line is the password").with_context(named)?;
            let place = Place::File(std::path::absolute(file).with_context(named)?);
            Some((Secret::new(line.to_owned()), place))
        }
        (None, None) => None,
    };
    Ok(Some(Login { user, password }))
}

/// The machine's name as an id.
fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let id = fitting(&name);
    if id.is_empty() { "box-1".to_owned() } else { id }
}

/// The shipped model: here, beside the program, or where the package puts it.
fn model(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    const SHIPPED: &str = "models/lintel-nano";
    if let Some(folder) = given {
        if !folder.join("model.toml").is_file() {
            bail!("--model {}: there is no model.toml in it", folder.display());
        }
        return folder.canonicalize().with_context(|| format!("--model {}", folder.display()));
    }
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(Path::parent).map(|folder| folder.join(SHIPPED));
    let installed = Path::new("/usr/share/lintel").join(SHIPPED);
    let places = [Some(PathBuf::from(SHIPPED)), beside, Some(installed)];
    let found = places.into_iter().flatten().find(|folder| folder.join("model.toml").is_file());
    Ok(found.and_then(|folder| folder.canonicalize().ok()).unwrap_or_else(|| SHIPPED.into()))
}

fn discovery_address(text: &str) -> Result<SocketAddr, String> {
    /// WS-Discovery, 2.4.
    const PORT: u16 = 3702;
    let with_port = || text.parse().ok().map(|ip: std::net::IpAddr| SocketAddr::new(ip, PORT));
    text.parse()
        .ok()
        .or_else(with_port)
        .ok_or_else(|| "write an IP address, and :PORT if it is not 3702".into())
}

/// The usual address of a device's service (ONVIF Core, 5.1), or the one that is written out. Not by clap, whose
/// messages repeat what was given.
fn device_service(text: &str) -> anyhow::Result<Url> {
    const FORM: &str = "--onvif: write HOST or HOST:PORT, or the address of the service: \
                        http://HOST/onvif/device_service";
    let whole = text.contains("://");
    let address = if whole { text.to_owned() } else { format!("http://{text}/onvif/device_service") };
    let url = Url::parse(&address).context(FORM)?;
    if !url.username().is_empty() || url.password().is_some() {
        bail!("--onvif: user and password go into --username and --password-env");
    }
    if url.scheme() != "http" || !(whole || url.path() == "/onvif/device_service") {
        bail!(FORM);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_written_short_or_whole() {
        let good = |text| device_service(text).expect(text).to_string();
        assert_eq!(good("10.0.0.13"), "http://10.0.0.13/onvif/device_service");
        assert_eq!(good("10.0.0.13:8000"), "http://10.0.0.13:8000/onvif/device_service");
        assert_eq!(good("http://cam/onvif/other"), "http://cam/onvif/other");
        for bad in ["", "https://cam/x", "rtsp://cam/x", "10.0.0.13/x", "http://", "cam:port"] {
            assert!(device_service(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn discovery_goes_to_an_ip_address() {
        assert_eq!(discovery_address("10.0.0.13").expect("address").to_string(), "10.0.0.13:3702");
        assert_eq!(discovery_address("127.0.0.1:99").expect("address").to_string(), "127.0.0.1:99");
        assert!(discovery_address("camera").is_err());
    }
}
