//! One row of a soak's CSV.

use std::io;

use serde::Serialize;

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct SoakSample {
    pub seconds: f64,
    pub rss_mb: f64,
    pub ring_mb: f64,
    pub threads: u64,
    pub open_files: u64,
    pub streaming: usize,
    /// Cameras restarted so far.
    pub restarts: u64,
    /// Of these, cameras that stream again, and cameras that did not in time.
    pub found: u64,
    pub missed: u64,
    pub analysed: u64,
}

impl SoakSample {
    pub const HEADER: &str =
        "seconds,rss_mb,ring_mb,threads,open_files,streaming,restarts,found,missed,analysed";

    pub fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        writeln!(
            out,
            "{:.0},{:.2},{:.2},{},{},{},{},{},{},{}",
            self.seconds,
            self.rss_mb,
            self.ring_mb,
            self.threads,
            self.open_files,
            self.streaming,
            self.restarts,
            self.found,
            self.missed,
            self.analysed
        )?;
        out.flush()
    }
}
