//! Tables and numbers for people.

use crate::num::stats::{PROBABILITIES, Summary};
use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

/// Lines above, under the header, and below.
const STYLE: TableStyle = TableStyle::new()
    .top_border(LineStyle::none().fill('─').junction('─'))
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .bottom_border(LineStyle::none().fill('─').junction('─'));

/// A table with a header; all columns but the first are aligned to the right.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row.clone());
    }
    for position in 1..header.len() {
        if let Some(column) = table.column_mut(position) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<String> =
        table.to_string().lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// A number with its error: as many digits as the error justifies, two of them uncertain.
pub(super) fn with_error(value: f64, error: f64) -> String {
    if error <= 0.0 || !error.is_finite() {
        return exact(value);
    }
    let uncertain = 1 - libm::floor(libm::log10(error)) as i32;
    if (0..=12).contains(&uncertain) {
        let digits = usize::try_from(uncertain).unwrap_or(0);
        return format!("{value:.digits$} ± {error:.digits$}");
    }
    if value.abs() <= error {
        return format!("0 ± {error:.1e}");
    }
    format!("{} ± {error:.1e}", exact(value))
}

/// A number to ten significant digits.
pub(super) fn exact(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = libm::floor(libm::log10(value.abs())) as i32;
    if (-4..10).contains(&magnitude) {
        let digits = usize::try_from(9 - magnitude).unwrap_or(0).min(12);
        let text = format!("{value:.digits$}");
        if !text.contains('.') {
            return text;
        }
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    format!("{value:.6e}")
}

/// A ket in one line, with the errors of its numbers where they are known.
pub(super) fn ket(summary: &Summary, errors: Option<&[f64; Summary::NUMBERS]>) -> String {
    let numbers = summary.numbers();
    let number = |k: usize| match errors {
        Some(errors) if errors[k] > 0.0 => with_error(numbers[k], errors[k]),
        _ if k < 2 => format!("{:.4}", numbers[k]),
        _ => format!("{:.3}", numbers[k]),
    };
    let quantiles: Vec<String> = PROBABILITIES
        .iter()
        .enumerate()
        .map(|(k, probability)| format!("{:.0}% {}", 100.0 * probability, number(2 + k)))
        .collect();
    format!("mean {}  std {}  quantiles {}", number(0), number(1), quantiles.join(", "))
}
