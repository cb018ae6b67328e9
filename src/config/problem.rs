//! What is wrong with a config, said so that the operator can put it right: where, what, and what to do.

use std::fmt::{self, Write as _};
use std::io::IsTerminal as _;
use std::sync::Arc;

use unicode_width::UnicodeWidthStr as _;

use super::source::{Sources, Span};
use crate::base::ascii_of;

/// Every error of a config at once, in order of file and line. Holds no secret.
///
/// `Display` is plain text that starts each error with `file:line:column`; as a [`miette::Diagnostic`] it can
/// be drawn for a terminal.
#[derive(Clone)]
pub struct ConfigErrors {
    problems: Vec<Diagnosis>,
}

/// One error before it is bound to the text of the files.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    message: String,
    span: Option<Span>,
    label: String,
    help: Option<String>,
    also: Vec<(Span, String)>,
}

impl Problem {
    pub(crate) fn new(span: &Span, message: impl Into<String>) -> Self {
        let (span, label) = (Some(span.clone()), String::new());
        Self { message: message.into(), span, label, help: None, also: Vec::new() }
    }

    /// For what has no place in a file, such as the file itself.
    pub(crate) fn nowhere(message: impl Into<String>) -> Self {
        Self { message: message.into(), span: None, label: String::new(), help: None, also: Vec::new() }
    }

    /// Stands right of the caret.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// What to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into().trim().to_owned()).filter(|h| !h.is_empty());
        self
    }

    /// Adds to the help what a Chinese input method wrote into the value, because it looks like ASCII.
    fn name_full_width(&mut self, sources: &Sources) {
        let Some(span) = &self.span else { return };
        let (file, text, within) = sources.text_around(span);
        let value = text.get(within).unwrap_or_default();
        let wide = value.char_indices().find_map(|(i, c)| Some((i, c, ascii_of(c)?)));
        let Some((_, wide, ascii)) = wide.filter(|(i, ..)| !file.built_in && !value[..*i].contains('\n'))
        else {
            return;
        };
        if self.help.as_ref().is_some_and(|help| help.contains("English punctuation")) {
            return;
        }
        let hint =
            format!("`{wide}` is full-width: where `{ascii}` is meant, write that (English punctuation)");
        self.help = Some(match self.help.take() {
            Some(help) => format!("{help}; {hint}"),
            None => hint,
        });
    }

    /// A second place that has to do with it.
    pub(crate) fn also(mut self, span: &Span, label: impl Into<String>) -> Self {
        self.also.push((span.clone(), label.into()));
        self
    }
}

#[derive(Clone)]
struct Diagnosis {
    problem: Problem,
    sources: Arc<Sources>,
}

impl ConfigErrors {
    pub(crate) fn new(mut problems: Vec<Problem>, sources: &Arc<Sources>) -> Self {
        problems.sort_by_key(|p| p.span.as_ref().map(|s| (s.start, s.end)));
        // A wrong default or shared rule is wrong for each camera, but is reported once.
        problems.dedup_by(|a, b| a.span == b.span && a.message == b.message);
        problems.iter_mut().for_each(|problem| problem.name_full_width(sources));
        let bound = |problem| Diagnosis { problem, sources: Arc::clone(sources) };
        Self { problems: problems.into_iter().map(bound).collect() }
    }

    /// All errors of both, in order of file and line. Both must be about the same [`Loaded`](super::Loaded).
    pub fn join(mut self, other: Self) -> Self {
        self.problems.extend(other.problems);
        self.problems.sort_by_key(|d| d.problem.span.as_ref().map(|s| (s.start, s.end)));
        self
    }

    pub fn len(&self) -> usize {
        self.problems.len()
    }

    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// The messages alone, without places and help.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        self.problems.iter().map(|d| d.problem.message.as_str())
    }

    /// The text for standard error: drawn and coloured on a terminal, plain elsewhere.
    pub fn report(&self) -> String {
        if !std::io::stderr().is_terminal() {
            return self.to_string();
        }
        let mut drawn = String::new();
        match miette::GraphicalReportHandler::new().render_report(&mut drawn, self) {
            Ok(()) => drawn,
            Err(fmt::Error) => self.to_string(),
        }
    }

    fn summary(&self) -> String {
        match self.problems.len() {
            1 => "1 error in the config".into(),
            n => format!("{n} errors in the config"),
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnosis in &self.problems {
            writeln!(f, "{}", diagnosis.plain())?;
        }
        f.write_str(&self.summary())
    }
}

impl fmt::Debug for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigErrors {}

/// `miette` prints this line first and then each error with its lines.
impl miette::Diagnostic for ConfigErrors {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(self.problems.iter().map(|d| d as &dyn miette::Diagnostic)))
    }
}

