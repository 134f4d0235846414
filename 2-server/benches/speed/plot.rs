//! A small plot as SVG: points and lines over a logarithmic axis. It draws in the page's own
//! colour, so it reads on light and on dark.

use std::fmt::Write as _;

/// A line of the plot.
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 42.0;
const COLOURS: [&str; 3] = ["#2f6fdb", "#c2571a", "#2e8b57"];

/// Draws the lines. The upright axis begins at 0, so that what is flat looks flat.
pub fn svg(title: &str, across: &str, up: &str, lines: &[Line]) -> String {
    let all = || lines.iter().flat_map(|line| &line.points);
    let least = all()
        .map(|point| point.0)
        .fold(f64::INFINITY, f64::min)
        .max(1.0);
    let most = all().map(|point| point.0).fold(least * 10.0, f64::max);
    let top = all().map(|point| point.1).fold(0.0, f64::max) * 1.15;
    let x = |value: f64| {
        LEFT + (value.max(least) / least).ln() / (most / least).ln() * (WIDTH - LEFT - RIGHT)
    };
    let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);

    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12" fill="currentColor"><title>{title}</title><text x="{LEFT}" y="18" font-size="14">{title}</text>"#
    );
    // Writing to a String can't fail, here and below.
    for step in 0..=4 {
        let value = top * f64::from(step) / 4.0;
        let _ = write!(
            svg,
            r#"<line x1="{LEFT}" x2="{}" y1="{y:.1}" y2="{y:.1}" stroke="currentColor" stroke-opacity="0.2"/><text x="{}" y="{:.1}" text-anchor="end">{}</text>"#,
            WIDTH - RIGHT,
            LEFT - 6.0,
            y(value) + 4.0,
            short(value),
            y = y(value),
        );
    }
    let mut ticks: Vec<f64> = all().map(|point| point.0.max(least)).collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup_by(|next, last| x(*next) - x(*last) < 44.0);
    for value in ticks {
        let _ = write!(
            svg,
            r#"<text x="{:.1}" y="{}" text-anchor="middle">{}</text>"#,
            x(value),
            HEIGHT - BOTTOM + 18.0,
            short(value)
        );
    }
    let _ = write!(
        svg,
        r#"<text x="{}" y="{}" text-anchor="middle">{across}</text><text transform="translate(14 {}) rotate(-90)" text-anchor="middle">{up}</text>"#,
        WIDTH / 2.0,
        HEIGHT - 6.0,
        HEIGHT / 2.0,
    );
    for (index, line) in lines.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let path: Vec<String> = line
            .points
            .iter()
            .map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1)))
            .collect();
        let _ = write!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
            path.join(" ")
        );
        for point in &path {
            let (cx, cy) = point.split_once(',').unwrap_or_default();
            let _ = write!(
                svg,
                r#"<circle cx="{cx}" cy="{cy}" r="3" fill="{colour}"/>"#
            );
        }
        let _ = write!(
            svg,
            r#"<text x="{}" y="{}" text-anchor="end" fill="{colour}">{}</text>"#,
            WIDTH - RIGHT,
            18.0 + 15.0 * index as f64,
            line.name
        );
    }
    svg + "</svg>\n"
}

fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => {
            format!("{:.3}", v / 1e6)
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_owned()
                + " M"
        }
        v if v >= 1e3 => format!("{:.1}", v / 1e3).trim_end_matches(".0").to_owned() + " k",
        v if v >= 10.0 || v == 0.0 => format!("{v:.0}"),
        v => format!("{v:.1}"),
    }
}
