//! Finds, for each picture of the later flight, the picture of the earlier flight that shows the same ground.

use super::input::{Shot, Unusable};
use crate::geo::{distance_m, overlap};

/// Share of the later picture that the earlier one must show.
const LEAST: f64 = 0.25;

/// Pairs as indices into before and after, and the pictures without a partner.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairing {
    pub pairs: Vec<(usize, usize)>,
    pub alone: Vec<Unusable>,
}

/// Pairs each later picture with the earlier one that shows most of its ground. Pictures without a
/// georeference are paired by file name, or if there is exactly one on either side.
pub fn pair(before: &[Shot], after: &[Shot]) -> Pairing {
    let mut out = Pairing::default();
    let footprints = |shots: &[Shot]| -> Vec<Option<Vec<[f64; 2]>>> {
        shots.iter().map(|s| s.georeference.footprint(s.size)).collect()
    };
    let (from, to) = (footprints(before), footprints(after));
    for (i, (shot, own)) in after.iter().zip(&to).enumerate() {
        let alone = |why: String| Unusable { name: shot.name.clone(), why };
        if let Some(own) = own {
            let shares = from.iter().enumerate().filter_map(|(b, f)| Some((b, overlap(own, f.as_ref()?))));
            let best = shares.max_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((b, _)) = best.filter(|(_, share)| *share >= LEAST) {
                out.pairs.push((b, i));
                continue;
            }
            if best.is_some() {
                out.alone.push(alone(apart(own, &from)));
                continue;
            }
        }
        let named = before.iter().position(|b| b.name == shot.name);
        match named.or((before.len() == 1 && after.len() == 1).then_some(0)) {
            Some(b) => out.pairs.push((b, i)),
            None => {
                let why =
                    shot.unplaced.clone().unwrap_or_else(|| "no earlier picture has a place".to_owned());
                out.alone.push(alone(format!(
                    "no earlier picture has its name, and none can be found by place: {why}"
                )));
            }
        }
    }
    out
}

fn apart(own: &[[f64; 2]], others: &[Option<Vec<[f64; 2]>>]) -> String {
    let middle = |outline: &[[f64; 2]]| {
        let n = outline.len().max(1) as f64;
        [0, 1].map(|axis| outline.iter().map(|p| p[axis]).sum::<f64>() / n)
    };
    let nearest =
        others.iter().flatten().map(|o| distance_m(middle(o), middle(own))).fold(f64::MAX, f64::min);
    format!(
        "no earlier picture shows its ground: by their positions the nearest one is of a place {nearest:.0} m away. Is it the \
         right flight, and its telemetry?"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Georeference;
    use crate::geo::GridCrs;

    fn shot(name: &str, lon: Option<f64>) -> Shot {
        let place =
            |lon| Georeference::Map { origin: [lon, 30.0], step: [1e-6, -1e-6], crs: GridCrs::Geographic };
        Shot {
            name: name.to_owned(),
            path: name.into(),
            size: [1000, 1000],
            georeference: lon.map_or(Georeference::Nowhere, place),
            unplaced: lon.is_none().then(|| "no XMP".to_owned()),
            patches: Vec::new(),
        }
    }

    #[test]
    fn by_place_then_by_name_and_never_by_guess() {
        let before = [shot("a", Some(120.0)), shot("b", Some(120.0008)), shot("c", None)];
        let after = [shot("x", Some(120.0006)), shot("y", Some(121.0)), shot("c", None), shot("z", None)];
        let found = pair(&before, &after);
        assert_eq!(found.pairs, [(1, 0), (2, 2)]);
        assert_eq!(found.alone.len(), 2);
        assert!(found.alone[0].why.contains("m away"), "{:?}", found.alone);
        assert!(found.alone[1].why.contains("no XMP"), "{:?}", found.alone);
        assert_eq!(pair(&before[2..], &after[3..]).pairs, [(0, 0)], "one on either side");
    }
}
