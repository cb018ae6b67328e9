//! A program that runs beside this one and ends with it.

use std::fs::File;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::base::monotonic;

/// Killed when dropped, unless it was stopped.
pub(super) struct Program {
    name: String,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts it with its log in `log`.
    ///
    /// # Errors
    /// It is not there, or the log cannot be written.
    pub fn start(program: &Path, arguments: &[String], log: &Path) -> anyhow::Result<Self> {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = File::create(log).with_context(|| format!("{}", log.display()))?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| {
                format!("cannot start {}; `cargo build --release --workspace` builds it", program.display())
            })?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (input, output) = input.zip(output).context("no pipes")?;
        Ok(Self { name, child, input, output: BufReader::new(output).lines() })
    }

    /// Waits for a line that begins with `ready`.
    pub fn ready(&mut self) -> anyhow::Result<()> {
        let ready = self.output.by_ref().map_while(Result::ok).any(|line| line.starts_with("ready"));
        if ready { Ok(()) } else { bail!("{} ended before it was ready; see its log", self.name) }
    }

    /// Gives a command on standard input and waits for the answer, one line.
    pub fn ask(&mut self, command: &str) -> anyhow::Result<String> {
        writeln!(self.input, "{command}").and_then(|()| self.input.flush()).context("it reads no more")?;
        self.output.next().with_context(|| format!("{} ended", self.name))?.context("its answer")
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// # Errors
    /// It has ended.
    pub fn still_runs(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status}); see its log", self.name),
        }
    }

    /// SIGTERM, and some time to obey.
    pub fn stop(mut self, limit: Duration) -> anyhow::Result<()> {
        // The shell's own kill: it is everywhere, and it needs no unsafe code.
        Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status().context("sh")?;
        let asked = monotonic();
        while asked.elapsed() < limit {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{} did not stop within {} s", self.name, limit.as_secs())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Fails where it has ended already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
