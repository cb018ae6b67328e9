//! A program that runs beside this one and ends with it.

use std::fs::File;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use lintel::base::monotonic;
use rustix::process::{Pid, Signal, kill_process};

/// Killed when dropped, unless it was stopped.
pub(crate) struct Process {
    name: String,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts `program`; its standard error goes to the file `log`.
    ///
    /// # Errors
    /// The program does not exist, or the log cannot be written.
    pub fn start(program: &Path, arguments: &[String], log: &Path) -> anyhow::Result<Self> {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = File::create(log).with_context(|| format!("{}", log.display()))?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (input, output) = input.zip(output).context("no pipes")?;
        Ok(Self { name, child, input, output: BufReader::new(output).lines() })
    }

    /// Waits for a line of output that begins with `ready`.
    ///
    /// # Errors
    /// The program ended first.
    pub fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let ready = self.output.by_ref().map_while(Result::ok).any(|line| line.starts_with("ready"));
        if ready { Ok(()) } else { bail!("{} ended before it was ready; see its log", self.name) }
    }

    /// Writes a command to standard input and returns the answer, one line.
    ///
    /// # Errors
    /// The program ended.
    pub fn request(&mut self, command: &str) -> anyhow::Result<String> {
        let sent = writeln!(self.input, "{command}").and_then(|()| self.input.flush());
        sent.with_context(|| format!("{} does not read its input", self.name))?;
        self.output
            .next()
            .with_context(|| format!("{} ended", self.name))?
            .with_context(|| format!("cannot read the answer of {}", self.name))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// # Errors
    /// The program has ended.
    pub fn check_running(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status}); see its log", self.name),
        }
    }

    /// Sends SIGTERM and waits for the end, `limit` at most.
    ///
    /// # Errors
    /// The program runs on.
    pub fn stop(mut self, limit: Duration) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)
            .with_context(|| format!("cannot signal {}", self.name))?;
        let start = monotonic();
        while start.elapsed() < limit {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{} did not stop within {} s", self.name, limit.as_secs())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails where the process has ended already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
