//! Figures: curves in panels side by side, with a legend below.

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::plot::{Figure, Panel, Place};
use crate::picture::{GREY, Picture, colour};

/// Sizes in points: of a panel, of what is above and below the panels, of a line of the legend.
const PANEL: (u32, u32) = (430, 330);
const HEAD: u32 = 34;
const LEGEND_LINE: u32 = 24;

impl Picture for Figure {
    fn size(&self) -> (u32, u32) {
        let width = PANEL.0 * self.panels.len().max(1) as u32;
        (width, HEAD + PANEL.1 + LEGEND_LINE * (legend_rows(self, width).len() as u32 + 1) + 6)
    }

    fn draw<B: DrawingBackend>(&self, root: &DrawingArea<B, Shift>, scale: f64) -> Result<()> {
        draw(root, self, scale)
    }
}

/// The legend broken into lines, each entry with its number and its place from the left.
fn legend_rows(figure: &Figure, width: u32) -> Vec<Vec<(usize, u32)>> {
    let mut rows: Vec<Vec<(usize, u32)>> = Vec::new();
    let mut left = u32::MAX;
    for (index, label) in figure.legend.iter().enumerate() {
        // Letters are narrower than 7.5 points on average; the sample of the line takes 36, the gap 22.
        let needed = 58 + (label.chars().count() as f64 * 7.5) as u32;
        if left.saturating_add(needed) > width {
            rows.push(Vec::new());
            left = 24;
        }
        if let Some(row) = rows.last_mut() {
            row.push((index, left));
        }
        left = left.saturating_add(needed);
    }
    rows
}

/// Draws everything with `scale` pixels per point.
fn draw<B: DrawingBackend>(root: &DrawingArea<B, Shift>, figure: &Figure, scale: f64) -> Result<()> {
    let failed = |error: DrawingAreaErrorKind<B::ErrorType>| anyhow!("could not draw: {error}");
    let px = |points: f64| (points * scale) as i32;
    root.fill(&WHITE).map_err(failed)?;
    let text = |size: f64, colour: RGBColor| ("sans-serif", size * scale).into_font().color(&colour);
    root.draw(&Text::new(figure.title.as_str(), (px(14.0), px(9.0)), text(16.0, BLACK))).map_err(failed)?;
    for (index, panel) in figure.panels.iter().enumerate() {
        let left = px(f64::from(PANEL.0) * index as f64);
        let right = px(f64::from(PANEL.0) * (index + 1) as f64);
        let (top, bottom) = (px(f64::from(HEAD)), px(f64::from(HEAD + PANEL.1)));
        let (width, height) = root.dim_in_pixel();
        let area =
            root.clone().margin(top, i32::try_from(height)? - bottom, left, i32::try_from(width)? - right);
        draw_panel(&area, panel, scale).map_err(failed)?;
    }

    let mut y = f64::from(HEAD + PANEL.1) + 10.0;
    for row in legend_rows(figure, figure.size().0) {
        for (index, left) in row {
            let (left, y) = (f64::from(left), y + 7.0);
            let style = colour(index).stroke_width(px(line_width(index)) as u32);
            root.draw(&PathElement::new(vec![(px(left), px(y)), (px(left + 28.0), px(y))], style))
                .map_err(failed)?;
            for mark in mark(index, scale) {
                let corners =
                    mark.iter().map(|(dx, dy)| (px(left + 14.0) + dx, px(y) + dy)).collect::<Vec<_>>();
                root.draw(&Polygon::new(corners, colour(index).filled())).map_err(failed)?;
            }
            let style = text(13.0, BLACK).pos(Pos::new(HPos::Left, VPos::Center));
            root.draw(&Text::new(figure.legend[index].as_str(), (px(left + 36.0), px(y)), style))
                .map_err(failed)?;
        }
        y += f64::from(LEGEND_LINE);
    }
    let style = text(12.0, GREY);
    root.draw(&Text::new(figure.caption.as_str(), (px(24.0), px(y)), style)).map_err(failed)?;
    Ok(())
}

