//! The JSON of every command as `docs/language` and the command line promise it: keys, types, lengths.

use super::Folder;
use serde_json::Value;
use std::io::Cursor;

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn object<'a>(value: &'a Value, keys: &[&str]) -> &'a Value {
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    for key in keys {
        assert!(object.contains_key(*key), "`{key}` is missing in {value:#}");
    }
    value
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

/// As many finite numbers as the shape has entries.
fn numbers(value: &Value, shape: &Value) {
    let entries: u64 = list(shape).iter().map(|size| size.as_u64().expect("a size")).product();
    assert_eq!(list(value).len() as u64, entries, "{value} has shape {shape}");
    assert!(list(value).iter().all(|x| x.as_f64().is_some_and(f64::is_finite)), "{value}");
}

fn provenance(value: &Value, command: &str) {
    let found = object(&value["provenance"], &["tpc", "source_sha256", "command_line", "rng"]);
    assert!(found["command_line"].as_str().is_some_and(|line| line.starts_with(command)));
    assert_eq!(found["source_sha256"].as_str().map(str::len), Some(64));
}

/// A ket whose numbers have errors under this name; for one seed there are none.
fn ket(value: &Value, errors: &str, known: bool) {
    object(value, &["mean", "std", "quantiles", "histogram", errors]);
    object(&value["histogram"], &["low", "high", "counts"]);
    if !known {
        assert!(value[errors].is_null());
        return;
    }
    let positive = |x: &Value| x.as_f64().is_some_and(|x| x > 0.0 && x < 1.0);
    let errors = object(&value[errors], &["mean", "std", "quantiles"]);
    assert!(positive(&errors["mean"]) && positive(&errors["std"]), "{errors}");
    let quantiles = list(&errors["quantiles"]);
    assert!(quantiles.len() == 5 && quantiles.iter().all(positive), "{errors}");
}

#[test]
fn json_of_check() {
    let folder = Folder::new();
    let fine = parse(&folder.expect(0, "check m.tp --format json"));
    object(&fine, &["command", "file", "diagnostics", "values", "hypotheses", "trained"]);
    assert_eq!((fine["command"].as_str(), fine["file"].as_str()), (Some("check"), Some("m.tp")));
    let values = list(&fine["values"]);
    let named = |name: &str| {
        let found = values.iter().find(|value| value["name"] == name);
        object(found.expect("it is listed"), &["name", "kind", "shape", "scale", "bound"])
    };
    assert_eq!((&named("h")["kind"], &named("h")["scale"]), (&"vec".into(), &"0".into()));
    assert_eq!((&named("W")["scale"], &named("W")["action"]), (&"-1/2".into(), &"0".into()));
    assert_eq!(named("g")["shape"], parse("[2]"));
    let wrong = parse(&folder.expect(1, "check wrong.tp --format json"));
    let keys = [
        "code",
        "severity",
        "message",
        "file",
        "line",
        "column",
        "end_line",
        "end_column",
        "labels",
        "notes",
    ];
    let first = object(&wrong["diagnostics"][0], &keys);
    assert_eq!(
        (first["code"].as_str(), first["severity"].as_str()),
        (Some("E0501"), Some("error"))
    );
    assert_eq!((first["line"].as_u64(), first["column"].as_u64()), (Some(2), Some(8)));
    for label in list(&first["labels"]) {
        object(label, &["line", "column", "end_line", "end_column", "message"]);
    }
    let sarif = parse(&folder.expect(1, "check wrong.tp --format sarif"));
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "E0501");
    let github = folder.expect(1, "check wrong.tp --format github");
    assert!(github.starts_with("::error file=wrong.tp,line=2,"), "{github}");
    let short = folder.expect(1, "check wrong.tp --format short");
    assert!(short.starts_with("wrong.tp:2:8: error[E0501]"), "{short}");
}

#[test]
fn json_of_run() {
    let folder = Folder::new();
    let run = parse(&folder.expect(0, "run m.tp --width 16,32 --seeds 3 --seed 5 --format json"));
    object(&run, &["command", "file", "precision", "runs"]);
    assert_eq!((run["command"].as_str(), run["precision"].as_str()), (Some("run"), Some("f32")));
    provenance(&run, "run m.tp");
    assert_eq!(list(&run["runs"]).len(), 2);
    for (at, width) in list(&run["runs"]).iter().zip([16, 32]) {
        object(at, &["width", "seeds", "outputs"]);
        assert_eq!((&at["width"], &at["seeds"]), (&width.into(), &parse("[5, 6, 7]")));
        for output in list(&at["outputs"]) {
            object(output, &["name", "shape", "mean", "stderr", "values"]);
            numbers(&output["mean"], &output["shape"]);
            numbers(&output["stderr"], &output["shape"]);
            assert_eq!(list(&output["values"]).len(), 3);
            list(&output["values"]).iter().for_each(|seed| numbers(seed, &output["shape"]));
        }
    }
    let kets = parse(&folder.expect(0, "run ket.tp --width 16 --precision f64 --format json"));
    assert_eq!(kets["precision"], "f64");
    list(&kets["runs"][0]["outputs"][0]["ket"]).iter().for_each(|x| ket(x, "stderr", false));
    let kets = parse(&folder.expect(0, "run ket.tp --width 64 --seeds 4 --format json"));
    list(&kets["runs"][0]["outputs"][0]["ket"]).iter().for_each(|x| ket(x, "stderr", true));
    let said = folder.expect(0, "run ket.tp --width 64 --seeds 4");
    assert_eq!(said.matches(" ± ").count(), 2 * 7 + 2, "with the scalar and the header: {said}");
}

