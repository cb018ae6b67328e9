//! The XMP of stills: any bytes as a JPEG and as a packet.
#![no_main]

use lintel_fuzz::check;
use lintel_fuzz::drone::xmp::{parse, still};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for result in [still(bytes), parse(bytes)] {
        match result {
            Ok(still) => check(&still.pose),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
