//! XML of devices as a tree. Names count without their prefix: every maker has its own prefixes.

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

const MOST_ELEMENTS: usize = 50_000;
const DEEPEST: usize = 64;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum XmlError {
    #[error("it is not XML ({0})")]
    NotXml(String),
    #[error("it has a document type (DTD), which SOAP forbids")]
    DocumentType,
    #[error("it uses the entity {0:?}, which it does not define")]
    Entity(String),
    #[error("it has more than {MOST_ELEMENTS} elements, or more than {DEEPEST} within each other")]
    TooMuch,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// Without prefix.
    pub name: String,
    attributes: Vec<(String, String)>,
    /// Its own, between all children.
    text: String,
    children: Vec<Element>,
}

/// # Errors
/// It is not well-formed, has a document type, or is too large.
pub(super) fn parse(text: &str) -> Result<Element, XmlError> {
    let mut reader = Reader::from_str(text);
    // The first holds what is outside of the root.
    let mut open = vec![Element::default()];
    let mut count = 0;
    loop {
        match reader.read_event().map_err(not_xml)? {
            Event::Start(tag) => {
                count += 1;
                if count > MOST_ELEMENTS || open.len() > DEEPEST {
                    return Err(XmlError::TooMuch);
                }
                open.push(element(&tag)?);
            }
            Event::Empty(tag) => {
                count += 1;
                if count > MOST_ELEMENTS {
                    return Err(XmlError::TooMuch);
                }
                let element = element(&tag)?;
                innermost(&mut open)?.children.push(element);
            }
            Event::End(_) => {
                // The reader has checked that it closes the innermost one.
                let closed = open.pop().ok_or_else(unclosed)?;
                innermost(&mut open)?.children.push(closed);
            }
            Event::Text(text) => innermost(&mut open)?.text.push_str(&text),
            Event::CData(text) => innermost(&mut open)?.text.push_str(&text),
            Event::GeneralRef(reference) => {
                let c = match reference.resolve_char_ref().map_err(not_xml)? {
                    Some(c) => c,
                    None => predefined(&reference).ok_or_else(|| XmlError::Entity(short(&reference)))?,
                };
                innermost(&mut open)?.text.push(c);
            }
            Event::DocType(_) => return Err(XmlError::DocumentType),
            Event::Eof => break,
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
    let [document] = open.as_mut_slice() else { return Err(unclosed()) };
    match document.children.pop() {
        Some(root) if document.children.is_empty() && document.text.trim().is_empty() => Ok(root),
        _ => Err(XmlError::NotXml("it has no root element".into())),
    }
}

fn innermost(open: &mut [Element]) -> Result<&mut Element, XmlError> {
    open.last_mut().ok_or_else(unclosed)
}

fn unclosed() -> XmlError {
    XmlError::NotXml("its elements are not closed".into())
}

fn not_xml(error: impl std::fmt::Display) -> XmlError {
    XmlError::NotXml(short(&error.to_string()))
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

fn element(tag: &BytesStart<'_>) -> Result<Element, XmlError> {
    let mut element = Element { name: tag.local_name().as_ref().to_owned(), ..Element::default() };
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(not_xml)?;
        let value = unescape(&attribute.value).map_err(not_xml)?;
        element.attributes.push((attribute.key.local_name().as_ref().to_owned(), value.into_owned()));
    }
    Ok(element)
}

fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

impl Element {
    pub fn text(&self) -> &str {
        self.text.trim()
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first element within this one, at any depth.
    pub fn find(&self, name: &str) -> Option<&Element> {
        self.children.iter().find_map(|child| if child.name == name { Some(child) } else { child.find(name) })
    }

    /// The first element at the end of a path of names, each at any depth within the one before.
    pub fn at(&self, path: &[&str]) -> Option<&Element> {
        path.iter().try_fold(self, |element, name| element.find(name))
    }

    /// The text there, if it is not empty.
    pub fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path).map(Element::text).filter(|text| !text.is_empty())
    }

    /// Every element of this name within this one, but none within another of the name.
    pub fn all<'e>(&'e self, name: &'e str) -> Vec<&'e Element> {
        let mut found = Vec::new();
        for child in &self.children {
            if child.name == name {
                found.push(child);
            } else {
                found.extend(child.all(name));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_ends_the_program(text in "(<[/!?]?[a-b:]{0,3}( a='[&#;x]*')?/?>|&#?[a-z0-9]{0,4};|[<>&;\\[\\]a-]|\\PC){0,40}") {
            drop(parse(&text));
        }
    }

    #[test]
    fn prefixes_do_not_count_and_references_are_resolved() {
        let text = "<?xml version=\"1.0\"?>\n<!-- x --><SOAP-ENV:Envelope xmlns:a='u'><a:Uri token='p&amp;1'>\
                    rtsp://h/x?a=1&amp;b=&#50;</a:Uri><b:Uri><![CDATA[<y>]]></b:Uri><c/></SOAP-ENV:Envelope>";
        let root = parse(text).expect("XML");
        assert_eq!(root.name, "Envelope");
        assert_eq!(root.text_at(&["Uri"]), Some("rtsp://h/x?a=1&b=2"));
        assert_eq!(root.find("Uri").and_then(|uri| uri.attribute("token")), Some("p&1"));
        assert_eq!(root.all("Uri").iter().map(|uri| uri.text()).collect::<Vec<_>>()[1], "<y>");
        assert_eq!(root.text_at(&["c"]), None);
    }

    #[test]
    fn what_is_no_soap_is_refused() {
        let not_xml = |text: &str| matches!(parse(text), Err(XmlError::NotXml(_)));
        for text in
            ["", "hello", "<a><b></a>", "<a>", "<a/><b/>", "<a b=>", "{\"a\":1}", "<a>&#x110000;</a>", "</a>"]
        {
            assert!(not_xml(text), "{text}: {:?}", parse(text));
        }
        let laughs = "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;\">]><a>&lol2;</a>";
        assert_eq!(parse(laughs), Err(XmlError::DocumentType));
        assert_eq!(parse("<a>&lol;</a>"), Err(XmlError::Entity("lol".into())));
        assert_eq!(parse(&"<a>".repeat(100_000)), Err(XmlError::TooMuch));
        assert_eq!(parse(&format!("<a>{}</a>", "<b/>".repeat(60_000))), Err(XmlError::TooMuch));
    }
}
