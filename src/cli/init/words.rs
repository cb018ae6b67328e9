//! Texts of others on their way into the config and onto the terminal.

/// Longest text that is taken over.
const LONGEST: usize = 300;

/// One line without control characters and marks that turn the direction of writing, cut where it is too
/// long: a device cannot write lines of the config, nor commands to a terminal.
pub(super) fn clean(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let shown: String = text.chars().map(|c| if hidden(c) { ' ' } else { c }).collect();
    let words: Vec<&str> = shown.split_whitespace().collect();
    let mut line: String = words.join(" ");
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// A TOML string of one line.
pub(super) fn quoted(text: &str) -> String {
    let mut line = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            c if c.is_control() => line += &format!("\\u{:04X}", u32::from(c)),
            c => line.push(c),
        }
    }
    line.push('"');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_on_its_line() {
        assert_eq!(clean("gate\r\n[node]\u{1b}[2J\u{202e}x"), "gate [node] [2J x");
        assert_eq!(clean(&"东".repeat(1000)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn a_quoted_text_reads_back() {
        for text in ["C:\\a\"b", "东门", "a\nb\u{7f}", ""] {
            let table: toml::Table = format!("a = {}", quoted(text)).parse().expect("TOML");
            assert_eq!(table["a"].as_str(), Some(text));
        }
    }
}
