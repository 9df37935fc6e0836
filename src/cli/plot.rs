//! The picture of a comparison: means over seeds against width beside the limit, and the decay of the deviation; of a
//! training, its curves.

use super::output::entry_name;
use crate::driver::compare::{AtWidth, Compared, Comparison};
use kuva::backend::svg::SvgBackend;
use kuva::plot::line::LinePlot;
use kuva::plot::scatter::ScatterPlot;
use kuva::render::figure::Figure;
use kuva::render::layout::Layout;
use kuva::render::plots::Plot;

/// Colours that differ in lightness too (Okabe and Ito).
const COLOURS: [&str; 7] =
    ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555"];
/// More entries than these are not told apart by colour.
const MOST_ENTRIES: usize = 32;
/// More outputs than these do not fit on a page.
const MOST_PANELS: usize = 5;

/// An output whose first axis has more entries than this is drawn along it: a training over its steps.
const FEW_STEPS: usize = 4;
/// More curves than these do not fit on a page.
const MOST_CURVES: usize = 8;

/// Means, limits and the decay of the deviation as SVG. Where an output runs over steps, its curves.
pub(super) fn comparison(comparison: &Comparison, file: &str) -> String {
    let runs = |output: &&Compared| {
        output.shape.first().is_some_and(|steps| *steps > FEW_STEPS) && !output.widths.is_empty()
    };
    match comparison.outputs.iter().find(runs) {
        Some(output) => curves(output),
        None => means(comparison, file),
    }
}

/// One row for each entry of an output over its steps, one column for each width: the mean over seeds in a band of one
/// standard deviation, the limit in black.
fn curves(output: &Compared) -> String {
    let steps = output.shape[0];
    let entries = output.limit.len() / steps;
    let (mut panels, mut layouts) = (Vec::new(), Vec::new());
    for entry in 0..entries.min(MOST_CURVES) {
        let at = |values: &[f64]| -> Vec<f64> {
            (0..steps).map(|step| values[step * entries + entry]).collect()
        };
        let edge = |width: &AtWidth, sign: f64| -> Vec<f64> {
            let spread = at(&width.std).into_iter().zip(at(&width.mean));
            spread.map(|(std, mean)| mean + sign * std).collect()
        };
        let edges = output.widths.iter().flat_map(|width| [edge(width, -1.0), edge(width, 1.0)]);
        let (low, high) = range(edges.flatten().chain(at(&output.limit)));
        for width in &output.widths {
            let seeds = LinePlot::new()
                .with_data(over_steps(at(&width.mean)))
                .with_band(edge(width, -1.0), edge(width, 1.0))
                .with_color(COLOURS[entry % COLOURS.len()]);
            let limit =
                LinePlot::new().with_data(over_steps(at(&output.limit))).with_color("black");
            let plots: Vec<Plot> = vec![seeds.into(), limit.into()];
            let place = entry_name(&output.name, &output.shape[1..], entry).replace('[', "[t, ");
            // all widths on one scale
            let layout = Layout::auto_from_plots(&plots)
                .with_title(format!("n = {}", width.width))
                .with_x_label("step")
                .with_y_label(place)
                .with_y_axis_min(low)
                .with_y_axis_max(high);
            layouts.push(layout);
            panels.push(plots);
        }
    }
    let scene = Figure::new(entries.min(MOST_CURVES), output.widths.len())
        .with_plots(panels)
        .with_layouts(layouts)
        .with_title("mean ± deviation over seeds; limit in black")
        .with_cell_size(300.0, 220.0)
        .render();
    SvgBackend::new().render_scene(&scene)
}

fn over_steps(values: Vec<f64>) -> Vec<(f64, f64)> {
    values.into_iter().enumerate().map(|(step, value)| (step as f64, value)).collect()
}

/// The smallest and the largest number, to one digit of their distance.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values {
        (low, high) = (low.min(value), high.max(value));
    }
    let unit = libm::pow(10.0, libm::log10((high - low).max(f64::MIN_POSITIVE)).floor());
    ((low / unit).floor() * unit, (high / unit).ceil() * unit)
}

