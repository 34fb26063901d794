//! Line plots as SVG, no more than the documentation needs.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 44.0;
/// Places along the x axis; the extremes of each are drawn.
const COLUMNS: usize = 340;
/// Blue, orange, green, purple: told apart by those who see no red or green, too.
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

/// A plot of some lines over one x axis.
#[derive(Clone, Debug)]
pub struct Plot {
    /// What it shows.
    pub title: &'static str,
    /// What the x axis is.
    pub x_name: &'static str,
    /// What the y axis is.
    pub y_name: &'static str,
    /// Ends of the x axis.
    pub x: (f64, f64),
    /// Ends of the y axis; what lies outside is drawn at them.
    pub y: (f64, f64),
    /// Name and points of each line.
    pub lines: Vec<(String, Vec<(f64, f64)>)>,
}

impl Plot {
    /// The picture.
    #[must_use]
    pub fn svg(&self) -> String {
        let mut svg = String::new();
        let _ = writeln!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"11\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
             <text x=\"{LEFT}\" y=\"18\" font-size=\"13\">{}</text>",
            escape(self.title)
        );
        self.axes(&mut svg);
        for (number, (name, points)) in self.lines.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let path: Vec<String> = self
                .thin(points)
                .iter()
                .map(|&(x, y)| format!("{:.1},{:.1}", self.across(x), self.down(y)))
                .collect();
            let _ = writeln!(
                svg,
                "<polyline fill=\"none\" stroke=\"{colour}\" points=\"{}\"/>\n\
                 <text x=\"{:.0}\" y=\"{:.0}\" fill=\"{colour}\" text-anchor=\"end\">{}</text>",
                path.join(" "),
                WIDTH - RIGHT - 6.0,
                TOP + 14.0 * (number + 1) as f64,
                escape(name)
            );
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn axes(&self, svg: &mut String) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for y in ticks(self.y) {
            let at = self.down(y);
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#ddd\"/>\
                 <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{y}</text>",
                LEFT - 6.0,
                at + 4.0
            );
        }
        for x in ticks(self.x) {
            let at = self.across(x);
            let _ = writeln!(
                svg,
                "<path d=\"M{at:.1} {TOP}V{bottom}\" stroke=\"#eee\"/>\
                 <text x=\"{at:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{x}</text>",
                bottom + 16.0
            );
        }
        let middle = f64::midpoint(TOP, bottom);
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>\n\
             <text transform=\"translate(16 {middle:.0}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(LEFT, right),
            HEIGHT - 10.0,
            escape(self.x_name),
            escape(self.y_name)
        );
    }

    fn across(&self, x: f64) -> f64 {
        let share = (x - self.x.0) / (self.x.1 - self.x.0);
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn down(&self, y: f64) -> f64 {
        let share = (y - self.y.0) / (self.y.1 - self.y.0);
        HEIGHT - BOTTOM - share.clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }

    /// The least and the largest value of each place: a spike of one packet stays a spike.
    fn thin(&self, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let mut columns: Vec<Option<[(f64, f64); 2]>> = vec![None; COLUMNS];
        let inside = |x: f64| (self.x.0..=self.x.1).contains(&x);
        for &(x, y) in points.iter().filter(|(x, y)| inside(*x) && !y.is_nan()) {
            let share = (x - self.x.0) / (self.x.1 - self.x.0);
            let column = (share * COLUMNS as f64) as usize;
            let Some(slot) = columns.get_mut(column.min(COLUMNS - 1)) else {
                continue;
            };
            match slot {
                None => *slot = Some([(x, y); 2]),
                Some([least, most]) => {
                    if y < least.1 {
                        *least = (x, y);
                    }
                    if y > most.1 {
                        *most = (x, y);
                    }
                }
            }
        }
        let mut thin: Vec<(f64, f64)> = columns.into_iter().flatten().flatten().collect();
        thin.sort_by(|a, b| a.0.total_cmp(&b.0));
        thin.dedup();
        thin
    }
}

/// Round numbers along an axis, about six.
fn ticks((from, to): (f64, f64)) -> Vec<f64> {
    let raw = (to - from) / 6.0;
    let power = 10_f64.powf(raw.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    let step = steps.iter().find(|s| *s * power >= raw).unwrap_or(&10.0) * power;
    let first = (from / step - 1e-9).ceil() as i64;
    let last = (to / step + 1e-9).floor() as i64;
    (first..=last)
        .map(|n| (n as f64 * step * 1e6).round() / 1e6)
        .collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: Vec<(f64, f64)>) -> Plot {
        Plot {
            title: "a < b",
            x_name: "seconds",
            y_name: "ms",
            x: (0.0, 100.0),
            y: (-1.0, 1.0),
            lines: vec![("a line".to_owned(), points)],
        }
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(
            ticks((0.0, 60.0)),
            [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
        );
        assert_eq!(ticks((-0.25, 0.3)), [-0.2, -0.1, 0.0, 0.1, 0.2, 0.3]);
    }

    #[test]
    fn a_spike_among_many_points_is_drawn() {
        let mut points: Vec<_> = (0..100_000).map(|i| (f64::from(i) / 1e3, 0.0)).collect();
        points[50_000].1 = 1.0;
        let svg = plot(points).svg();
        // The top of the picture at the middle of the axis.
        assert!(svg.contains("404.0,30.0"), "{svg}");
        assert!(svg.len() < 20_000 && svg.contains("a &lt; b"));
    }

    #[test]
    fn what_was_not_heard_leaves_a_hole() {
        let thin = plot(vec![]).thin(&[(1.0, f64::NAN), (2.0, 0.5), (200.0, 1.0)]);
        assert_eq!(thin, [(2.0, 0.5)]);
    }
}
