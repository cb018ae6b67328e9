//! `lintel init`.

mod args;
mod camera;
mod file;
mod given;
mod ids;
mod keep;
mod onvif;
mod words;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use url::Url;

pub use self::args::Args;
use self::args::Plan;
use self::camera::{Camera, Candidate, Login, Place, Unasked};
use self::file::{BROKER_PASSWORD, Contents, Seen};
use self::keep::{create, make_folder};
use super::probing::{self, Probed};
use super::stills::StillFolder;
use crate::config::{self, DecodeConfig, RtspConfig, SourceConfig, Transport};

/// Wrong arguments, or a config that is there already.
const WRONG: u8 = 2;

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let wrong = |error: anyhow::Error| {
        eprintln!("error: {error:#}");
        Ok(ExitCode::from(WRONG))
    };
    let mut plan = match Plan::of(args) {
        Ok(plan) => plan,
        Err(error) => return wrong(error),
    };
    let path = plan.out.join("lintel.toml");
    if path.symlink_metadata().is_ok() {
        return wrong(anyhow::anyhow!(
            "{} is there already and is not overwritten; choose another folder with --out, or move it away",
            path.display()
        ));
    }
    let mut out = std::io::stdout().lock();
    let runtime = tokio::runtime::Runtime::new().context("cannot start the network threads")?;
    let mut candidates = std::mem::take(&mut plan.given);
    let mut unasked = std::mem::take(&mut plan.unasked);
    runtime.block_on(find(&plan, &mut candidates, &mut unasked, &mut out))?;
    for candidate in &mut candidates {
        candidate.login = joined(candidate.login.take(), plan.login.as_ref());
    }
    let cameras = match ids::assign(candidates) {
        Ok(cameras) => cameras,
        Err(error) => return wrong(error),
    };
    for Unasked { host, why } in &unasked {
        writeln!(out, "{}  NOT ASKED: {}", words::clean(host), words::clean(why))?;
    }
    if cameras.is_empty() && unasked.is_empty() {
        eprintln!(
            "error: no camera answered, so nothing was written; cameras of other networks are not found this way: \
             give their addresses, or --onvif HOST"
        );
        return Ok(ExitCode::FAILURE);
    }
    make_folder(&plan.out)?;
    keep_secrets(&plan, &cameras)?;
    let model = plan.model_for_config();
    let seen = runtime.block_on(open(&plan, &cameras, &mut out))?;
    let contents = Contents {
        node: &plan.node,
        model: &model,
        broker: plan.broker.as_ref(),
        cameras: cameras
            .iter()
            .zip(&seen)
            .map(|(camera, (probed, still))| Seen { camera, report: &probed.report, still })
            .collect(),
        unasked: &unasked,
    };
    create(&path, 0o644, &contents.text())?;
    let all_good =
        unasked.is_empty() && seen.iter().all(|(probed, still)| probed.report.is_ok() && still.is_ok());
    let valid = next_steps(&path, &plan, !cameras.is_empty(), &mut out)?;
    Ok(if all_good && valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Adds what ONVIF devices tell: those that were named, and those that are found.
async fn find(
    plan: &Plan,
    candidates: &mut Vec<Candidate>,
    unasked: &mut Vec<Unasked>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut services = plan.devices.clone();
    if let Some(discovery) = &plan.discovery {
        writeln!(out, "looking for cameras for {} s ...", discovery.wait.as_secs())?;
        out.flush()?;
        let found = onvif::find(&discovery.at, discovery.wait).await?;
        writeln!(out, "{} ONVIF devices answered", found.len())?;
        let new: Vec<_> = found.into_iter().filter(|service| !services.contains(service)).collect();
        services.extend(new);
    }
    for (host, asked) in onvif::ask_all(services, plan.login.as_ref()).await {
        match asked {
            Ok(streams) => {
                for onvif::Stream { url, notes } in streams {
                    if !candidates.iter().any(|known| is_same(&known.url, &url)) {
                        candidates.push(Candidate { wish: None, url, login: None, notes });
                    }
                }
            }
            Err(error) => unasked.push(Unasked { host, why: error.to_string() }),
        }
    }
    Ok(())
}

/// Whether both are one stream: a port that is not written is 554.
fn is_same(a: &Url, b: &Url) -> bool {
    let parts = |url: &Url| {
        let rest = url[url::Position::BeforePath..].to_owned();
        (url.host_str().map(str::to_ascii_lowercase), url.port().unwrap_or(554), rest)
    };
    parts(a) == parts(b)
}

/// The user of an address, else the one of all cameras. A user without a password has that of all cameras if he
/// is the same.
fn joined(own: Option<Login>, of_all: Option<&Login>) -> Option<Login> {
    match own {
        Some(Login { user, password: None }) if of_all.is_some_and(|login| login.user == user) => {
            of_all.cloned()
        }
        Some(own) => Some(own),
        None => of_all.cloned(),
    }
}

/// Passwords that stood in addresses, each into a file of its own.
fn keep_secrets(plan: &Plan, cameras: &[Camera]) -> anyhow::Result<()> {
    for (file, password) in cameras.iter().filter_map(Camera::password_file) {
        keep::password(&plan.out.join(file), password)?;
    }
    let broker = plan.broker.as_ref().and_then(|broker| broker.login.as_ref());
    if let Some((password, Place::Beside)) = broker.and_then(|login| login.password.as_ref()) {
        keep::password(&plan.out.join(BROKER_PASSWORD), password)?;
    }
    Ok(())
}

/// Opens all cameras, prints what each is, and keeps its stills.
async fn open(
    plan: &Plan,
    cameras: &[Camera],
    out: &mut impl Write,
) -> anyhow::Result<Vec<(Probed, Result<(), String>)>> {
    let decode = DecodeConfig { workers: 1, h264_decoder: None, h265_decoder: None };
    let mut stills = StillFolder::open(&plan.out.join("stills"), &decode)?;
    let sources: Vec<SourceConfig> = cameras.iter().map(source).collect();
    let mut seen = Vec::new();
    for (camera, probing) in cameras.iter().zip(probing::start(sources.iter(), plan.timeout)) {
        let probed = probing.await.with_context(|| format!("the probe of {} failed", camera.id))?;
        write!(out, "{}", probing::block(&camera.id, &probed.report))?;
        for note in &camera.notes {
            writeln!(out, "    note        {note}")?;
        }
        let mut still = Ok(());
        if probed.report.is_ok() {
            match stills.keep(&camera.id, &probed.key_frames) {
                Ok(kept) => {
                    let (picture, grid) = (kept.picture.display(), kept.grid.display());
                    writeln!(out, "    stills      {picture}, {grid}")?;
                }
                Err(error) => {
                    writeln!(out, "    stills      FAILED: {error:#}")?;
                    still = Err(format!("{error:#}"));
                }
            }
        }
        out.flush()?;
        seen.push((probed, still));
    }
    Ok(seen)
}

/// As the config will say it.
fn source(camera: &Camera) -> SourceConfig {
    let login = camera.login.as_ref();
    SourceConfig::Rtsp(RtspConfig {
        url: camera.url.clone(),
        username: login.map(|login| login.user.clone()),
        password: login.and_then(|login| Some(login.password.as_ref()?.0.clone())),
        basic: false,
        transport: Transport::Auto,
        stall_timeout: Duration::from_secs(15),
        backoff_first: Duration::from_secs(1),
        backoff_max: Duration::from_secs(60),
    })
}

/// Reads what was written, as `run` will, and says what to do. False if it is not valid.
fn next_steps(path: &Path, plan: &Plan, has_cameras: bool, out: &mut impl Write) -> anyhow::Result<bool> {
    let file = path.display();
    writeln!(out, "\nwrote {file}")?;
    if !has_cameras {
        writeln!(out, "No camera is in it yet: complete an address in it and take the # of its lines away.")?;
    } else {
        match config::load(path) {
            Ok(loaded) => loaded.warnings.iter().for_each(|warning| eprintln!("warning: {warning}")),
            Err(errors) => {
                eprintln!("{}", errors.report());
                return Ok(false);
            }
        }
    }
    writeln!(out, "Next:")?;
    if plan.broker.is_none() {
        writeln!(out, "  set the platform's broker: url in [mqtt]")?;
    }
    if !plan.model.is_absolute() {
        writeln!(out, "  no model was found: name its folder, model in [detect]")?;
    }
    let stills = path.with_file_name("stills");
    writeln!(out, "  read zones off the pictures {}/*-grid.jpg, and write zone and rule", stills.display())?;
    writeln!(out, "  lintel check --config {file} --probe --stills {}", stills.display())?;
    writeln!(out, "  lintel run --config {file}")?;
    Ok(true)
}
