//! The built program from outside: exit codes, streams, files, the schema of its JSON, the same bytes every time.

mod schema;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const PROGRAM: &str = "const M = 2;
data k : scalar[2] = [1, 2];
init x, z : vec ~ N(0, 1);
init W : mat ~ N(0, 1/n);

let h = W @ x;
let g[i] = M * avg(h^2) + k[i];
let G = n * grad(avg(tanh(h) + tanh(W @ z)), W);
let W1 = W - 0.1 / n * G / sqrt(G^2 + 0.01);
output g, avg(tanh(W1 @ x)) as \"t\";
expect avg(h^2) ~= 1 within 0.01;
";

/// A folder with programs in it.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        folder.write("m.tp", PROGRAM);
        folder
            .write("ket.tp", "init x : vec[2] ~ N(0, 1);\ninit y : vec ~ N(0, 1);\noutput x, avg(x[0] * y) as \"s\";\n");
        folder.write("wrong.tp", "init x : vec ~ N(0, 1);\noutput sum[a](x[a]^2);\n");
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("it can be written");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// All names, sorted: nothing temporary may be left.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).expect("it is a folder");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<String> =
            entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tpc"));
        command.args(line.split_whitespace()).current_dir(self.path());
        command.stdin(Stdio::null()).env_remove("NO_COLOR");
        command
    }

    /// Runs `tpc` with these words.
    fn tpc(&self, line: &str) -> Output {
        self.command(line).output().expect("tpc starts")
    }

    /// The same with text on standard input.
    fn tpc_with(&self, line: &str, text: &str) -> Output {
        let mut command = self.command(line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("tpc starts");
        let mut stdin = child.stdin.take().expect("it is a pipe");
        stdin.write_all(text.as_bytes()).expect("tpc reads");
        drop(stdin);
        child.wait_with_output().expect("tpc ends")
    }

    /// Standard output of a command that must end with this code.
    fn expect(&self, code: i32, line: &str) -> String {
        let output = self.tpc(line);
        assert_eq!(output.status.code(), Some(code), "tpc {line}\n{}", error(&output));
        text(&output)
    }
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn error(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[test]
fn programs_without_anything_to_evaluate_are_warned_of() {
    let folder = Folder::new();
    folder.write("none.tp", "init x : vec ~ N(0, 1);\n");
    for line in ["run none.tp --width 16", "limit none.tp", "test none.tp"] {
        let output = folder.tpc(line);
        assert_eq!(output.status.code(), Some(0), "tpc {line}");
        let fact = if line.starts_with("test") { "no `expect`" } else { "nothing to evaluate" };
        assert!(error(&output).contains(fact), "{}", error(&output));
        assert!(error(&folder.tpc(&format!("{line} --quiet"))).is_empty(), "tpc {line}");
    }
}

#[test]
fn parametrizations_and_constants_from_outside_are_suggested() {
    let folder = Folder::new();
    folder.write("c.tp", "const M = 3;\ndata xs : scalar[M] = [1, 2, 3];\noutput xs;\n");
    assert!(error(&folder.tpc("run c.tp --set m=3")).contains("did you mean `M`?"));
    assert!(!error(&folder.tpc("run c.tp --set xs_=3")).contains("did you mean"));
    folder.write(
        "net.tp",
        "data xs : scalar[2] = [1, 2];\nnet f(x : scalar) { param u, v : vec; return sum[a](v[a] * tanh(u[a] * x)); }
         train f on (xs, xs) { parametrization mup; optimizer sgd(lr = 1); steps 1; }\noutput f.loss;\n",
    );
    let wrong = folder.tpc("run net.tp --parametrization NTP");
    assert!(error(&wrong).contains("found:    --parametrization NTP"), "{}", error(&wrong));
    assert!(error(&wrong).contains("did you mean `ntp`?"), "{}", error(&wrong));
}

#[test]
fn exit_codes_tell_wrong_programs_from_wrong_usage() {
    let folder = Folder::new();
    let fine = "check m.tp\nrun m.tp --width 16\nlimit m.tp --particles 64\ntest m.tp\n\
                compare m.tp --width 32,64 --seeds 3\nfmt --check m.tp\nemit core m.tp\n\
                emit leading m.tp\nemit dot m.tp\nemit clif m.tp\nexplain E0501\nexplain e0501\n\
                version\nman\ncompletions bash\ncompletions zsh\ncompletions fish\n--help\nhelp run\n\
                --version\ncheck ket.tp --types";
    for line in fine.lines() {
        let output = folder.tpc(line);
        assert_eq!(output.status.code(), Some(0), "tpc {line}\n{}", error(&output));
        let silent = ["check m.tp", "fmt --check m.tp"].contains(&line);
        assert_eq!(output.stdout.is_empty(), silent, "tpc {line}");
    }
    for line in ["check", "limit", "compare", "emit leading", "test"] {
        let output = folder.tpc(&format!("{line} wrong.tp"));
        assert_eq!(output.status.code(), Some(1), "tpc {line}");
        assert!(error(&output).contains("error[E0501]"), "{}", error(&output));
    }
    let misused = "nonsense\ncheck\ncheck --nonsense m.tp\nrun m.tp --width many\nrun m.tp --set M\n\
                   explain E9999\ncompletions nonsense\nrun m.tp --output x.txt\n\
                   limit m.tp --output no/such/x.json\ncompare m.tp --plot no/such/x.svg\n\
                   check missing.tp\nrun missing.tp\nfmt missing.tp\nlimit m.tp --precision f16\n\
                   run m.tp --width 0\nrun m.tp --seeds 0\nlimit m.tp --replicates 1\n\
                   limit m.tp --particles 8\nlimit m.tp --tol nan\nlimit m.tp --tol 0\n\
                   compare m.tp --seeds 1\ncompare m.tp --plot x.png";
    for line in misused.lines() {
        let output = folder.tpc(line);
        assert_eq!(output.status.code(), Some(2), "tpc {line}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "tpc {line}");
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = Folder::new();
    let missing = folder.tpc("check missing.tp");
    assert!(error(&missing).contains("E0001") && error(&missing).contains("missing.tp"));
    std::fs::write(folder.path().join("latin.tp"), b"let x = \xe9;").expect("it can be written");
    assert!(error(&folder.tpc("check latin.tp")).contains("UTF-8"));
    folder.write(
        "data.tp",
        "data d : scalar[2] = csv(\"no.csv\", rows = 0..2, col = 0);\noutput d;\n",
    );
    let data = folder.tpc("check data.tp");
    assert_eq!(data.status.code(), Some(1));
    assert!(error(&data).contains("E0422") && error(&data).contains("no.csv"), "{}", error(&data));
    let set = folder.tpc("check m.tp --set K=3");
    assert_eq!(set.status.code(), Some(1));
    assert!(error(&set).contains("E0330") && error(&set).contains('K'));
    let used = folder.tpc_with("check -", "use \"no.tp\";\noutput 1;\n");
    assert_eq!(used.status.code(), Some(1));
}

#[test]
fn constants_are_set_from_outside() {
    let folder = Folder::new();
    let value = |line: &str| {
        let json = folder.expect(0, &format!("limit m.tp --particles 64 --format json {line}"));
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        json["outputs"][0]["values"][0].as_f64().expect("a number")
    };
    assert!((value("") - 3.0).abs() < 1e-6);
    assert!((value("--set M=7") - 8.0).abs() < 1e-6);
    assert!((value("--set M=1/2") - 1.5).abs() < 1e-6);
}

#[test]
fn a_dash_is_standard_input() {
    let folder = Folder::new();
    let piped = folder.tpc_with("run - --width 16 --format json", PROGRAM);
    assert_eq!(piped.status.code(), Some(0), "{}", error(&piped));
    let (piped, file) = (text(&piped), folder.expect(0, "run m.tp --width 16 --format json"));
    let outputs =
        |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON")["runs"].clone();
    assert_eq!(outputs(&piped), outputs(&file));
    let named = folder.tpc_with("check - --stdin-filename there.tp", "let = 1;");
    assert!(error(&named).contains("there.tp:1:5"), "{}", error(&named));
    assert_eq!(
        text(&folder.tpc_with("fmt -", "let   x=1 ;\noutput x;")),
        "let x = 1;\noutput x;\n"
    );
}

#[test]
fn formatting_changes_files_only_when_asked() {
    let folder = Folder::new();
    folder.write("loose.tp", "let   x=1 ;\noutput x;");
    folder.expect(0, "fmt --check m.tp");
    let check = folder.tpc("fmt --check loose.tp m.tp");
    assert_eq!(check.status.code(), Some(1));
    assert!(error(&check).contains("loose.tp") && !error(&check).contains("m.tp:"));
    let diff = folder.expect(1, "fmt --diff loose.tp");
    assert!(diff.contains("-let   x=1 ;") && diff.contains("+let x = 1;"), "{diff}");
    assert_eq!(folder.read("loose.tp"), b"let   x=1 ;\noutput x;");
    folder.expect(0, "fmt loose.tp");
    assert_eq!(folder.read("loose.tp"), b"let x = 1;\noutput x;\n");
    folder.expect(0, "fmt --check loose.tp");
    folder.write("broken.tp", "let = ;");
    folder.expect(1, "fmt broken.tp");
    assert_eq!(folder.read("broken.tp"), b"let = ;");
    assert!(folder.names().iter().all(|name| name.ends_with(".tp")), "{:?}", folder.names());
}

#[test]
fn expectations_and_tolerances_that_fail_give_1() {
    let folder = Folder::new();
    assert_eq!(folder.expect(0, "test m.tp"), "1 passed, 0 failed\n");
    folder.write("false.tp", &PROGRAM.replace("~= 1 within", "~= 1.5 within"));
    let said = folder.expect(1, "test m.tp false.tp");
    assert!(said.contains("false.tp:11:1") && said.contains("1 passed, 1 failed"), "{said}");
    folder.write(
        "sharp.tp",
        "init x : vec[4] ~ N(0, 1);\noutput avg(tanh(x[0] * x[1] + exp(x[2]) * sin(3 * x[3])));\n",
    );
    let said = folder.expect(1, "limit sharp.tp --tol 1e-9");
    assert!(said.contains("tolerance not met"), "{said}");
    folder.expect(0, "limit sharp.tp --tol 0.5");
    let jump = "init x : vec ~ N(0, 1);\ninit W : mat ~ N(0, 1/n);\n\
                output sign(avg(x * (W.T @ (W @ x))) - 1) as \"jump\";\n";
    folder.write("jump.tp", jump);
    let jump = folder.tpc("limit jump.tp");
    assert_eq!(jump.status.code(), Some(1));
    assert!(error(&jump).contains("E0902"), "{}", error(&jump));
    folder.write("large.tp", "init x : vec ~ N(0, 1);\noutput avg(exp(exp(exp(x^2))));\n");
    let large = folder.tpc("run large.tp");
    assert_eq!(large.status.code(), Some(1));
    assert!(large.stdout.is_empty() && error(&large).contains("E0803"), "{}", error(&large));
}

#[test]
fn result_files_are_whole_or_not_there() {
    let folder = Folder::new();
    let before = folder.names();
    for line in [
        "run m.tp --width 16 --seeds 2",
        "limit m.tp --particles 64",
        "compare m.tp --width 16,32 --seeds 2",
    ] {
        for extension in ["json", "csv", "npz"] {
            let name = format!("out.{extension}");
            folder.write(&name, "old");
            folder.expect(2, &format!("{line} --output {name}"));
            assert_eq!(folder.read(&name), b"old", "without --force");
            folder.expect(0, &format!("{line} --output {name} --force"));
            schema::check_file(&folder.read(&name), extension);
            // a program that fails leaves the old file alone
            let new = folder.read(&name);
            let wrong = line.replace("m.tp", "m.tp --set M=0/0");
            assert_ne!(
                folder.tpc(&format!("{wrong} --output {name} --force")).status.code(),
                Some(0)
            );
            assert_eq!(folder.read(&name), new);
            std::fs::remove_file(folder.path().join(&name)).expect("it is there");
        }
    }
    folder.expect(0, "compare m.tp --width 16,32,64 --seeds 3 --plot out.svg");
    let plot = String::from_utf8(folder.read("out.svg")).expect("text");
    assert!(plot.contains("<svg") && plot.trim_end().ends_with("</svg>"));
    std::fs::remove_file(folder.path().join("out.svg")).expect("it is there");
    assert_eq!(folder.names(), before, "nothing is left behind");
}

/// What depends on nothing but program, seed and width: standard output, CSV, JSON and NPZ without the command line
/// that they record.
fn bytes(folder: &Folder, line: &str) -> Vec<Vec<u8>> {
    let printed = folder.expect(0, line).into_bytes();
    let file = |extension: &str| {
        let name = format!("out.{extension}");
        folder.expect(0, &format!("{line} --output {name} --force"));
        let bytes = folder.read(&name);
        if extension == "csv" {
            let text = String::from_utf8(bytes).expect("text");
            let lines = text.lines().filter(|line| !line.starts_with("# command_line"));
            return lines.collect::<Vec<_>>().join("\n").into_bytes();
        }
        if extension == "npz" {
            let cursor = std::io::Cursor::new(bytes);
            let mut archive = ndarray_npy::NpzReader::new(cursor).expect("an archive");
            let mut names = archive.names().expect("names");
            names.retain(|name| name != "meta");
            let array =
                |name: &String| -> ndarray::ArrayD<f64> { archive.by_name(name).expect("doubles") };
            return format!("{:?}", names.iter().map(array).collect::<Vec<_>>()).into_bytes();
        }
        let mut json: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        json["provenance"]["command_line"] = serde_json::Value::Null;
        json.to_string().into_bytes()
    };
    vec![printed, file("json"), file("csv"), file("npz")]
}

#[test]
fn threads_and_repetition_change_no_byte() {
    let folder = Folder::new();
    for line in [
        "run m.tp --width 96,700 --seeds 3 --precision f32",
        "run m.tp --width 96,700 --seeds 3 --precision f64",
        "run ket.tp --width 300 --seeds 2",
        "limit m.tp --particles 512",
        "limit ket.tp --particles 512",
        "compare m.tp --width 64,128,600 --seeds 3 --particles 256",
    ] {
        let one = bytes(&folder, &format!("{line} --threads 1"));
        assert_eq!(one, bytes(&folder, &format!("{line} --threads 2")), "{line}");
        assert_eq!(one, bytes(&folder, &format!("{line} --threads 2")), "{line}, again");
        // what is 0 by symmetry is so for every seed, so the files may be equal
        let other = folder.expect(0, &format!("{line} --threads 2 --seed 1"));
        assert_ne!(one[0], other.as_bytes(), "{line}: the seed matters");
    }
}

#[test]
fn colour_and_silence_are_choices() {
    let folder = Folder::new();
    assert!(!error(&folder.tpc("check wrong.tp")).contains('\x1b'), "no terminal, no colour");
    assert!(error(&folder.tpc("check wrong.tp --color always")).contains('\x1b'));
    folder.write("warns.tp", "init x, y : vec ~ N(0, 1);\noutput avg(x^2 + n^(-1/2) * y^2);\n");
    assert!(!folder.tpc("check warns.tp -v").stderr.is_empty());
    assert!(folder.tpc("check warns.tp --quiet").stderr.is_empty());
    assert!(!folder.tpc("check wrong.tp --quiet").stderr.is_empty());
}

#[test]
fn formulas_are_printed_and_written() {
    let folder = Folder::new();
    let unicode = folder.expect(0, "limit m.tp --symbolic --output m.tex");
    assert!(unicode.contains("|h⟩ = ĥ\n    ĥ: the hat of W|x⟩; Var(ĥ) = 1\n"), "{unicode}");
    let latex = folder.expect(0, "limit m.tp --latex --output m.csv");
    assert_eq!(folder.read("m.tex"), latex.as_bytes());
    let json = folder.expect(0, "limit m.tp --latex --format json");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["command"], &json["file"]), (&"limit".into(), &"m.tp".into()));
    let formulas = json["symbolic"].as_array().expect("a list");
    for formula in formulas {
        for key in ["name", "unicode", "latex"] {
            let text = formula[key].as_str().expect("text");
            assert!(
                !text.is_empty()
                    && (key == "name" || [&unicode, &latex].iter().any(|all| all.contains(text)))
            );
        }
    }
    for line in ["--symbolic --output m.npz", "--latex --output m.tex"] {
        let output = folder.tpc(&format!("limit m.tp {line}"));
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{line}");
    }
    assert_eq!(folder.tpc("limit wrong.tp --symbolic").status.code(), Some(1));
}

#[test]
fn files_are_beside_the_file_that_names_them() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path().join("sub/deep")).expect("a folder");
    folder.write("main.tp", "use \"sub/a.tp\";\noutput avg(f(x)) as \"s\", d;\n");
    let a = "use \"deep/b.tp\";\nuse \"../sub/deep/b.tp\";\ninit x : vec ~ N(0, 1);\n";
    folder.write("sub/a.tp", a);
    let b = "fn f(z) = 3 * z^2;\ndata d : scalar[2] = csv(\"../d.csv\", rows = 0..2, col = 0);\n";
    folder.write("sub/deep/b.tp", b);
    folder.write("sub/d.csv", "1\n2\n");
    folder.expect(0, "limit main.tp");
    folder.write("one.tp", "use \"two.tp\";\nlet a = 1;\noutput a;\n");
    folder.write("two.tp", "use \"one.tp\";\nlet b = 2;\n");
    let cycle = error(&folder.tpc("check one.tp"));
    assert!(cycle.contains("E0318") && cycle.contains("one.tp, two.tp, one.tp"), "{cycle}");
}

