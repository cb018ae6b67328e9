//! Tests of config.
use std::path::Path;

#[test]
fn try_example() {
    match lintel::config::load(Path::new("config/lintel.example.toml")) {
        Ok(l) => println!("{:#?}\n{:#?}", l.config, l.warnings),
        Err(e) => panic!("{e}"),
    }
}
