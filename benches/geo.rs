//! What it costs to place one box: bottom centre and the outline's four corners, over level ground and over a
//! terrain model of 1000 x 1000 heights.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use lintel::geo::{
    Attitude, Dem, DemGrid, Geodetic, GridCrs, Ground, Lens, Locator, PoseSigma, TransverseMercator, View,
};

const SIZE: [u32; 2] = [1920, 1080];
const HOME: [f64; 2] = [120.6, 29.7];

fn view() -> View {
    let lens = Lens { k1: -0.08, ..Lens::new(1500.0, SIZE) };
    let attitude = Attitude { heading_deg: 33.0, pitch_deg: -6.0, roll_deg: 1.0 };
    let sigma = PoseSigma {
        horizontal_m: 0.2,
        vertical_m: 0.2,
        heading_deg: 0.02,
        pitch_deg: 0.02,
        roll_deg: 0.05,
        focal_px: 2.0,
    };
    View::from_pose(SIZE, lens, Geodetic::new(HOME[0], HOME[1], 190.0), attitude, sigma).expect("a pose")
}

/// Hills, 5 m from height to height.
fn hills() -> Arc<Dem> {
    let zone = TransverseMercator::utm(51, true);
    let middle = zone.forward(HOME[0], HOME[1]);
    let at = |i: usize| (i as f64 - 499.5) * 5.0;
    let height =
        |e: f64, n: f64| 110.0 + 25.0 * (e / 210.0).sin() * (n / 260.0).cos() + 5.0 * (e / 40.0).sin();
    let grid = DemGrid {
        columns: 1000,
        rows: 1000,
        heights: (0..1_000_000).map(|i| height(at(i % 1000), -at(i / 1000)) as f32).collect(),
        origin: [middle[0] + at(0), middle[1] - at(0)],
        step: [5.0, -5.0],
        crs: GridCrs::Projected(zone),
    };
    Arc::new(Dem::new(grid).expect("a grid"))
}

fn boxes(c: &mut Criterion) {
    for (name, ground) in
        [("a plane", Ground::Plane { alt: 100.0 }), ("a DEM of 1000 x 1000", Ground::Dem(hills()))]
    {
        let locator = Locator::new(view(), ground);
        // From 150 m to more than a kilometre.
        let pixels: Vec<[f64; 2]> =
            (0..64).map(|i| [30.0 * f64::from(i), 470.0 + 9.0 * f64::from(i % 60)]).collect();
        let mut i = 0;
        c.bench_function(&format!("place one box over {name}"), |b| {
            b.iter(|| {
                i = (i + 1) % pixels.len();
                let [x, y] = pixels[i];
                let (left, right, top) = ((x - 20.0).max(0.0), (x + 20.0).min(1920.0), y - 30.0);
                let fix = locator.locate([x, y], 1.0);
                let outline = locator.footprint(&[[left, top], [right, top], [right, y], [left, y]]);
                black_box((fix, outline))
            });
        });
    }
}

criterion_group!(benches, boxes);
criterion_main!(benches);
