//! Full-width punctuation, as a Chinese input method writes it where a file format has ASCII.

use std::borrow::Cow;
use std::ops::Range;

/// The ASCII character that this one is written for; `None` if it is written for itself. A character that shows
/// nothing is written for a space.
pub fn ascii_of(c: char) -> Option<char> {
    Some(match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0)?,
        '\u{3000}' | '\u{a0}' | '\u{2002}'..='\u{200b}' | '\u{feff}' => ' ',
        '“' | '”' | '„' | '‟' | '〝' | '〞' => '"',
        '‘' | '’' => '\'',
        '、' => ',',
        '。' => '.',
        '【' | '〔' => '[',
        '】' | '〕' => ']',
        '—' | '–' | '−' | '‐' | '‑' => '-',
        '〜' => '~',
        _ => return None,
    })
}

/// With every full-width character as the ASCII one that it is written for.
pub fn narrow(text: &str) -> Cow<'_, str> {
    if text.chars().any(|c| ascii_of(c).is_some()) {
        Cow::Owned(text.chars().map(|c| ascii_of(c).unwrap_or(c)).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// What a text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    Toml,
    Json,
}

/// Full-width characters of one line that stand where the syntax has ASCII: outside of texts and comments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strays {
    /// From 1.
    pub line: usize,
    /// Bytes of the first of them.
    pub at: Range<usize>,
    pub found: Vec<char>,
}

impl Strays {
    /// What stands there, for people.
    pub fn what(&self) -> String {
        let found: Vec<String> = self.found.iter().map(|c| shown(*c)).collect();
        format!("full-width punctuation: {}", found.join(", "))
    }

    /// What to write instead.
    pub fn advice(&self) -> String {
        let mut wanted: Vec<String> = Vec::new();
        for c in self.found.iter().filter_map(|c| ascii_of(*c)) {
            let c = if c == ' ' { "a plain space".to_owned() } else { format!("`{c}`") };
            if !wanted.contains(&c) {
                wanted.push(c);
            }
        }
        format!("write {}: switch the input method to English punctuation", wanted.join(", "))
    }
}

/// The character, or the name of one that shows nothing.
fn shown(c: char) -> String {
    match c {
        '\u{3000}' => "an ideographic space (U+3000)".to_owned(),
        _ if ascii_of(c) == Some(' ') => format!("a space that is none (U+{:04X})", u32::from(c)),
        _ => format!("`{c}`"),
    }
}

/// Line by line, in order.
pub fn strays(text: &str, syntax: Syntax) -> Vec<Strays> {
    let mut all: Vec<Strays> = Vec::new();
    let (mut line, mut skip) = (1, 0);
    // The quotation marks that end the text that is open.
    let mut open: Option<&str> = None;
    for (i, c) in text.char_indices() {
        if i < skip {
            continue;
        }
        let rest = &text[i..];
        if c == '\n' {
            line += 1;
            // Only texts in three marks go over lines; a comment ends here too.
            open = open.filter(|end| end.len() == 3);
            continue;
        }
        match open {
            Some(end) if rest.starts_with(end) => {
                skip = i + end.len();
                open = None;
            }
            Some(end) if c == '\\' && end.starts_with('"') => {
                skip = i + 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                line += usize::from(rest[1..].starts_with('\n'));
            }
            Some(_) => {}
            None => {
                let marks: &[&str] =
                    if syntax == Syntax::Toml { &["\"\"\"", "'''", "\"", "'"] } else { &["\""] };
                if let Some(mark) = marks.iter().find(|mark| rest.starts_with(**mark)) {
                    skip = i + mark.len();
                    open = Some(mark);
                } else if c == '#' && syntax == Syntax::Toml {
                    open = Some("\n");
                } else if ascii_of(c).is_some() {
                    match all.last_mut().filter(|last| last.line == line) {
                        Some(last) if last.found.contains(&c) => {}
                        Some(last) => last.found.push(c),
                        None => all.push(Strays { line, at: i..i + c.len_utf8(), found: vec![c] }),
                    }
                }
            }
        }
    }
    all
}

/// What the first stray is and what to do, for the message of a file that cannot be parsed. `None` if there is
/// none.
pub fn stray_hint(text: &str, syntax: Syntax) -> Option<String> {
    let first = strays(text, syntax).into_iter().next()?;
    Some(format!("line {} has {}; {}", first.line, first.what(), first.advice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_have_their_ascii() {
        assert_eq!(narrow("１２０．５，“ａ”：＝　［］～—"), "120.5,\"a\":= []~-");
        assert!(matches!(narrow("东门 5"), Cow::Borrowed(_)));
    }

    #[test]
    fn only_what_stands_outside_of_texts_and_comments_strays() {
        let lines = |text: &str, syntax| {
            strays(text, syntax)
                .iter()
                .map(|s| (s.line, s.found.iter().collect::<String>()))
                .collect::<Vec<_>>()
        };
        let toml = "# 注释，“好”\nname = \"东门，高杆\" # ：\nid ＝ “gate”\nnote = '''\n，\n'''\n　x = 1\n";
        assert_eq!(lines(toml, Syntax::Toml), [(3, "＝“”".to_owned()), (7, "\u{3000}".to_owned())]);
        let escaped = "a = \"\\\"，\"\nb = 1，\n";
        assert_eq!(lines(escaped, Syntax::Toml), [(2, "，".to_owned())]);
        let json = "{\"名\": \"一，二\"，\n\"b\"： 1}";
        assert_eq!(lines(json, Syntax::Json), [(1, "，".to_owned()), (2, "：".to_owned())]);
        assert_eq!(lines("[\"x'，\", '，']", Syntax::Json), [(1, "，".to_owned())]);
    }

    #[test]
    fn the_hint_says_where_and_what_to_write() {
        let hint = stray_hint("a = 1\nb ＝　“x”\n", Syntax::Toml).expect("a hint");
        assert_eq!(
            hint,
            "line 2 has full-width punctuation: `＝`, an ideographic space (U+3000), `“`, `”`; write `=`, a plain \
             space, `\"`: switch the input method to English punctuation"
        );
        assert_eq!(stray_hint("a = \"，\"", Syntax::Toml), None);
    }
}
