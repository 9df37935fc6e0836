//! Expectations of activations against values computed to 30 digits, `tests/data/gaussian_pairs.csv` (its script stands beside
//! it): closed forms to 10⁻¹² relative, quadrature to 10⁻¹⁰, and never further off than their error.

use crate::sketch::check;
use crate::tidy::root;
use std::collections::BTreeMap;
use std::fs;
use tpc::limit::{LimitOptions, Rungs, evaluate};

/// Fewer activations would leave something out.
const LEAST: usize = 28;

/// One expectation: quantity, law, value.
struct Row {
    quantity: String,
    law: [String; 5],
    value: f64,
}

fn data(name: &str) -> String {
    fs::read_to_string(root().join("tests/data").join(name)).expect("the references are there")
}

/// Rows by activation.
fn references() -> BTreeMap<String, Vec<Row>> {
    let text = data("gaussian_pairs.csv");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let mut found = BTreeMap::<String, Vec<Row>>::new();
    for record in reader.records() {
        let record = record.expect("the file is well formed");
        let field = |k: usize| record[k].to_owned();
        let row = Row {
            quantity: field(1),
            law: std::array::from_fn(|k| field(k + 2)),
            value: record[7].parse().expect("it is a number"),
        };
        found.entry(field(0)).or_default().push(row);
    }
    found
}

/// For each activation its `fn` items.
fn functions() -> BTreeMap<String, String> {
    let text = data("gaussian_pairs.tp.txt");
    let blocks = text.split("// ").skip(1).filter_map(|block| block.split_once('\n'));
    blocks.map(|(name, items)| (name.trim().to_owned(), items.to_owned())).collect()
}

/// All expectations of one activation as one program.
fn program(items: &str, rows: &[Row]) -> String {
    let mut text = format!("init x, y : vec ~ N(0, 1);\n{items}");
    for (k, Row { quantity, law: [m1, m2, s1, s2, rho], .. }) in rows.iter().enumerate() {
        let product = match quantity.as_str() {
            "ff" => "phi(u) * phi(v)",
            "gg" => "dphi(u) * dphi(v)",
            "uf" => "u * phi(v)",
            _ => "phi(u) * psi(v)",
        };
        let product = product.replace("(u)", &format!("(u{k})")).replace("(v)", &format!("(v{k})"));
        let product = product.replace("u *", &format!("u{k} *"));
        text += &format!(
            "let u{k} = {m1} + {s1} * x;\nlet v{k} = {m2} + {s2} * ({rho} * x + sqrt(1 - ({rho})^2) * y);\n\
             output avg({product}) as \"{k}\";\n"
        );
    }
    text
}

#[test]
fn expectations_agree_with_their_references() {
    let (functions, references) = (functions(), references());
    assert!(references.len() >= LEAST, "only {} activations", references.len());
    let mut problems = String::new();
    for (name, rows) in &references {
        let text = program(&functions[name], rows);
        let (checked, _) = check(&text).unwrap_or_else(|codes| panic!("{name}: {codes:?}"));
        let options = LimitOptions { rungs: Rungs::Exact, ..LimitOptions::default() };
        let limits = evaluate(&checked.facts.leading, &options);
        let limits = limits.unwrap_or_else(|error| panic!("{name}: {error}"));
        for (row, output) in rows.iter().zip(&limits.outputs) {
            let (value, error) = (output.values[0], output.errors[0]);
            let off = (value - row.value).abs();
            let allowed = if output.methods[0] == "quadrature" { 1e-10 } else { 1e-12 };
            // the reference is rounded too
            if off > allowed * row.value.abs() || off > 1.5 * error + 1e-16 * row.value.abs() {
                let law = row.law.join(", ");
                let method = output.methods[0];
                problems += &format!(
                    "{name} {}({law}): {value:e} ± {error:.1e} by {method}, not {:e}\n",
                    row.quantity, row.value
                );
            }
        }
    }
    assert!(problems.is_empty(), "\n{problems}");
}
