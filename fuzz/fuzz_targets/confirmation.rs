//! What a platform confirms to a node, and the topics by which it knows nodes: any bytes give a value that is written and
//! read again as it was, or a reason; no topic of one node is read as another's.
#![no_main]

use lintel_fuzz::wire::{Confirmation, Origin};

libfuzzer_sys::fuzz_target!(|payload: &[u8]| {
    match Confirmation::parse(payload) {
        Ok(confirmation) => {
            let written = serde_json::to_vec(&confirmation).expect("string keys only");
            assert_eq!(Confirmation::parse(&written).as_ref(), Ok(&confirmation));
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
    let text = String::from_utf8_lossy(payload);
    let topic = format!("lintel/v1/{text}");
    for topic in [text.as_ref(), topic.as_str()] {
        let Some(origin) = Origin::of("lintel", topic) else { continue };
        assert!(topic.starts_with(&format!("lintel/v1/{}/", origin.node)), "{topic:?} {origin:?}");
        assert!(origin.source().starts_with(&format!("/lintel/{}", origin.node)));
        assert!(!origin.node.contains(['/', '.']) && !origin.source().contains(".."), "{origin:?}");
    }
});
