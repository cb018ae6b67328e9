//! The cost of the most expensive inspection at 1080p: reducing the picture, finding shake, comparing with
//! the banks of both lights around the hour, voting, following regions, learning.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use lintel::base::WallTime;
use lintel::change::{ChangeInput, ChangeWatcher, Settings, Workbench};

const SIZE: (u32, u32) = (1920, 1080);
/// Between two inspections, so that each one is learnt.
const MINUTES: u64 = 10;
/// Hours of two neighbouring banks.
const FORENOON: f32 = 10.0;
const NOON: f32 = 12.0;

/// Blocks of some colour with a grain, and a shed where `built`.
fn picture(seed: u32, built: bool) -> Vec<u8> {
    let hash = |v: u32| {
        let v = (v ^ (v >> 16)).wrapping_mul(0x7feb_352d);
        v ^ (v >> 15)
    };
    let mut rgb = Vec::with_capacity((SIZE.0 * SIZE.1 * 3) as usize);
    for y in 0..SIZE.1 {
        for x in 0..SIZE.0 {
            let shed = built && (700..960).contains(&x) && (400..560).contains(&y);
            let block = if shed { 40 + x % 40 } else { 40 + hash(x / 61 * 977 + y / 43) % 120 };
            let grain = hash(x ^ (y << 11) ^ (seed << 22)) % 8;
            rgb.extend([block + grain, block + 20, block / 2 + grain].map(|v| v as u8));
        }
    }
    rgb
}

fn inspect(c: &mut Criterion) {
    let settings = Settings { learn: Duration::from_secs(3600), min_share: 0.0005 };
    let mut watcher = ChangeWatcher::new(settings);
    let mut bench = Workbench::default();
    let pictures = [picture(1, false), picture(2, false), picture(3, true), picture(4, true)];
    let mut inspections = 0u64;
    let mut once = |rgb: &[u8], hour: f32| {
        inspections += 1;
        let at = WallTime(0) + Duration::from_secs(inspections * MINUTES * 60);
        let (width, height) = SIZE;
        watcher.inspect(&mut bench, &ChangeInput { rgb, width, height, at, hour, moving: &[] })
    };
    for i in 0..32 {
        once(&pictures[i % 2], if i < 16 { FORENOON } else { NOON });
    }
    for i in 0..4 {
        once(&pictures[2 + i % 2], NOON);
    }
    let mut i = 0;
    c.bench_function("inspect_1080p", |b| {
        b.iter(|| {
            i += 1;
            black_box(once(&pictures[2 + i % 2], NOON))
        });
    });
}

criterion_group!(benches, inspect);
criterion_main!(benches);
