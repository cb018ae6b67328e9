//! The metadata of stills: any bytes as a JPEG and as an XMP packet.
#![no_main]

use lintel_fuzz::check;
use lintel_fuzz::drone::{Still, xmp};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    match Still::read(bytes) {
        Ok(still) => check(&still.pose),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Err(error) = xmp::parse(bytes) {
        assert!(!error.to_string().is_empty());
    }
});
