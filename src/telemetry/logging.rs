//! Logs: lines with a priority for the journal, pretty on a terminal, JSON for collectors.

use std::fmt;
use std::io::IsTerminal;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::{LogConfig, LogFormat};

/// Sets up the process's log on standard error; later calls change nothing. `LINTEL_LOG` wins over the config.
///
/// # Errors
/// A filter directive that cannot be read, with its text.
pub fn init_logging(config: &LogConfig) -> Result<(), tracing_subscriber::filter::ParseError> {
    let directives = std::env::var("LINTEL_LOG").unwrap_or_else(|_| config.filter.clone());
    let filter = EnvFilter::builder().parse(directives)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call (tests) finds the subscriber set already; that is fine.
    let _ = match resolve(config.format) {
        LogFormat::Journal => builder.event_format(JournalLine).try_init(),
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Auto | LogFormat::Pretty => {
            builder.compact().with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init()
        }
    };
    Ok(())
}

fn resolve(format: LogFormat) -> LogFormat {
    match format {
        // systemd sets JOURNAL_STREAM for services whose output it reads (systemd.exec(5)).
        LogFormat::Auto if std::env::var_os("JOURNAL_STREAM").is_some() => LogFormat::Journal,
        LogFormat::Auto => LogFormat::Pretty,
        other => other,
    }
}

/// `<4>message key=value`: the journal takes the priority from the number (sd-daemon(3)) and adds the time itself.
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
