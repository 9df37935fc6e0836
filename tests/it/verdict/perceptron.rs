//! Perceptrons in training as plain programs.

use super::theorem::{Table, int};
use std::fmt::Write;
use tpc::analyze::verdict::{TrainedParam, Training, Verdict, verdict};
use tpc::diag::Diags;
use tpc::diag::render::{Format, render};
use tpc::driver::Settings;
use tpc::driver::lowered;
use tpc::ir::{Exponent, Program};
use tpc::source::{FileId, MemoryLoader, SourceMap, Span};

/// An optimizer: how its state and its step are written for one parameter `p`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optimizer {
    Sgd,
    Momentum,
    SignSgd,
    Adam,
}

impl Optimizer {
    /// Whether Q is linear.
    pub fn linear(self) -> bool {
        matches!(self, Self::Sgd | Self::Momentum)
    }

    fn state(self, p: &str) -> String {
        match self {
            Self::Sgd | Self::SignSgd => String::new(),
            Self::Momentum => format!("var m{p} = 0;\n"),
            Self::Adam => format!("var m{p} = 0; var s{p} = 0;\n"),
        }
    }

    fn step(self, p: &str) -> (String, String) {
        match self {
            Self::Sgd => (String::new(), format!("0.1 * g{p}")),
            Self::Momentum => (format!("  m{p} := 0.9 * m{p} + g{p};\n"), format!("0.1 * m{p}")),
            Self::SignSgd => (String::new(), format!("0.1 * g{p} / sqrt(g{p}^2 + 1e-8)")),
            Self::Adam => (
                format!(
                    "  m{p} := 0.9 * m{p} + 0.1 * g{p};\n  s{p} := 0.999 * s{p} + 0.001 * g{p}^2;\n"
                ),
                format!(
                    "0.1 * (m{p} / (1 - 0.9^(t + 1))) / sqrt(s{p} / (1 - 0.999^(t + 1)) + 1e-8)"
                ),
            ),
        }
    }
}

/// A parameter of a net in a test.
#[derive(Clone, Debug)]
pub struct Param {
    pub name: String,
    /// `vec[2]`, `mat`, …
    pub kind: String,
    pub abcd: [Exponent; 4],
}

impl Param {
    pub fn new(name: &str, kind: &str, abcd: [Exponent; 4]) -> Self {
        Self { name: name.to_owned(), kind: kind.to_owned(), abcd }
    }

    fn width(&self) -> usize {
        match &self.kind[..3] {
            "vec" => 1,
            "mat" => 2,
            _ => 0,
        }
    }
}

/// A net: parameters, the forward pass up to `let f[i] = …` in which the parameter p is called `w…`, and a_out.
#[derive(Clone, Debug)]
pub struct Net {
    pub params: Vec<Param>,
    pub forward: String,
    pub out: Exponent,
}

impl Net {
    /// The program that trains it for three steps on two samples.
    pub fn program(&self, optimizer: Optimizer) -> String {
        let mut text = String::from(
            "data xs : scalar[2, 2] = [[1, 0.5], [0.25, -0.8]];\ndata ys : scalar[2] = [0.5, -1];\n",
        );
        for Param { name, kind, abcd } in &self.params {
            let variance = abcd[1] * int(-2);
            writeln!(text, "init i{name} : {kind} ~ N(0, n^({variance})); var p{name} = i{name};")
                .expect("text");
            text += &optimizer.state(name);
        }
        text += "for t in 0..3 {\n";
        for Param { name, abcd, .. } in &self.params {
            writeln!(text, "  let w{name} = n^({}) * p{name};", -abcd[0]).expect("text");
        }
        text += &self.forward;
        text += "  let loss = sum[i]((f[i] - ys[i])^2) / 2;\n";
        for Param { name, abcd, .. } in &self.params {
            writeln!(text, "  let g{name} = n^({}) * grad(loss, p{name});", abcd[3]).expect("text");
        }
        for Param { name, abcd, .. } in &self.params {
            let (state, step) = optimizer.step(name);
            text += &state;
            writeln!(text, "  let u{name} = n^({}) * ({step});", -abcd[2]).expect("text");
        }
        for Param { name, .. } in &self.params {
            writeln!(text, "  p{name} := p{name} - u{name};").expect("text");
        }
        text + "}\n"
    }

    pub fn training(&self) -> Training {
        let span = Span::new(FileId(0), 0, 0);
        let param = |param: &Param| TrainedParam {
            name: param.name.clone(),
            span,
            width: param.width(),
            abcd: param.abcd,
            gradient: format!("g{}", param.name),
            update: format!("u{}", param.name),
        };
        Training {
            net: "f".to_owned(),
            span,
            params: self.params.iter().map(param).collect(),
            prediction: "f".to_owned(),
            out: self.out,
        }
    }

    pub fn verdict(&self, optimizer: Optimizer) -> Verdict {
        verdict(&lower(&self.program(optimizer)), &self.training())
    }
}

/// Lowers a program.
pub fn lower(text: &str) -> Program {
    let mut sources = SourceMap::default();
    let mut diags = Diags::default();
    let id = sources.add("net.tp", text);
    let loader = MemoryLoader::default();
    let program = lowered(&mut sources, id, &loader, &Settings::default(), &mut diags);
    program.unwrap_or_else(|| panic!("{text}\n{}", render(&diags, &sources, Format::Human)))
}

/// The perceptron of (2.3) of [TP4b]; `out` is the part of the last a that multiplies the output.
pub fn perceptron(table: &Table, function: &str, out: Exponent) -> Net {
    let depth = table.len() - 1;
    let mut params = vec![Param::new("1", "vec[2]", table[0])];
    let mut forward = String::from("  let h1[i] = sum[j](xs[i, j] * w1[j]);\n");
    for l in 2..=depth {
        params.push(Param::new(&l.to_string(), "mat", table[l - 1]));
        writeln!(forward, "  let h{l} = w{l} @ {function}(h{});", l - 1).expect("text");
    }
    let last = depth + 1;
    let [a, b, c, d] = table[depth];
    params.push(Param::new(&last.to_string(), "vec", [a - out, b, c, d]));
    let x = format!("{function}(h{depth}[i, a])");
    writeln!(forward, "  let f[i] = n^({}) * sum[a](w{last}[a] * {x});", -out).expect("text");
    Net { params, forward, out }
}
