//! Pictures as SVG and PNG.
//!
//! One drawing for both: the SVG in points, the PNG at [`ZOOM`] times the size and averaged down by [`SMOOTH`], which
//! smooths its edges. The letters of the PNG are those of a font within the program; no font of the system is asked for.

use std::sync::LazyLock;

use anyhow::{Result, anyhow, ensure};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

/// Okabe and Ito's colours, which people with any colour vision can tell apart, their yellow last, pale on white.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 0, 0),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(204, 121, 167),
    RGBColor(240, 228, 66),
];

/// Of axes and of what is said beside.
pub(crate) const GREY: RGBColor = RGBColor(90, 90, 90);

/// Pixels drawn per point of the SVG.
const ZOOM: u32 = 4;

/// Drawn pixels per pixel of the PNG, in each direction.
const SMOOTH: u32 = 2;

/// Something that can be drawn.
pub(crate) trait Picture {
    /// Points from side to side and from top to bottom.
    fn size(&self) -> (u32, u32);

    /// Draws everything with `scale` pixels per point.
    ///
    /// # Errors
    /// If it cannot be drawn.
    fn draw<B: DrawingBackend>(&self, root: &DrawingArea<B, Shift>, scale: f64) -> Result<()>;
}

/// The colour of entry `index` of a legend.
pub(crate) fn colour(index: usize) -> RGBColor {
    COLOURS[index % COLOURS.len()]
}

/// The font of the PNG; false if it cannot be read.
static FONT: LazyLock<bool> =
    LazyLock::new(|| register_font("sans-serif", FontStyle::Normal, ttf_noto_sans::REGULAR).is_ok());

/// `picture` as an SVG document.
///
/// # Errors
/// If it cannot be drawn.
pub(crate) fn svg(picture: &impl Picture) -> Result<String> {
    ensure!(*FONT, "the built-in font cannot be read");
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, picture.size()).into_drawing_area();
        picture.draw(&root, 1.0)?;
        root.present().map_err(|error| anyhow!("{error}"))?;
    }
    Ok(text)
}

/// `picture` as a PNG file.
///
/// # Errors
/// If it cannot be drawn or encoded.
pub(crate) fn png(picture: &impl Picture) -> Result<Vec<u8>> {
    ensure!(*FONT, "the built-in font cannot be read");
    let (width, height) = picture.size();
    let (width, height) = (width * ZOOM, height * ZOOM);
    let mut pixels = vec![255; width as usize * height as usize * 3];
    {
        let root = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        picture.draw(&root, f64::from(ZOOM))?;
        root.present().map_err(|error| anyhow!("{error}"))?;
    }
    let small = average(&pixels, width as usize);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width / SMOOTH, height / SMOOTH);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&small)?;
    writer.finish()?;
    Ok(file)
}

/// Means of squares of [`SMOOTH`] x [`SMOOTH`] pixels of three bytes.
fn average(pixels: &[u8], width: usize) -> Vec<u8> {
    let n = SMOOTH as usize;
    let height = pixels.len() / 3 / width;
    let mut small = Vec::with_capacity(pixels.len() / n / n);
    for y in (0..height).step_by(n) {
        for x in (0..width).step_by(n) {
            for channel in 0..3 {
                let square = (0..n * n).map(|i| ((y + i / n) * width + x + i % n) * 3 + channel);
                let sum: usize = square.map(|at| usize::from(pixels[at])).sum();
                small.push((sum / (n * n)) as u8);
            }
        }
    }
    small
}
