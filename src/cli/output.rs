//! Result files: JSON, CSV, NPZ, each with what is needed to repeat the run.

use super::args::{Format, Results};
use super::session::{Session, complain, print};
use super::{exit, files};
use ndarray::{Array1, ArrayViewD, IxDyn};
use ndarray_npy::NpzWriter;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::path::Path;

/// Arrays with more numbers in all are not compressed: digits of results do not get much shorter.
const LARGE: usize = 1 << 16;

/// A named array of results.
pub(super) struct Array<'a> {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) values: Cow<'a, [f64]>,
}

/// The results of a command in all the forms in which they are written.
pub(super) struct Report<'a> {
    /// For people.
    pub(super) text: String,
    /// The stable form of cli.md.
    pub(super) json: Value,
    /// Header and rows.
    pub(super) rows: Vec<Vec<String>>,
    /// Arrays by name.
    pub(super) arrays: Vec<Array<'a>>,
}

/// What every result file carries: where the program came from, and `how` it was evaluated.
pub(super) fn provenance(session: &Session<'_>, how: Value) -> Value {
    let hash = Sha256::digest(session.text().as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut all = json!({
        "tpc": env!("CARGO_PKG_VERSION"),
        "source_sha256": hash,
        "command_line": arguments.join(" "),
        "rng": crate::finite::RNG,
    });
    if let (Value::Object(all), Value::Object(mut how)) = (&mut all, how) {
        all.append(&mut how);
    }
    all
}

/// The forms in which results are written.
#[derive(Clone, Copy)]
enum Form {
    Json,
    Csv,
    Npz,
}

/// The form that the name of a file asks for.
fn form(path: &Path) -> Result<Form, String> {
    match path.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "json" => Ok(Form::Json),
        "csv" => Ok(Form::Csv),
        "npz" => Ok(Form::Npz),
        _ => Err(format!("`{}`: results are written as .json, .csv or .npz", path.display())),
    }
}

/// Finds out before anything runs whether the file that was asked for can be written.
pub(super) fn check_target(results: &Results) -> Result<(), i32> {
    let Some(path) = &results.output else { return Ok(()) };
    let possible = form(path).and_then(|_| files::may_write(path, results.force));
    possible.map_err(|problem| {
        complain(&format!("error: {problem}"));
        exit::USAGE
    })
}

/// Which forms of a report are needed.
#[derive(Clone, Copy)]
pub(super) struct Needs {
    pub(super) json: bool,
    pub(super) rows: bool,
    pub(super) arrays: bool,
}

impl Needs {
    /// Those that are printed or written.
    pub(super) fn of(results: &Results) -> Self {
        let file = results.output.as_ref().and_then(|path| form(path).ok());
        Self {
            json: results.format == Format::Json || matches!(file, Some(Form::Json)),
            rows: matches!(file, Some(Form::Csv)),
            arrays: matches!(file, Some(Form::Npz)),
        }
    }
}

/// Prints a report and writes the file that was asked for; an exit code if that fails.
pub(super) fn deliver(report: &Report<'_>, results: &Results) -> Result<(), i32> {
    match results.format {
        Format::Human => print(&report.text),
        Format::Json => print(&pretty(&report.json)),
    }
    let Some(path) = &results.output else { return Ok(()) };
    let provenance = &report.json["provenance"];
    let written = form(path).and_then(|form| match form {
        Form::Json => files::write(path, pretty(&report.json).as_bytes(), results.force),
        Form::Csv => files::write(path, &csv_bytes(&report.rows, provenance)?, results.force),
        Form::Npz => {
            let content = |file: &mut File| write_npz(file, &report.arrays, provenance);
            files::write_with(path, results.force, content)
        }
    });
    written.map_err(|problem| {
        complain(&format!("error: {problem}"));
        exit::USAGE
    })
}

/// Indented JSON with a final line end.
pub(super) fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Rows as comma-separated values, after comment lines that say where they come from.
pub(super) fn csv_bytes(rows: &[Vec<String>], provenance: &Value) -> Result<Vec<u8>, String> {
    let mut comments = Vec::new();
    for (key, value) in provenance.as_object().into_iter().flatten() {
        let value =
            value.as_str().map_or_else(|| value.to_string(), |text| text.replace('\n', " "));
        comments.extend_from_slice(format!("# {key}: {value}\n").as_bytes());
    }
    let mut writer = csv::Writer::from_writer(comments);
    for row in rows {
        writer.write_record(row).map_err(|error| error.to_string())?;
    }
    writer.into_inner().map_err(|error| error.to_string())
}

/// Arrays by name, and `meta`: the bytes of a JSON text that says where they come from.
fn write_npz(file: &mut File, arrays: &[Array], provenance: &Value) -> io::Result<()> {
    let small = arrays.iter().map(|array| array.values.len()).sum::<usize>() < LARGE;
    let mut writer = if small { NpzWriter::new_compressed(file) } else { NpzWriter::new(file) };
    for array in arrays {
        let values = ArrayViewD::from_shape(IxDyn(&array.shape), &array.values);
        let values = values.map_err(io::Error::other)?;
        writer.add_array(array.name.as_str(), &values).map_err(io::Error::other)?;
    }
    let meta = Array1::from(provenance.to_string().into_bytes());
    let taken = arrays.iter().any(|array| array.name == "meta");
    let name = if taken { "tpc.meta" } else { "meta" };
    writer.add_array(name, &meta).map_err(io::Error::other)?;
    writer.finish().map_err(io::Error::other)?;
    Ok(())
}

/// `name[1, 2]` for an entry of an array.
pub(super) fn entry_name(name: &str, shape: &[usize], flat: usize) -> String {
    if shape.is_empty() {
        return name.to_owned();
    }
    let mut rest = flat;
    let mut places = vec![String::new(); shape.len()];
    for (place, size) in places.iter_mut().zip(shape).rev() {
        *place = (rest % size).to_string();
        rest /= size;
    }
    format!("{name}[{}]", places.join(", "))
}
