//! Commands: any bytes give a command or a reason with help, and a command that is written is read again as it was.
#![no_main]

use lintel_fuzz::wire::{Command, Topics};
use serde_json::Value;

const NAMES: [&str; 8] =
    ["lead", "confirmed", "rejected", "rectified", "permitted", "calibration", "resend", "ignored"];

fn value(command: &Command) -> Value {
    match command {
        Command::Lead(lead) => serde_json::to_value(lead),
        Command::Feedback(_, feedback) => serde_json::to_value(feedback),
        Command::Calibration(calibration) => serde_json::to_value(calibration),
        Command::Resend(resend) => serde_json::to_value(resend),
        Command::Ignored(ignored) => serde_json::to_value(ignored),
    }
    .expect("string keys only")
}

/// Equal but for the last bit of numbers, which serde_json may read otherwise than it was written.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| is_same(value, other)))
        }
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= a.abs() * 1e-15,
            _ => false,
        },
        _ => a == b,
    }
}

/// Values that the rest of the program relies on.
fn check(command: &Command) {
    assert!(command.id().is_none_or(|id| id.len() <= 128), "{command:?}");
    match command {
        Command::Lead(lead) => {
            assert!(lead.lon.abs() <= 180.0 && lead.lat.abs() <= 90.0, "{command:?}");
            assert!(lead.height_m.is_none_or(|h| (-100.0..=1000.0).contains(&h)), "{command:?}");
        }
        Command::Feedback(_, feedback) => {
            assert!(feedback.ignore_days.is_none_or(|d| (0.0..=366.0).contains(&d)), "{command:?}");
            let texts = [&feedback.reason, &feedback.by, &feedback.permit];
            assert!(texts.into_iter().flatten().all(|t| t.len() <= 2000), "{command:?}");
        }
        Command::Calibration(_) | Command::Resend(_) | Command::Ignored(_) => {}
    }
}

libfuzzer_sys::fuzz_target!(|payload: &[u8]| {
    for name in NAMES {
        match Command::parse(name, payload) {
            Ok(command) => {
                check(&command);
                assert_eq!(payload.trim_ascii().first(), Some(&b'{'), "a command is a JSON object");
                let found = value(&command);
                let again =
                    Command::parse(name, found.to_string().as_bytes()).expect("what was written is read");
                assert!(is_same(&found, &value(&again)), "{command:?} {again:?}");
            }
            Err(error) => {
                assert!(!error.reason.is_empty() && !error.help.is_empty());
                assert!(error.reason.len() <= payload.len() + 400, "an answer is no longer than its command");
            }
        }
    }
    // The name comes from the topic, which anybody may choose.
    let text = String::from_utf8_lossy(payload);
    let topics = Topics::new("lintel", "box");
    if let Some(name) = topics.command_name(&text) {
        assert_eq!(format!("lintel/v1/box/command/{name}"), text);
        assert!(NAMES.contains(&name) || Command::parse(name, b"{}").is_err());
    }
    if topics.may_answer_on(&text) {
        assert!(!text.contains(['+', '#']) && !text.starts_with('$') && !text.is_empty());
        assert!(!text.starts_with("lintel/v1/") || text.starts_with("lintel/v1/box/reply"));
    }
});
