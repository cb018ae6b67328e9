//! A page to look through the pairs with, and a picture of each: everything in one folder, nothing from the
//! network.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{Rgb, RgbImage, imageops};

use super::comparison::{ChangedArea, Comparison};
use super::geojson::PairFile;
use super::input::Unusable;
use super::kind::Kind;

const QUALITY: i32 = 85;

/// Writes `report.html` and for each pair `N-side-by-side.png` into `dir`.
///
/// # Errors
/// A file cannot be written.
pub fn write_report(dir: &Path, pairs: &[PairFile], alone: &[Unusable]) -> std::io::Result<PathBuf> {
    let mut body = String::new();
    for (i, pair) in pairs.iter().enumerate() {
        let c = &pair.comparison;
        let marked = marked(&c.after, c);
        let (w, h) = (c.after.width(), c.after.height());
        let mut both = RgbImage::from_pixel(2 * w + 8, h, Rgb([255; 3]));
        imageops::replace(&mut both, &c.before, 0, 0);
        imageops::replace(&mut both, &marked, i64::from(w) + 8, 0);
        both.save(dir.join(format!("{}-side-by-side.png", i + 1))).map_err(std::io::Error::other)?;
        section(&mut body, i + 1, pair).map_err(std::io::Error::other)?;
    }
    if !alone.is_empty() {
        body.push_str("<section><h2>Not compared</h2><ul>");
        for item in alone {
            let _ = write!(body, "<li><b>{}</b>: {}</li>", text(&item.name), text(&item.why));
        }
        body.push_str("</ul></section>");
    }
    let found: usize = pairs.iter().map(|p| p.comparison.changes.len()).sum();
    let counted = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let (compared, changes) = (counted(pairs.len(), "pair"), counted(found, "change"));
    let page = PAGE
        .replace("{SUMMARY}", &format!("{compared}, {changes}, {} not compared", alone.len()))
        .replace("{BODY}", &body);
    let path = dir.join("report.html");
    fs::write(&path, page)?;
    Ok(path)
}

fn section(
    out: &mut String,
    number: usize,
    pair: &PairFile,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let c = &pair.comparison;
    let (w, h) = (c.after.width(), c.after.height());
    write!(
        out,
        "<section><h2>{number}. {} → {}</h2><div class=swipe style=\"aspect-ratio:{w}/{h};max-width:{w}px\">\
         <img alt=after src=\"{}\"><img alt=before class=top src=\"{}\"><svg viewBox=\"0 0 {w} {h}\">",
        text(&pair.before),
        text(&pair.after),
        inline(&c.after)?,
        inline(&c.before)?
    )?;
    for (i, found) in c.changes.iter().enumerate() {
        let corners = corners(found, c.scale);
        let points: Vec<String> = corners.iter().map(|p| format!("{:.1},{:.1}", p[0], p[1])).collect();
        write!(
            out,
            "<polygon class={} points=\"{}\"><title>{}: {}</title></polygon>",
            class(found.kind),
            points.join(" "),
            i + 1,
            words(found)
        )?;
        if let Some([x, y]) = corners.first() {
            write!(out, "<text x=\"{x:.0}\" y=\"{:.0}\">{}</text>", y - 4.0, i + 1)?;
        }
    }
    out.push_str(
        "</svg><div class=bar></div></div><label>before <input type=range min=0 max=100 value=50 step=0.2> after</label>",
    );
    let scale = c.metres_per_pixel.map_or_else(|| "no scale".to_owned(), |m| format!("{m:.2} m a pixel"));
    write!(
        out,
        "<p>{}; {scale}; {} vehicles and shadows left \
         out.</p>",
        c.agreement(),
        c.left_out
    )?;
    for note in &c.notes {
        write!(out, "<p class=note>{}</p>", text(note))?;
    }
    out.push_str("<table><tr><th>#</th><th>kind</th><th>m²</th><th>share</th><th>confidence</th></tr>");
    for (i, found) in c.changes.iter().enumerate() {
        let area = found.area_m2.map_or_else(|| "?".to_owned(), |a| format!("{a:.0}"));
        write!(
            out,
            "<tr><td>{}</td><td><i class={}></i>{}</td><td>{area}</td><td>{:.2} %</td><td>{:.2}</td></tr>",
            i + 1,
            class(found.kind),
            name(found.kind),
            found.share * 100.0,
            found.confidence
        )?;
    }
    out.push_str("</table></section>");
    Ok(())
}

fn words(found: &ChangedArea) -> String {
    let area = found.area_m2.map_or_else(String::new, |a| format!(", {a:.0} m²"));
    format!("{}{area}, confidence {:.2}", name(found.kind), found.confidence)
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::BuiltUp => "built up",
        Kind::Cleared => "cleared or excavated",
        Kind::Stockpile => "stockpile",
        Kind::Removed => "removed",
        Kind::Vehicle => "vehicle",
        Kind::Shadow => "shadow",
    }
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::BuiltUp => "built",
        Kind::Cleared => "cleared",
        Kind::Removed => "removed",
        _ => "pile",
    }
}

fn colour(kind: Kind) -> Rgb<u8> {
    match kind {
        Kind::BuiltUp => Rgb([255, 59, 48]),
        Kind::Cleared => Rgb([255, 204, 0]),
        Kind::Removed => Rgb([52, 199, 89]),
        _ => Rgb([0, 199, 255]),
    }
}

fn corners(found: &ChangedArea, scale: f64) -> Vec<[f64; 2]> {
    found.outline_px.iter().map(|p| p.map(|v| v * scale)).collect()
}

/// The later picture with the outlines drawn in.
fn marked(picture: &RgbImage, c: &Comparison) -> RgbImage {
    let mut out = picture.clone();
    for found in &c.changes {
        let corners = corners(found, c.scale);
        for (i, a) in corners.iter().enumerate() {
            let b = corners[(i + 1) % corners.len()];
            let steps = (b[0] - a[0]).abs().max((b[1] - a[1]).abs()).ceil().max(1.0);
            for step in 0..=steps as u32 {
                let t = f64::from(step) / steps;
                let (x, y) = (a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]));
                for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    let (x, y) = (x.max(0.0) as u32 + dx, y.max(0.0) as u32 + dy);
                    if x < out.width() && y < out.height() {
                        out.put_pixel(x, y, colour(found.kind));
                    }
                }
            }
        }
    }
    out
}

fn inline(picture: &RgbImage) -> Result<String, turbojpeg::Error> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let image = turbojpeg::Image {
        pixels: &picture.as_raw()[..],
        width,
        pitch: width * 3,
        height,
        format: turbojpeg::PixelFormat::RGB,
    };
    let jpeg = turbojpeg::compress(image, QUALITY, turbojpeg::Subsamp::Sub2x2)?;
    Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(&*jpeg)))
}

fn text(raw: &str) -> String {
    raw.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const PAGE: &str = include_str!("report.html");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_text_and_no_markup() {
        assert_eq!(text("<b>&\"x\".jpg"), "&lt;b&gt;&amp;&quot;x&quot;.jpg");
        assert!(PAGE.contains("{SUMMARY}") && PAGE.contains("{BODY}"));
        assert!(!PAGE.contains("http"), "nothing is fetched");
    }
}
