//! What is no error in a config, but would stop `run` or spoil evidence later: for `lintel check`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::config::Config;
use crate::draw::Lettering;
use crate::evidence::free_bytes;

/// For the answer of whatever listens on the node's port.
const PATIENCE: Duration = Duration::from_secs(1);
/// Of that answer.
const MOST_BYTES: u64 = 4 << 20;

/// Each says what will happen and what to do.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    [space(config), port(config), letters(config)].into_iter().flatten().collect()
}

fn space(config: &Config) -> Option<String> {
    let folder = &config.node.data_dir;
    // A folder that cannot be used is reported as an error.
    let free = free_bytes(folder).ok()?;
    let wanted = config.evidence.min_free_bytes;
    (free < wanted).then(|| {
        format!(
            "evidence.min_free_mb: {} MB of the disk of {} are free, and {} MB are to stay free: stills and clips \
             would be refused. Make room, or set less",
            free >> 20,
            folder.display(),
            wanted >> 20
        )
    })
}

fn port(config: &Config) -> Option<String> {
    let address = config.http.listen?;
    let error = TcpListener::bind(address).err()?;
    if health_at(address).is_some_and(|health| health.contains(&format!("\"node\": \"{}\"", config.node.id)))
    {
        // This node, which runs.
        return None;
    }
    Some(format!(
        "http.listen: cannot listen on {address}: {error}. `lintel run` would not start; choose a free port of this \
         machine"
    ))
}

/// What `/health` of a node says, if one listens there.
fn health_at(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(b"GET /health HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    // What came before an error is enough.
    drop(stream.take(MOST_BYTES).read_to_end(&mut answer));
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// Names that the stills would show as question marks.
fn letters(config: &Config) -> Option<String> {
    // A font that cannot be read is reported as an error.
    let font = Lettering::load(config.evidence.font.as_deref()).ok()?;
    let names = config
        .cameras
        .iter()
        .flat_map(|camera| std::iter::once(&camera.name).chain(camera.zones.iter().map(|zone| &zone.name)));
    let unshown: Vec<&str> = names.filter(|name| !font.can_show(name)).map(String::as_str).collect();
    let first = unshown.first()?;
    Some(format!(
        "evidence.font: the stills would show \"{}\" for \"{first}\" ({} names in all). Set it to a font with these \
         letters, for example /usr/share/fonts/truetype/wqy/wqy-microhei.ttc of the package fonts-wqy-microhei",
        font.shown(first),
        unshown.len()
    ))
}
