//! Commands from standard input, one line each. Each gets one line as its answer.

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Paths;
use super::path::Path;

/// Reads standard input on a thread of its own and signals its end to `ended`.
pub fn listen(paths: Arc<Paths>, ended: oneshot::Sender<()>) -> std::io::Result<()> {
    std::thread::Builder::new().name("control".into()).spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let answer = obey(&words, &paths).unwrap_or_else(|what| format!("error: {what}"));
            let mut out = std::io::stdout().lock();
            if writeln!(out, "{answer}").and_then(|()| out.flush()).is_err() {
                break;
            }
        }
        // Fails if the server is ending already.
        let _ = ended.send(());
    })?;
    Ok(())
}

fn obey(words: &[&str], paths: &Paths) -> Result<String, String> {
    let each = |name: Option<&&str>, act: &dyn Fn(&Path)| {
        let Some(name) = name else {
            paths.values().for_each(|path| act(path));
            return Ok("ok".to_owned());
        };
        paths.get(*name).map(|path| act(path)).ok_or(format!("no path {name}"))?;
        Ok("ok".to_owned())
    };
    match *words {
        ["drop", ref name @ ..] => each(name.first(), &Path::close),
        ["stall", ref name @ ..] => each(name.first(), &|path| path.stalled.store(true, Ordering::Relaxed)),
        ["resume", ref name @ ..] => each(name.first(), &|path| path.stalled.store(false, Ordering::Relaxed)),
        ["down", name, seconds] => {
            let seconds = seconds.parse::<f64>().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
            let time = seconds.ok_or("down PATH SECONDS")?;
            each(Some(&name), &|path| path.down(time))
        }
        ["stats"] => Ok(stats(paths)),
        _ => Err(format!("unknown command: {}", words.join(" "))),
    }
}

/// `{"cam-1":{"sent":50,"dropped":0,"clients":1,"plays":1}}`; names of paths need no quoting beyond that of
/// the shell.
fn stats(paths: &Paths) -> String {
    let path = |(name, path): (&String, &Arc<Path>)| {
        let get = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        let c = &path.counts;
        format!(
            r#"{name:?}:{{"sent":{},"dropped":{},"clients":{},"plays":{}}}"#,
            get(&c.sent),
            get(&c.dropped),
            get(&c.clients),
            get(&c.plays)
        )
    };
    format!("{{{}}}", paths.iter().map(path).collect::<Vec<_>>().join(","))
}