impl Diagnosis {
    fn plain(&self) -> String {
        let mut out = String::new();
        let (problem, sources) = (&self.problem, &self.sources);
        let written = (|| {
            match &problem.span {
                None => writeln!(out, "error: {}", problem.message)?,
                Some(span) => {
                    writeln!(out, "{}: error: {}", sources.locate(span), problem.message)?;
                    excerpt(&mut out, sources, span, &problem.label)?;
                }
            }
            for (span, label) in &problem.also {
                writeln!(out, "{}: note: {label}", sources.locate(span))?;
                excerpt(&mut out, sources, span, "")?;
            }
            match &problem.help {
                Some(help) => writeln!(out, "       help: {help}"),
                None => Ok(()),
            }
        })();
        debug_assert!(written.is_ok(), "a string takes everything");
        out
    }
}

/// Bytes of a line that are shown; usual lines are shorter.
const LONGEST_LINE: usize = 160;

/// The line with a caret under the span.
fn excerpt(out: &mut String, sources: &Sources, span: &Span, label: &str) -> fmt::Result {
    let location = sources.location(span);
    // A file that a program wrote may be one line of a megabyte.
    let cut =
        |at: usize| location.text.char_indices().map(|(i, _)| i).take_while(|i| *i <= at).last().unwrap_or(0);
    let long = location.text.len() > LONGEST_LINE;
    let from = if long { cut(location.within.start.saturating_sub(20)) } else { 0 };
    let to = if long { cut(from + LONGEST_LINE) } else { location.text.len() };
    let within = location.within.start.min(to)..location.within.end.min(to);
    let caret = location.text[within.clone()].width().max(1);
    let before = location.text[from..within.start].replace('\t', " ").width();
    writeln!(out, "{:>6} | {}", location.line, location.text[from..to].replace('\t', " "))?;
    let under = format!("{}{} {label}", " ".repeat(before), "^".repeat(caret));
    writeln!(out, "       | {}", under.trim_end())
}

impl fmt::Debug for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Diagnosis {}

impl miette::Diagnostic for Diagnosis {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let elsewhere =
            self.elsewhere().map(|(span, label)| format!("{label}: {}", self.sources.locate(span)));
        let lines: Vec<String> = self.problem.help.iter().cloned().chain(elsewhere).collect();
        if lines.is_empty() { None } else { Some(Box::new(lines.join("\n"))) }
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.problem.span.as_ref().map(|_| self as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        let main = self.problem.span.as_ref()?;
        let home = self.sources.text_around(main).0.path.clone();
        let label = |span: &Span, text: &str| {
            let within = self.sources.text_around(span).2;
            miette::LabeledSpan::new((!text.is_empty()).then(|| text.into()), within.start, within.len())
        };
        let mut labels = vec![label(main, &self.problem.label)];
        let here = |span: &Span| self.sources.text_around(span).0.path == home;
        labels.extend(self.problem.also.iter().filter(|(s, _)| here(s)).map(|(s, text)| label(s, text)));
        Some(Box::new(labels.into_iter()))
    }
}

impl Diagnosis {
    /// Second places in other files, which a drawing of one file cannot show.
    fn elsewhere(&self) -> impl Iterator<Item = &(Span, String)> {
        let home = self.problem.span.as_ref().map(|s| self.sources.text_around(s).0.path.clone());
        self.problem
            .also
            .iter()
            .filter(move |(s, _)| Some(&self.sources.text_around(s).0.path) != home.as_ref())
    }
}

/// Reads the one file that the main span is in; offsets are those of the file.
impl miette::SourceCode for Diagnosis {
    fn read_span<'a>(
        &'a self,
        span: &miette::SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn miette::SpanContents<'a> + 'a>, miette::MietteError> {
        let main = self.problem.span.as_ref().ok_or(miette::MietteError::OutOfBounds)?;
        let (file, text, _) = self.sources.text_around(main);
        let inner = text.read_span(span, before, after)?;
        Ok(Box::new(miette::MietteSpanContents::new_named(
            file.path.display().to_string(),
            inner.data(),
            *inner.span(),
            inner.line(),
            inner.column(),
            inner.line_count(),
        )))
    }
}

/// The nearest of `known`, if it is near enough to be meant.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |k: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &k.to_lowercase());
    let nearest = known.into_iter().map(|k| (distance(k), k)).min_by_key(|(d, _)| *d)?;
    (nearest.0 <= (name.chars().count() * 2 / 5).max(1)).then_some(nearest.1)
}

/// `did you mean X?` or, failing that, the list.
pub(crate) fn suggest<'a>(
    name: &str,
    what: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    if let Some(near) = did_you_mean(name, known.clone()) {
        return format!("did you mean `{near}`?");
    }
    let names: Vec<&str> = known.into_iter().collect();
    match names.len() {
        0 => format!("there are no {what}"),
        _ => format!("{what}: {}", names.join(", ")),
    }
}