#[test]
fn json_of_limit() {
    let folder = Folder::new();
    let limit = parse(&folder.expect(0, "limit m.tp --particles 64 --seed 3 --format json"));
    object(&limit, &["command", "file", "seed", "outputs"]);
    assert_eq!((limit["command"].as_str(), limit["seed"].as_u64()), (Some("limit"), Some(3)));
    provenance(&limit, "limit m.tp");
    for output in list(&limit["outputs"]) {
        object(output, &["name", "shape", "values", "errors", "methods"]);
        numbers(&output["values"], &output["shape"]);
        numbers(&output["errors"], &output["shape"]);
        let known = ["particles", "exact", "symmetry", "closed form", "quadrature"];
        let methods = list(&output["methods"]);
        assert_eq!(methods.len(), list(&output["values"]).len());
        assert!(methods.iter().all(|m| m.as_str().is_some_and(|m| known.contains(&m))));
    }
    let kets = parse(&folder.expect(0, "limit ket.tp --particles 64 --format json"));
    let vector = object(&kets["outputs"][0], &["name", "shape", "ket", "methods"]);
    assert_eq!(vector["shape"], parse("[2]"));
    list(&vector["ket"]).iter().for_each(|x| ket(x, "errors", true));
    assert_eq!(vector["methods"], parse("[\"particles\", \"particles\"]"));
    let said = folder.expect(0, "limit ket.tp --particles 64");
    assert_eq!(said.matches(" ± ").count(), 2 * 7 + 1, "in the header too: {said}");
    assert_eq!(said.matches("; particles").count(), 2, "{said}");
    // E x[0] y = 0 is known by symmetry
    assert_eq!(kets["outputs"][1]["methods"], parse("[\"symmetry\"]"));
}

#[test]
fn json_of_compare() {
    let folder = Folder::new();
    let line = "compare m.tp --width 32,64,128 --seeds 3 --particles 256 --format json";
    let compare = parse(&folder.expect(0, line));
    object(&compare, &["command", "file", "outputs"]);
    assert_eq!(compare["command"], "compare");
    provenance(&compare, "compare m.tp");
    for output in list(&compare["outputs"]) {
        let keys =
            ["name", "shape", "limit", "errors", "methods", "widths", "power", "power_stderr"];
        object(output, &keys);
        numbers(&output["limit"], &output["shape"]);
        assert_eq!(list(&output["methods"]).len(), list(&output["limit"]).len());
        numbers(&output["errors"], &output["shape"]);
        assert_eq!(list(&output["widths"]).len(), 3);
        for at in list(&output["widths"]) {
            object(at, &["width", "mean", "stderr", "z"]);
            ["mean", "stderr", "z"].iter().for_each(|key| numbers(&at[*key], &output["shape"]));
        }
        assert_eq!(output["power"].is_number(), output["power_stderr"].is_number());
    }
    // the limit of g is exact, so that its deviation can be fitted
    assert!(compare["outputs"][0]["power"].is_number());
}

#[test]
fn version_is_json_too() {
    let version = parse(&Folder::new().expect(0, "version --format json"));
    assert_eq!(object(&version, &["tpc", "rng", "threads"])["tpc"], env!("CARGO_PKG_VERSION"));
}

/// A result file of any command.
pub(super) fn check_file(bytes: &[u8], extension: &str) {
    match extension {
        "json" => {
            let json: Value = serde_json::from_slice(bytes).expect("JSON");
            object(&json, &["command", "file", "provenance"]);
        }
        "csv" => {
            for key in ["tpc", "source_sha256", "command_line", "rng", "seed", "precision"] {
                let start = format!("# {key}: ");
                let lines = bytes.split(|byte| *byte == b'\n');
                assert!(lines.into_iter().any(|line| line.starts_with(start.as_bytes())), "{key}");
            }
            let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(bytes);
            let header = reader.headers().expect("a header").clone();
            assert!(header.iter().any(|column| column == "output"), "{header:?}");
            let rows: Vec<csv::StringRecord> =
                reader.records().map(|row| row.expect("rows are as long as the header")).collect();
            let numbers = |row: &csv::StringRecord| {
                let parse = |cell: &str| cell.parse::<f64>().is_ok_and(f64::is_finite);
                row.iter().filter(|cell| parse(cell)).count()
            };
            assert!(rows.len() >= 3 && rows.iter().all(|row| numbers(row) >= 2), "{rows:?}");
        }
        "npz" => {
            let mut archive = ndarray_npy::NpzReader::new(Cursor::new(bytes)).expect("an archive");
            let names = archive.names().expect("names");
            assert!(names.iter().any(|name| name.starts_with('g')), "{names:?}");
            let meta: ndarray::Array1<u8> = archive.by_name("meta").expect("bytes");
            let meta = serde_json::from_slice(&meta.to_vec()).expect("JSON");
            object(&meta, &["tpc", "source_sha256", "command_line", "rng", "seed", "precision"]);
            for name in names.into_iter().filter(|name| name != "meta") {
                let array: ndarray::ArrayD<f64> = archive.by_name(&name).expect("doubles");
                assert!(!array.is_empty() && array.iter().all(|x| x.is_finite()), "{name}");
            }
        }
        other => panic!("nothing writes .{other}"),
    }
}
