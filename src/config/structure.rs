//! Checks a parsed file against its schema: unknown and missing keys, types, ranges. Finds all at once, which
//! a deserializer cannot, and cuts out what is wrong, so that the rest is checked further without follow-on
//! errors.

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, did_you_mean};
use super::raw::parse_duration;
use super::source::Span;

pub(crate) struct Structure<'p> {
    problems: &'p mut Vec<Problem>,
    /// Offset of the file's first byte; spans in the result are moved by it.
    base: usize,
    /// Keys that are known elsewhere, with the advice for who writes them here.
    elsewhere: Option<(&'p Value, &'static str)>,
}

impl<'p> Structure<'p> {
    pub(crate) fn new(problems: &'p mut Vec<Problem>, base: usize) -> Self {
        Self { problems, base, elsewhere: None }
    }

    pub(crate) fn known_elsewhere(mut self, schema: &'p Value, advice: &'static str) -> Self {
        self.elsewhere = Some((schema, advice));
        self
    }

    /// The good part of a file.
    pub(crate) fn file<'i>(&mut self, root: Spanned<DeTable<'i>>, schema: &Value) -> DeTable<'i> {
        // The span of the root is the whole file; an error about it belongs on the first line.
        self.table(root.into_inner(), &(self.base..self.base), schema, "")
    }

    fn table<'i>(&mut self, table: DeTable<'i>, span: &Span, schema: &Value, path: &str) -> DeTable<'i> {
        let none = Value::Null;
        let properties = schema.get("properties").unwrap_or(&none);
        self.missing(&table, span, schema, path);
        let mut good = DeTable::new();
        for (key, value) in table {
            let key_span = self.shift(&key.span());
            let name = key.get_ref().to_string();
            let inner = match (properties.get(&name), schema.get("additionalProperties")) {
                (Some(inner), _) => inner,
                (None, Some(inner @ Value::Object(_))) => inner,
                _ => {
                    self.unknown(&name, &key_span, properties, path);
                    continue;
                }
            };
            let inner_path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if let Some(value) = self.value(value, inner, &inner_path) {
                good.insert(Spanned::new(key_span, key.into_inner()), value);
            }
        }
        good
    }

    /// The value with its span in the space of all files; `None` if it is wrong, which is then reported.
    fn value<'i>(
        &mut self,
        value: Spanned<DeValue<'i>>,
        schema: &Value,
        path: &str,
    ) -> Option<Spanned<DeValue<'i>>> {
        let span = self.shift(&value.span());
        let wanted = Wanted::of(schema);
        let good = match (wanted, value.into_inner()) {
            (Wanted::Table, DeValue::Table(t)) => DeValue::Table(self.table(t, &span, schema, path)),
            (Wanted::Array, DeValue::Array(items)) => {
                self.count(items.len(), &span, schema, path)?;
                // A table in a list has its own keys; a wrong plain value spoils the list.
                let tables = schema["items"].get("properties").is_some();
                let inner = format!("{path}[]");
                let all = items.len();
                let good: Vec<_> =
                    items.into_iter().filter_map(|item| self.value(item, &schema["items"], &inner)).collect();
                if good.len() < all && !tables {
                    return None;
                }
                DeValue::Array(good.into_iter().collect())
            }
            (Wanted::Text, DeValue::String(text)) => {
                self.text(&text, &span, schema, path)?;
                DeValue::String(text)
            }
            (Wanted::Flag, DeValue::Boolean(flag)) => DeValue::Boolean(flag),
            (Wanted::Whole, DeValue::Integer(number)) => {
                let parsed = i64::from_str_radix(number.as_str(), number.radix()).ok();
                self.range(parsed.map(|n| n as f64), number.as_str(), &span, schema, path)?;
                DeValue::Integer(number)
            }
            (Wanted::Number, DeValue::Integer(number)) => {
                let parsed = i64::from_str_radix(number.as_str(), number.radix()).ok();
                self.range(parsed.map(|n| n as f64), number.as_str(), &span, schema, path)?;
                DeValue::Integer(number)
            }
            (Wanted::Number, DeValue::Float(number)) => {
                let parsed = number.as_str().parse::<f64>().ok().filter(|n| n.is_finite());
                self.range(parsed, number.as_str(), &span, schema, path)?;
                DeValue::Float(number)
            }
            (wanted, found) => {
                self.wrong_type(wanted, &found, &span, schema, path);
                return None;
            }
        };
        Some(Spanned::new(span, good))
    }

    fn missing(&mut self, table: &DeTable<'_>, span: &Span, schema: &Value, path: &str) {
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        for key in required.iter().filter_map(Value::as_str) {
            if table.keys().any(|k| k.get_ref() == key) {
                continue;
            }
            let inner = &schema["properties"][key];
            self.problems.push(match Wanted::of(inner) {
                Wanted::Table => {
                    let needs: Vec<&str> = inner["required"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(Value::as_str)
                        .collect();
                    Problem::new(span, format!("section [{key}] is missing")).help(format!(
                        "add `[{key}]` with at least `{}`. {}",
                        needs.join("`, `"),
                        described(inner)
                    ))
                }
                _ => Problem::new(span, format!("`{key}` is missing{}", within(path))).help(described(inner)),
            });
        }
    }

    fn unknown(&mut self, name: &str, span: &Span, properties: &Value, path: &str) {
        let known: Vec<&str> =
            properties.as_object().into_iter().flatten().map(|(k, _)| k.as_str()).collect();
        if matches!(name, "password" | "passwd" | "pwd" | "pass" | "secret") {
            self.problems.push(
                Problem::new(span, format!("a {name} does not stand in a config file"))
                    .help("name where it is kept instead: `password_env = \"NAME\"` (environment variable), `password_file = \"path\"` or `password_credential = \"name\"` (systemd)"),
            );
            return;
        }
        let problem = Problem::new(span, format!("unknown key `{name}`{}", within(path)));
        let nested = properties.as_object().into_iter().flatten();
        let owner = nested.clone().find(|(_, inner)| inner["properties"].get(name).is_some());
        let help = match (&self.elsewhere, owner) {
            (Some((schema, advice)), _) if path.is_empty() && schema["properties"].get(name).is_some() => {
                (*advice).to_owned()
            }
            (_, Some((table, _))) => format!("it belongs in `{table}`: `{table}.{name} = ...`"),
            _ => match did_you_mean(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`? {}", described(&properties[near])),
                None => format!("known here: {}", known.join(", ")),
            },
        };
        self.problems.push(problem.help(help.trim_end()));
    }

    fn wrong_type(&mut self, wanted: Wanted, found: &DeValue<'_>, span: &Span, schema: &Value, path: &str) {
        let key = called(path);
        let mut help = described(schema);
        if matches!(wanted, Wanted::Text) && matches!(found, DeValue::Integer(_) | DeValue::Float(_)) {
            let example = if is_duration(schema) { "such as \"30s\"" } else { "in quotes" };
            help = format!("write it {example}. {help}");
        }
        if matches!((wanted, found), (Wanted::Array, DeValue::Table(_))) {
            help = format!("write `[[{}]]`: there may be several. {help}", path.replace("[]", ""));
        }
        let found = article(found.type_str());
        self.problems.push(
            Problem::new(span, format!("{key} must be {}, this is {found}", wanted.name(schema))).help(help),
        );
    }

    fn count(&mut self, n: usize, span: &Span, schema: &Value, path: &str) -> Option<()> {
        let bound = |key: &str| schema[key].as_u64().and_then(|n| usize::try_from(n).ok());
        let (least, most) = (bound("minItems").unwrap_or(0), bound("maxItems").unwrap_or(usize::MAX));
        if (least..=most).contains(&n) {
            return Some(());
        }
        let wanted =
            if least == most { format!("{least} values") } else { format!("{least} to {most} values") };
        let message = format!("{} must have {wanted}, this has {n}", called(path));
        self.problems.push(Problem::new(span, message).help(described(schema)));
        None
    }

    fn range(&mut self, n: Option<f64>, text: &str, span: &Span, schema: &Value, path: &str) -> Option<()> {
        let least = schema["minimum"].as_f64().unwrap_or(f64::NEG_INFINITY);
        let most = schema["maximum"].as_f64().unwrap_or(f64::INFINITY);
        if n.is_some_and(|n| (least..=most).contains(&n)) {
            return Some(());
        }
        let bounds = match (&schema["minimum"], &schema["maximum"]) {
            (Value::Null, Value::Null) => "must be a finite number".to_owned(),
            (least, Value::Null) => format!("must be at least {least}"),
            (Value::Null, most) => format!("must be at most {most}"),
            (least, most) => format!("must be from {least} to {most}"),
        };
        let message = format!("{} {bounds}, this is {text}", called(path));
        self.problems.push(Problem::new(span, message).help(described(schema)));
        None
    }

    fn text(&mut self, text: &str, span: &Span, schema: &Value, path: &str) -> Option<()> {
        let choices = choices(schema);
        if !choices.is_empty() && !choices.contains(&text) {
            let message = format!("{} cannot be \"{text}\"", called(path));
            let near = did_you_mean(text, choices.iter().copied());
            let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
            let help = format!("{near}it can be: {}", choices.join(", "));
            self.problems.push(Problem::new(span, message).help(help));
            return None;
        }
        if is_duration(schema) {
            let zero = schema["format"] == super::raw::WAIT;
            if let Err(why) = parse_duration(text, zero) {
                let message = format!("{}: {why}", called(path));
                self.problems.push(Problem::new(span, message).help(described(schema)));
                return None;
            }
        }
        Some(())
    }

    fn shift(&self, span: &Span) -> Span {
        span.start + self.base..span.end + self.base
    }
}

#[derive(Clone, Copy)]
enum Wanted {
    Table,
    Array,
    Text,
    Flag,
    Whole,
    Number,
}

impl Wanted {
    fn of(schema: &Value) -> Self {
        match schema["type"].as_str() {
            Some("object") => Self::Table,
            Some("array") => Self::Array,
            Some("boolean") => Self::Flag,
            Some("integer") => Self::Whole,
            Some("number") => Self::Number,
            _ => Self::Text,
        }
    }

    fn name(self, schema: &Value) -> &'static str {
        match self {
            Self::Table => "a table",
            Self::Array => "a list in [ ]",
            Self::Text if is_duration(schema) => "a duration in quotes",
            Self::Text => "a string",
            Self::Flag => "true or false",
            Self::Whole => "a whole number",
            Self::Number => "a number",
        }
    }
}

fn is_duration(schema: &Value) -> bool {
    schema["format"] == super::raw::POSITIVE || schema["format"] == super::raw::WAIT
}

fn choices(schema: &Value) -> Vec<&str> {
    let plain = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let described = schema["oneOf"].as_array().into_iter().flatten();
    let described = described.flat_map(|one| one["const"].as_str().into_iter().chain(choices(one)));
    plain.chain(described).collect()
}

fn described(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().replace('\n', " ")
}

fn article(kind: &str) -> String {
    match kind {
        "integer" => "a whole number".into(),
        "float" => "a number".into(),
        "array" => "a list".into(),
        "boolean" => "true or false".into(),
        "datetime" => "a date or time".into(),
        other => format!("a {other}"),
    }
}

/// A path has `[]` behind each list.
fn within(path: &str) -> String {
    let plain = path.replace("[]", "");
    match path {
        "" => " at top level".into(),
        list if list.ends_with("[]") => format!(" in [[{plain}]]"),
        _ => format!(" in [{plain}]"),
    }
}

/// The key, or the list that it is an entry of.
fn called(path: &str) -> String {
    let key = path.trim_end_matches("[]").rsplit('.').next().unwrap_or(path);
    if path.ends_with("[]") { format!("an entry of `{key}`") } else { format!("`{key}`") }
}