fn draw_panel<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    panel: &Panel,
    scale: f64,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let px = |points: f64| (points * scale) as i32;
    let Panel { x: [x0, x1], y: [y0, y1], .. } = *panel;
    let mut chart = ChartBuilder::on(area)
        .margin_right(px(16.0))
        .margin_top(px(6.0))
        .margin_left(px(8.0))
        .x_label_area_size(px(40.0))
        .y_label_area_size(px(46.0))
        .build_cartesian_2d(x0..x1 * 1.02, y0..y1)?;
    let label = ("sans-serif", 12.0 * scale).into_font().color(&BLACK);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(222, 222, 222).stroke_width(px(0.8).max(1) as u32))
        .axis_style(GREY.stroke_width(px(1.0).max(1) as u32))
        .set_all_tick_mark_size(px(4.0))
        .x_labels(8)
        .y_labels(7)
        .x_label_formatter(&|x| number(*x, x1 - x0))
        .y_label_formatter(&|y| number(*y, y1 - y0))
        .label_style(label)
        .axis_desc_style(("sans-serif", 13.0 * scale).into_font().color(&BLACK))
        .x_desc(panel.x_name)
        .y_desc(panel.y_name.as_str())
        .draw()?;

    let within = |y: f64| y.clamp(y0, y1);
    for (index, line) in panel.lines.iter().enumerate() {
        let end = |which: usize| move |place: &Place| place.band.map(|band| (place.x, within(band[which])));
        let mut outline: Vec<(f64, f64)> = line.iter().filter_map(end(0)).collect();
        outline.extend(line.iter().rev().filter_map(end(1)));
        if outline.len() > 2 {
            chart.draw_series([Polygon::new(outline, colour(index).mix(0.13).filled())])?;
        }
    }
    // The first arm, the baseline, last, so that it is never hidden.
    for (index, line) in panel.lines.iter().enumerate().rev() {
        let style = colour(index).stroke_width(px(line_width(index)) as u32);
        let path: Vec<(f64, f64)> = line.iter().map(|place| (place.x, within(place.mean))).collect();
        chart.draw_series([PathElement::new(path, style)])?;
        for place in line.iter().filter(|place| place.mark) {
            for mark in mark(index, scale) {
                let at = (place.x, within(place.mean));
                chart.draw_series([EmptyElement::at(at) + Polygon::new(mark, colour(index).filled())])?;
            }
        }
    }
    Ok(())
}

/// Points; the first arm, the baseline, is bolder.
fn line_width(index: usize) -> f64 {
    if index == 0 { 2.5 } else { 1.8 }
}

/// Corners of the mark of an arm around its place, pixels: shapes tell apart what colours do not. A cross is two of them.
fn mark(index: usize, scale: f64) -> Vec<Vec<(i32, i32)>> {
    let regular = |n: u32, first: f64| {
        let angle = move |i: u32| std::f64::consts::TAU * (f64::from(i) / f64::from(n) + first);
        (0..n).map(|i| (angle(i).sin(), -angle(i).cos())).collect::<Vec<_>>()
    };
    let bar = |x: f64, y: f64| vec![(-x, -y), (x, -y), (x, y), (-x, y)];
    let shapes = match index % 6 {
        0 => vec![regular(24, 0.0)],
        1 => vec![bar(0.9, 0.9)],
        2 => vec![regular(3, 0.0)],
        3 => vec![regular(4, 0.0)],
        4 => vec![bar(1.1, 0.35), bar(0.35, 1.1)],
        _ => vec![regular(3, 0.5)],
    };
    let size = 4.4 * scale;
    let pixels = |(x, y): (f64, f64)| ((x * size).round() as i32, (y * size).round() as i32);
    shapes.into_iter().map(|shape| shape.into_iter().map(pixels).collect()).collect()
}

/// A number on an axis that is `extent` long.
fn number(value: f64, extent: f64) -> String {
    let decimals = if extent >= 8.0 {
        0
    } else if extent >= 0.8 {
        1
    } else {
        2
    };
    format!("{value:.decimals$}")
}
