//! Ids of cameras: what the user wrote, else made of host and path; unique whatever their case.

use std::collections::HashSet;

use anyhow::bail;
use url::Url;

use super::camera::{Camera, Candidate};
use crate::base::{fits_id, is_id};

const LONGEST: usize = 64;

/// A wish that is no id becomes the camera's name.
///
/// # Errors
/// Two cameras were given the same id.
pub(super) fn assign(candidates: Vec<Candidate>) -> anyhow::Result<Vec<Camera>> {
    let mut taken = HashSet::new();
    for wish in candidates.iter().filter_map(|c| c.wish.as_deref()).filter(|wish| is_id(wish)) {
        if !taken.insert(wish.to_ascii_lowercase()) {
            bail!("two cameras have the id {wish}: ids are unique on a node, whatever their case");
        }
    }
    let hosts: Vec<Option<String>> = candidates.iter().map(|c| c.url.host_str().map(str::to_owned)).collect();
    let mut camera = |candidate: Candidate| {
        let Candidate { wish, url, login, notes } = candidate;
        let (id, name) = match wish {
            Some(wish) if is_id(&wish) => (wish, None),
            name => {
                let alone = hosts.iter().filter(|host| host.as_deref() == url.host_str()).count() == 1;
                (free(&made(&url, alone), &mut taken), name)
            }
        };
        Camera { id, name, url, login, notes }
    };
    Ok(candidates.into_iter().map(&mut camera).collect())
}

/// Of the host, and of the path if the host has several streams.
fn made(url: &Url, alone: bool) -> String {
    let host = url.host_str().unwrap_or_default();
    let text = match alone {
        true => host.to_owned(),
        false => format!("{host} {} {}", url.path(), url.query().unwrap_or_default()),
    };
    match fitting(&text) {
        id if id.is_empty() => "camera".to_owned(),
        id => id,
    }
}

/// The text with `-` for what cannot stand in an id. Empty if nothing is left.
pub(super) fn fitting(text: &str) -> String {
    let parts: Vec<&str> = text.split(|c| !fits_id(c)).filter(|part| !part.is_empty()).collect();
    let id = parts.join("-");
    id[..id.len().min(LONGEST)].trim_matches('-').to_owned()
}

/// The id, with a number behind it if it is taken; takes it.
fn free(id: &str, taken: &mut HashSet<String>) -> String {
    let mut found = id.to_owned();
    let mut number = 2;
    while !taken.insert(found.to_ascii_lowercase()) {
        let tail = format!("-{number}");
        found = format!("{}{tail}", &id[..id.len().min(LONGEST - tail.len())]);
        number += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(wish: Option<&str>, url: &str) -> Candidate {
        let url = url.parse().expect("url");
        Candidate { wish: wish.map(str::to_owned), url, login: None, notes: Vec::new() }
    }

    #[test]
    fn ids_are_valid_and_unique() {
        let long = format!("rtsp://10.0.0.9/{}", "a".repeat(100));
        let longer = format!("{long}a");
        let cameras = assign(vec![
            candidate(None, "rtsp://10.0.0.11/ch1"),
            candidate(Some("gate"), "rtsp://10.0.0.12/ch1"),
            candidate(Some("东门"), "rtsp://10.0.0.13/ch1"),
            candidate(None, "rtsp://nvr/Streaming/Channels/101"),
            candidate(None, "rtsp://nvr/Streaming/Channels/201"),
            candidate(None, "rtsp://nvr/streaming/channels/201"),
            candidate(None, "rtsp://GATE/x"),
            candidate(None, "rtsp://[fe80::1]/x"),
            candidate(None, &long),
            candidate(None, &longer),
            candidate(Some("x y"), "rtsp://10.0.0.11:8554/东"),
        ]);
        let cameras = cameras.expect("ids");
        let ids: Vec<&str> = cameras.iter().map(|c| c.id.as_str()).collect();
        assert_eq!(
            ids[1..8],
            [
                "gate",
                "10-0-0-13",
                "nvr-Streaming-Channels-101",
                "nvr-Streaming-Channels-201",
                "nvr-streaming-channels-201-2",
                "GATE-2",
                "fe80-1"
            ]
        );
        assert_eq!(ids[0], "10-0-0-11-ch1", "its host has two cameras");
        assert!(ids.iter().all(|id| is_id(id)), "{ids:?}");
        let lower: HashSet<String> = ids.iter().map(|id| id.to_ascii_lowercase()).collect();
        assert_eq!(lower.len(), ids.len(), "{ids:?}");
        assert_eq!(cameras[2].name.as_deref(), Some("东门"));
        assert_eq!(cameras[1].name, None);
    }

    #[test]
    fn an_id_given_twice_is_refused() {
        let error =
            assign(vec![candidate(Some("gate"), "rtsp://a/x"), candidate(Some("Gate"), "rtsp://b/x")]);
        assert!(error.err().expect("refused").to_string().contains("Gate"));
    }
}
