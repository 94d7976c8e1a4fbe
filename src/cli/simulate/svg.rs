//! The frontier as a picture: mean cut against the share of accounts made more than 5 % dearer.

use std::fmt::Write as _;

use super::report::Study;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 480.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 56.0;

/// An axis in whole steps of percent that covers all values and zero.
struct Axis {
    least: f64,
    most: f64,
    step: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values.fold((0.0_f64, 1.0_f64), |(a, b), v| (a.min(v), b.max(v)));
        let rough = (high - low) / 6.0;
        let step = [1.0, 2.0, 5.0, 10.0, 20.0].into_iter().find(|s| *s >= rough).unwrap_or(50.0);
        Self { least: (low / step).floor() * step, most: (high / step).ceil() * step, step }
    }
    /// Where a value lies, 0 to 1.
    fn at(&self, value: f64) -> f64 {
        (value - self.least) / (self.most - self.least)
    }
    fn ticks(&self) -> impl Iterator<Item = f64> {
        let (least, step, most) = (self.least, self.step, self.most);
        std::iter::successors(Some(least), move |tick| Some(tick + step))
            .take_while(move |tick| *tick <= most + 1e-9)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The picture.
pub(super) fn frontier(study: &Study) -> String {
    let across = Axis::over(study.mean.iter().map(|m| m.worse5));
    let up = Axis::over(study.mean.iter().map(|m| m.cut));
    let x = |value: f64| LEFT + across.at(value) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - up.at(value) * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<title>Mean cut against harm, {} accounts \
         per world</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        study.accounts
    );
    // Writing to a String cannot fail.
    let mut add = |line: String| {
        let _ = writeln!(svg, "{line}");
    };
    let (right, base) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for tick in up.ticks() {
        let at = y(tick);
        add(format!("<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#ddd\"/>"));
        let (left, text) = (LEFT - 8.0, at + 4.0);
        add(format!("<text x=\"{left}\" y=\"{text:.1}\" text-anchor=\"end\">{tick:.0}</text>"));
    }
    for tick in across.ticks() {
        let at = x(tick);
        add(format!("<path d=\"M{at:.1} {TOP}V{base}\" stroke=\"#eee\"/>"));
        let text = base + 18.0;
        add(format!("<text x=\"{at:.1}\" y=\"{text}\" text-anchor=\"middle\">{tick:.0}</text>"));
    }
    add(format!("<path d=\"M{LEFT} {:.1}H{right}\" stroke=\"#888\"/>", y(0.0)));
    add(format!("<text x=\"{LEFT}\" y=\"24\">mean cut of cost per purchase, %</text>"));
    add(format!(
        "<text x=\"{right}\" y=\"{}\" text-anchor=\"end\">accounts made more than 5 % dearer, %</text>",
        HEIGHT - 14.0
    ));
    for mean in &study.mean {
        let own = mean.policy.starts_with("rungwise");
        let (fill, weight) = if own { ("#0a58ca", "bold") } else { ("#666", "normal") };
        let (cx, cy) = (x(mean.worse5), y(mean.cut));
        let (tx, ty) = (cx + 8.0, cy + 4.0);
        add(format!("<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"5\" fill=\"{fill}\"/>"));
        add(format!(
            "<text x=\"{tx:.1}\" y=\"{ty:.1}\" fill=\"{fill}\" font-weight=\"{weight}\">{}</text>",
            escaped(&mean.policy)
        ));
    }
    add("</svg>".to_owned());
    svg
}
