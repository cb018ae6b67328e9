//! Logs: lines with a priority for the journal, pretty on a terminal, JSON for collectors.

use std::fmt;
use std::io::IsTerminal;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::one_line::OneLine;
use crate::config::{LogConfig, LogFormat};

/// Changes what is logged while the process runs.
pub struct LogControl {
    /// `None`: `LINTEL_LOG` decides, or the log was set up before.
    set: Option<Box<dyn Fn(EnvFilter) + Send + Sync>>,
}

impl LogControl {
    /// Controls nothing: for runs whose log is set up elsewhere.
    pub fn none() -> Self {
        Self { set: None }
    }

    /// Applies these filter directives from now on, unless `LINTEL_LOG` is set.
    ///
    /// # Errors
    /// A filter directive that cannot be parsed, with its text. The filter then stays as it was.
    pub fn set_filter(&self, directives: &str) -> Result<(), ParseError> {
        let filter = EnvFilter::builder().parse(directives)?;
        if let Some(set) = &self.set {
            set(filter);
        }
        Ok(())
    }
}

/// Sets up the process's log on standard error; later calls change nothing. `LINTEL_LOG`
/// overrides the config.
///
/// # Errors
/// A filter directive that cannot be parsed, with its text.
pub fn init_logging(config: &LogConfig) -> Result<LogControl, ParseError> {
    let from_environment = std::env::var("LINTEL_LOG").ok();
    let fixed = from_environment.is_some();
    let filter = EnvFilter::builder().parse(from_environment.unwrap_or_else(|| config.filter.clone()))?;
    let format = resolve(config.format);
    let colours = matches!(format, LogFormat::Auto | LogFormat::Pretty) && std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(OneLine { colours });
    // A second call (tests) finds the subscriber set already; that is fine.
    macro_rules! start {
        ($builder:expr) => {{
            let builder = $builder.with_filter_reloading();
            let handle = builder.reload_handle();
            let ours = builder.try_init().is_ok() && !fixed;
            // It fails only after the subscriber is gone, and then there is no log.
            let set = move |filter| drop(handle.reload(filter));
            LogControl { set: ours.then(|| Box::new(set) as Box<dyn Fn(EnvFilter) + Send + Sync>) }
        }};
    }
    Ok(match format {
        LogFormat::Journal => start!(builder.event_format(JournalLine)),
        LogFormat::Json => start!(builder.json().with_span_list(false)),
        LogFormat::Auto | LogFormat::Pretty => {
            start!(builder.compact().with_target(false).with_ansi(colours))
        }
    })
}

fn resolve(format: LogFormat) -> LogFormat {
    match format {
        // systemd sets JOURNAL_STREAM for services whose output it reads (systemd.exec(5)).
        LogFormat::Auto if std::env::var_os("JOURNAL_STREAM").is_some() => LogFormat::Journal,
        LogFormat::Auto => LogFormat::Pretty,
        other => other,
    }
}

/// `<4>message key=value camera=gate`: the event's fields, then those of its spans. The journal takes the priority from
/// the number (sd-daemon(3)) and adds the time itself.
struct JournalLine;

impl<S, N> FormatEvent<S, N> for JournalLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(out, "<{}>", priority(event.metadata().level()))?;
        ctx.format_fields(out.by_ref(), event)?;
        for span in ctx.event_scope().into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                write!(out, " {fields}")?;
            }
        }
        writeln!(out)
    }
}

fn priority(level: &Level) -> u8 {
    match *level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::base::CameraId;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Kept {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_line_for_the_journal_names_the_camera_that_it_is_about() {
        let kept = Kept::default();
        let log =
            tracing_subscriber::fmt().with_ansi(false).with_writer(kept.clone()).event_format(JournalLine);
        tracing::subscriber::with_default(log.finish(), || {
            let _camera = CameraId::new("gate").span().entered();
            tracing::warn!(reason = "Refused", "cannot connect");
        });
        let text = String::from_utf8(kept.0.lock().clone()).expect("text");
        assert_eq!(text, "<4>cannot connect reason=\"Refused\" camera=gate\n");
    }
}
