//! Parsed TOML as layers that are laid over each other, value by value; each value keeps its place.

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::problem::Problem;
use super::source::Span;

/// Ways to name one password: the upper layer's way replaces the lower one's.
const ONE_OF: [&str; 3] = ["password_env", "password_file", "password_credential"];

/// `over` wins; tables that both have are joined.
pub(crate) fn merge<'i>(base: &mut DeTable<'i>, over: DeTable<'i>) {
    if ONE_OF.iter().any(|key| over.contains_key(*key)) {
        for key in ONE_OF {
            base.remove(key);
        }
    }
    for (key, value) in over {
        let name = key.get_ref().clone();
        match (base.get_mut(&*name).map(Spanned::get_mut), value) {
            (Some(DeValue::Table(below)), value) if matches!(value.get_ref(), DeValue::Table(_)) => {
                if let DeValue::Table(above) = value.into_inner() {
                    merge(below, above);
                }
            }
            (_, value) => {
                base.remove(&*name);
                base.insert(key, value);
            }
        }
    }
}

/// The table under a key, taken out; empty if there is none.
pub(crate) fn take_table<'i>(table: &mut DeTable<'i>, key: &str) -> DeTable<'i> {
    match table.remove(key).map(Spanned::into_inner) {
        Some(DeValue::Table(inner)) => inner,
        _ => DeTable::new(),
    }
}

/// The tables of a list under a key, taken out, each with its place.
pub(crate) fn take_tables<'i>(table: &mut DeTable<'i>, key: &str) -> Vec<(Span, DeTable<'i>)> {
    let Some(DeValue::Array(items)) = table.remove(key).map(Spanned::into_inner) else { return Vec::new() };
    let table_of = |item: Spanned<DeValue<'i>>| {
        let span = item.span();
        match item.into_inner() {
            DeValue::Table(inner) => Some((span, inner)),
            _ => None,
        }
    };
    items.into_iter().filter_map(table_of).collect()
}

/// The text under a key with its place.
pub(crate) fn text_at<'t>(table: &'t DeTable<'_>, key: &str) -> Option<(&'t str, Span)> {
    let value = table.get(key)?;
    Some((value.get_ref().as_str()?, value.span()))
}

/// The strings of a list with their places; `None` without the key.
pub(crate) fn texts(table: &DeTable<'_>, key: &str) -> Option<Vec<(String, Span)>> {
    let DeValue::Array(items) = table.get(key)?.get_ref() else { return None };
    Some(items.iter().filter_map(|i| Some((i.get_ref().as_str()?.to_owned(), i.span()))).collect())
}

/// Fills a raw type; what goes wrong after the structure was checked is reported all the same.
pub(crate) fn read<'i, T: Deserialize<'i>>(
    table: DeTable<'i>,
    span: &Span,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let whole = Spanned::new(span.clone(), DeValue::Table(table));
    T::deserialize(ValueDeserializer::from(whole))
        .map_err(|error| {
            let at = error.span().unwrap_or_else(|| span.clone());
            problems.push(Problem::new(&at, error.message()));
        })
        .ok()
}