/// Means with error bars beside the limit, and the decay of the deviation.
fn means(comparison: &Comparison, file: &str) -> String {
    let mut panels = Vec::new();
    let mut layouts = Vec::new();
    for output in comparison.outputs.iter().filter(|o| !o.widths.is_empty()).take(MOST_PANELS) {
        let plots = values(output);
        let title = if output.limit.len() > 1 {
            format!("{} ({} entries)", output.name, output.limit.len())
        } else {
            output.name.clone()
        };
        let layout = Layout::auto_from_plots(&plots)
            .with_title(title)
            .with_x_label("log₂ of the width")
            .with_y_label("mean over seeds");
        layouts.push(layout);
        panels.push(plots);
    }
    let plots = decay(comparison);
    if !plots.is_empty() {
        let title = match &comparison.power {
            Some(power) => {
                format!("deviation from the limit ~ n^({:.2} ± {:.2})", power.power, power.stderr)
            }
            None => "deviation from the limit".to_owned(),
        };
        let layout = Layout::auto_from_plots(&plots)
            .with_title(title)
            .with_x_label("log₂ of the width")
            .with_y_label("log₂ of the RMS deviation");
        layouts.push(layout);
        panels.push(plots);
    }
    let columns = panels.len().clamp(1, 3);
    let rows = panels.len().div_ceil(columns).max(1);
    let scene = Figure::new(rows, columns)
        .with_plots(panels)
        .with_layouts(layouts)
        .with_title(format!("{file}: finite width and the limit"))
        .with_cell_size(420.0, 340.0)
        .render();
    SvgBackend::new().render_scene(&scene)
}

/// One output: for each entry the means with error bars, and the limit as a dashed line.
fn values(output: &Compared) -> Vec<Plot> {
    let x: Vec<f64> = output.widths.iter().map(|at| libm::log2(at.width as f64)).collect();
    let (first, last) = (x[0] - 0.3, x[x.len() - 1] + 0.3);
    let mut plots = Vec::new();
    for (k, limit) in output.limit.iter().enumerate().take(MOST_ENTRIES) {
        let colour = COLOURS[k % COLOURS.len()];
        let error = output.errors[k];
        let line = LinePlot::new()
            .with_data(vec![(first, *limit), (last, *limit)])
            .with_band(vec![limit - error, limit - error], vec![limit + error, limit + error])
            .with_color(colour)
            .with_dashed();
        let points: Vec<(f64, f64)> =
            x.iter().zip(&output.widths).map(|(x, at)| (*x, at.mean[k])).collect();
        let errors: Vec<f64> = output.widths.iter().map(|at| at.stderr[k]).collect();
        let points = ScatterPlot::new()
            .with_data(points)
            .with_y_err(errors)
            .with_color(colour)
            .with_size(3.5);
        plots.push(line.into());
        plots.push(points.into());
    }
    plots
}

/// RMS deviation against width in logarithms, with a line of slope −1/2.
fn decay(comparison: &Comparison) -> Vec<Plot> {
    let mut plots = Vec::new();
    for (k, output) in comparison.outputs.iter().enumerate() {
        if output.widths.iter().any(|at| at.rms <= 0.0) || output.widths.is_empty() {
            continue;
        }
        let colour = COLOURS[k % COLOURS.len()];
        let points: Vec<(f64, f64)> = output
            .widths
            .iter()
            .map(|at| (libm::log2(at.width as f64), libm::log2(at.rms)))
            .collect();
        let count = points.len() as f64;
        let middle = (
            points.iter().map(|p| p.0).sum::<f64>() / count,
            points.iter().map(|p| p.1).sum::<f64>() / count,
        );
        let half = |x: f64| middle.1 - 0.5 * (x - middle.0);
        let ends = [points[0].0, points[points.len() - 1].0].map(|x| (x, half(x)));
        plots
            .push(LinePlot::new().with_data(ends.to_vec()).with_color(colour).with_dashed().into());
        let points = ScatterPlot::new()
            .with_data(points)
            .with_color(colour)
            .with_size(3.5)
            .with_legend(output.name.clone());
        plots.push(points.into());
    }
    plots
}
