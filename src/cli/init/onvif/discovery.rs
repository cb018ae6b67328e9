//! WS-Discovery: a question by UDP to all devices of the local networks, or to one address.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use url::Url;

use super::xml;
use crate::base::decode_text;

/// WS-Discovery, 2.4.
const EVERYBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 255, 255, 250)), 3702);
/// Answers read on one socket, and devices taken over: more is a flood, not a site.
const MOST_ANSWERS: usize = 4096;
const MOST_DEVICES: usize = 512;

/// The device services that answer within `wait`, each at the address that its answer came from.
///
/// # Errors
/// The question cannot be sent at all.
pub(crate) async fn find(at: &[SocketAddr], wait: Duration) -> anyhow::Result<Vec<Url>> {
    let mut ways: Vec<(SocketAddr, SocketAddr)> = Vec::new();
    for to in at {
        let any: IpAddr =
            if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { std::net::Ipv6Addr::UNSPECIFIED.into() };
        ways.push((SocketAddr::new(any, 0), *to));
    }
    if at.is_empty() {
        // Bound to its address, a socket asks on that network; otherwise only the default route would be asked.
        ways.extend(local_addresses()?.into_iter().map(|ip| (SocketAddr::new(ip.into(), 0), EVERYBODY)));
    }
    if ways.is_empty() {
        bail!("cannot look for cameras: this machine has no network; plug the cable in, or give addresses");
    }
    let mut asking = JoinSet::new();
    for (from, to) in ways {
        asking.spawn(async move { ask(from, to, wait).await.with_context(|| format!("from {}", from.ip())) });
    }
    let (mut found, mut failed) = (BTreeSet::new(), None);
    let mut asked = false;
    while let Some(answers) = asking.join_next().await {
        match answers.context("the search broke off")? {
            Ok(services) => {
                asked = true;
                found.extend(services);
            }
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) if !asked => Err(error.context("cannot look for cameras; is the network up?")),
        _ => Ok(found.into_iter().take(MOST_DEVICES).collect()),
    }
}

/// IPv4 addresses of the networks that this machine is in.
fn local_addresses() -> anyhow::Result<BTreeSet<Ipv4Addr>> {
    let wanted = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_MULTICAST;
    let all = getifaddrs().context("cannot list the networks of this machine")?;
    let local = all.filter(|i| i.flags.contains(wanted) && !i.flags.contains(InterfaceFlags::IFF_LOOPBACK));
    Ok(local.filter_map(|i| Some(i.address?.as_sockaddr_in()?.ip())).collect())
}

/// Sends the question twice, for UDP loses some, and reads answers until the time is over.
async fn ask(from: SocketAddr, to: SocketAddr, wait: Duration) -> anyhow::Result<BTreeSet<Url>> {
    let socket = UdpSocket::bind(from).await?;
    let question = question();
    socket.send_to(question.as_bytes(), to).await?;
    let mut found = BTreeSet::new();
    let reading = async {
        let mut buffer = vec![0; 65_536];
        for _ in 0..MOST_ANSWERS {
            // Errors are of what was sent before, such as an unreachable port; answers may still come.
            if let Ok((length, sender)) = socket.recv_from(&mut buffer).await {
                found.extend(services(&buffer[..length], sender.ip()));
            }
        }
    };
    let asking_again = async {
        tokio::time::sleep(wait / 3).await;
        drop(socket.send_to(question.as_bytes(), to).await);
    };
    // The time being over is the usual end.
    drop(tokio::time::timeout(wait, async { tokio::join!(reading, asking_again) }).await);
    Ok(found)
}

fn question() -> String {
    let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\" \
         xmlns:dn=\"http://www.onvif.org/ver10/network/wsdl\"><s:Header>\
         <a:Action s:mustUnderstand=\"1\">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>\
         <a:MessageID>urn:uuid:{id}</a:MessageID>\
         <a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>\
         <a:To s:mustUnderstand=\"1\">urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header>\
         <s:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></s:Body></s:Envelope>"
    )
}

/// The services that an answer names. Of several addresses the one at the sender is taken, else the first over
/// HTTP. It is asked at the sender: nobody can send us to somebody else.
fn services(datagram: &[u8], sender: IpAddr) -> Vec<Url> {
    let Ok(text) = decode_text(datagram.to_vec()) else { return Vec::new() };
    let Ok(root) = xml::parse(&text) else { return Vec::new() };
    let service = |answer: &xml::Element| {
        let all: Vec<Url> =
            answer.text_at(&["XAddrs"])?.split_whitespace().filter_map(|a| Url::parse(a).ok()).collect();
        let own = |url: &&Url| url.host_str() == Some(sender.to_string().as_str());
        let http: Vec<&Url> = all.iter().filter(|url| url.scheme() == "http").collect();
        let told =
            http.iter().copied().find(own).or_else(|| http.first().copied()).or_else(|| all.first())?;
        let mut service = told.clone();
        service.set_ip_host(sender).ok()?;
        Some(service)
    };
    root.all("ProbeMatch").into_iter().take(1).filter_map(service).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(addresses: &str) -> Vec<String> {
        let text = format!(
            "<SOAP-ENV:Envelope><SOAP-ENV:Body><wsdd:ProbeMatches><wsdd:ProbeMatch><wsdd:XAddrs>{addresses}</wsdd:XAddrs>\
             </wsdd:ProbeMatch></wsdd:ProbeMatches></SOAP-ENV:Body></SOAP-ENV:Envelope>"
        );
        let sender = Ipv4Addr::new(10, 0, 0, 13).into();
        services(text.as_bytes(), sender).iter().map(Url::to_string).collect()
    }

    #[test]
    fn a_device_is_asked_where_its_answer_came_from() {
        let own = "http://192.168.1.2/x http://10.0.0.13:8000/onvif/device_service http://[fe80::1]/x";
        assert_eq!(found(own), ["http://10.0.0.13:8000/onvif/device_service"]);
        assert_eq!(found("http://0.0.0.0:81/a"), ["http://10.0.0.13:81/a"]);
        assert_eq!(found("https://10.0.0.13/a"), ["https://10.0.0.13/a"]);
        assert!(found("").is_empty() && found("nonsense").is_empty());
        assert!(services(b"\xff\xfe garbage", Ipv4Addr::LOCALHOST.into()).is_empty());
    }

    #[test]
    fn every_question_has_an_id_of_its_own() {
        assert_ne!(question(), question());
        assert!(xml::parse(&question()).is_ok_and(|root| root.find("Types").is_some()));
    }
}
