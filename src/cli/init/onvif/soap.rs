//! SOAP 1.2 envelopes as ONVIF devices read and write them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::escape::escape;
use sha1::{Digest as _, Sha1};

use super::xml::Element;
use crate::cli::init::words::clean;

/// A message; `security` is a header, or nothing.
pub(super) fn envelope(security: &str, body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\">\
         <s:Header>{security}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
}

/// Who asks, with a proof that he knows the password (WS-Security UsernameToken Profile 1.0, PasswordDigest).
pub(super) fn username_token(user: &str, password: &str, nonce: &[u8], created: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(nonce);
    hash.update(created);
    hash.update(password);
    let (digest, nonce) = (STANDARD.encode(hash.finalize()), STANDARD.encode(nonce));
    format!(
        "<w:Security s:mustUnderstand=\"1\" \
         xmlns:w=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\" \
         xmlns:u=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd\">\
         <w:UsernameToken><w:Username>{}</w:Username>\
         <w:Password Type=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest\">\
         {digest}</w:Password>\
         <w:Nonce EncodingType=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary\">\
         {nonce}</w:Nonce><u:Created>{created}</u:Created></w:UsernameToken></w:Security>",
        escape(user)
    )
}

/// A device's answer that it will not do what it was asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The user, or his proof, is missing or wrong.
    NotAuthorized,
    Other(String),
}

/// The fault in an answer. Codes are by ONVIF Core (5.11.2) and WS-Security; texts are anything.
pub(super) fn fault(root: &Element) -> Option<Fault> {
    const REFUSALS: [&str; 5] =
        ["NotAuthorized", "FailedAuthentication", "InvalidSecurity", "InvalidSecurityToken", "FailedCheck"];
    let fault = root.find("Fault")?;
    let mut codes = fault.all("Value").into_iter().chain(fault.all("faultcode")).map(Element::text);
    let refused = codes.any(|code| REFUSALS.contains(&code.rsplit(':').next().unwrap_or(code)));
    let reason = ["Text", "faultstring"].iter().find_map(|name| fault.text_at(&[name]));
    let reason = reason.map(clean).unwrap_or_else(|| "it will not answer".to_owned());
    let lower = reason.to_ascii_lowercase();
    let refused = refused || ["not authorized", "unauthorized"].iter().any(|words| lower.contains(words));
    Some(if refused { Fault::NotAuthorized } else { Fault::Other(reason) })
}

#[cfg(test)]
mod tests {
    use super::super::xml::parse;
    use super::*;

    #[test]
    fn the_proof_is_that_of_the_standard() {
        // The example of the ONVIF Application Programmer's Guide, 6.1.1.3.
        let nonce = STANDARD.decode("LKqI6G/AikKCQrN0zqZFlg==").expect("base64");
        let token = username_token("user&co", "userpassword", &nonce, "2010-09-16T07:50:45Z");
        assert!(token.contains(">tuOSpGlFlIXsozq4HFNeeGeFLEI=<"), "{token}");
        assert!(token.contains("<w:Username>user&amp;co</w:Username>"), "{token}");
        assert!(!token.contains("userpassword"));
    }

    #[test]
    fn a_fault_says_whether_it_is_about_the_user() {
        let fault_in = |inner: &str| {
            fault(&parse(&format!("<e:Envelope><e:Body>{inner}</e:Body></e:Envelope>")).expect("XML"))
        };
        let refused = "<e:Fault><e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value>ter:NotAuthorized</e:Value>\
                       </e:Subcode></e:Code><e:Reason><e:Text>Sender not Authorized</e:Text></e:Reason></e:Fault>";
        assert_eq!(fault_in(refused), Some(Fault::NotAuthorized));
        let old =
            "<e:Fault><faultcode>e:Client</faultcode><faultstring>no\nsuch method</faultstring></e:Fault>";
        assert_eq!(fault_in(old), Some(Fault::Other("no such method".into())));
        assert_eq!(fault_in("<x/>"), None);
    }
}