#[cfg(target_os = "linux")]
#[test]
fn lost_results_are_no_success() {
    let folder = Folder::new();
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a full device");
    let mut command = folder.command("limit m.tp --particles 64");
    let output = command.stdout(full).output().expect("tpc starts");
    assert_eq!(output.status.code(), Some(2), "{}", error(&output));
    assert!(error(&output).contains("cannot be written"), "{}", error(&output));
}

#[test]
fn too_many_particles_or_threads_are_no_fault() {
    let folder = Folder::new();
    let many = folder.tpc("limit m.tp --particles 1000000000000");
    assert_eq!(many.status.code(), Some(1));
    assert!(error(&many).contains("E0801"), "{}", error(&many));
    folder.expect(0, "limit m.tp --particles 64 --threads 20000");
}

#[test]
fn agreement_to_the_last_digit_is_no_deviation() {
    let folder = Folder::new();
    folder.write("same.tp", "init x : vec ~ N(0, 1);\noutput 2, avg(x) * 0, avg(sign(x^2));\n");
    let json = folder.expect(0, "compare same.tp --width 16,32 --seeds 2 --format json");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    for output in json["outputs"].as_array().expect("a list") {
        for width in output["widths"].as_array().expect("a list") {
            assert_eq!(width["z"][0], 0.0, "{output}");
        }
    }
}
