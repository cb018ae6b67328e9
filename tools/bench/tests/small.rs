//! A short run with the real programs. Its figures depend on the machine, so the test checks only that they
//! add up.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const BENCH: &str = env!("CARGO_BIN_EXE_lintel-bench");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The pinned ONNX Runtime: `ORT_DYLIB_PATH`, else where scripts/fetch-onnxruntime.sh puts it.
fn onnxruntime() -> PathBuf {
    let path = std::env::var_os("ORT_DYLIB_PATH")
        .map_or_else(|| root().join(".cache/onnxruntime/libonnxruntime.so"), PathBuf::from);
    assert!(path.exists(), "{} is missing: run scripts/fetch-onnxruntime.sh", path.display());
    path
}

#[test]
fn a_short_run_accounts_for_every_access_unit_and_every_stage() {
    let dir = tempfile::tempdir().expect("temp dir");
    let (json, plot) = (dir.path().join("bench.json"), dir.path().join("bench.svg"));
    for program in ["lintel", "lintel-rtsp-server"] {
        let path = Path::new(BENCH).with_file_name(program);
        assert!(path.exists(), "{} is missing: `make test` builds it first", path.display());
    }
    let output = Command::new(BENCH)
        .env("ORT_DYLIB_PATH", onnxruntime())
        .current_dir(root())
        .args(["--scaling", "1,3", "--seconds", "4", "--warm-up", "1", "--interval", "2s"])
        .args(["--footage", "testdata/clips/street.mp4", "testdata/clips/street_h265.mp4"])
        .arg("--json")
        .arg(&json)
        .arg("--plot")
        .arg(&plot)
        .arg("--work")
        .arg(dir.path())
        .output()
        .expect("lintel-bench");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value =
        serde_json::from_slice(&std::fs::read(&json).expect("the report")).expect("a JSON report");
    let runs = report["runs"].as_array().expect("runs");
    assert_eq!(runs.iter().map(|run| run["cameras"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(3)]);
    for run in runs {
        assert_eq!((&run["kept_up"], &run["units_lost"]), (&run["cameras"], &Value::from(0)), "{run:#}");
        let number = |key: &str| run[key].as_f64().unwrap_or_else(|| panic!("{key} in {run:#}"));
        // Both clips have 10 pictures a second.
        let sent = 10.0 * number("cameras") * number("seconds");
        assert!((number("units_sent") - sent).abs() <= 0.2 * sent, "{sent} expected: {run:#}");
        assert!(number("analyses_per_s") > 0.0 && number("rss_mb") > 10.0, "{run:#}");
        let stages = run["cores_by_stage"].as_object().expect("stages");
        let sum: f64 = stages.values().filter_map(Value::as_f64).sum();
        for stage in ["transport", "decode", "detect", "rules"] {
            assert!(stages[stage].as_f64() > Some(0.0), "{stage}: {run:#}");
        }
        // The total counts in hundredths of a second, the threads exactly.
        assert!((sum - number("node_cores")).abs() < 0.05, "{sum}: {run:#}");
    }
    let table = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(
        table.contains("| cameras | 1 | 3 |") && table.contains("| access units lost | 0 of "),
        "{table}"
    );
    assert!(std::fs::read_to_string(&plot).expect("the plot").contains("Processor time, cores"));
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).expect("folder").map(|e| e.expect("entry").file_name()).collect();
    assert_eq!(left.len(), 2, "the work folder is removed: {left:?}");
}
