//! Data from files: `csv("d.csv", rows = 0..8, cols = 0..64)` and `npy("x.npy")`.

use super::Lowerer;
use super::assign::kind_width;
use super::scope::{Binding, How};
use super::value::{Val, Value, type_text};
use crate::diag::codes;
use crate::ir::Named;
use crate::source::Span;
use crate::syntax::ast::{self, ArgValue, BinaryOp, Expr, ExprKind};
use ndarray::{ArrayD, IxDyn};

/// Which rows and columns of a table.
#[derive(Default)]
struct Part {
    rows: Option<(usize, usize)>,
    cols: Option<(usize, usize)>,
    /// One column: no second axis.
    col: Option<usize>,
}

impl Lowerer<'_> {
    /// `data name : scalar[…] = value;`
    pub(super) fn data(&mut self, name: &ast::Name, ty: &ast::Type, value: &Expr) {
        let result = self.data_value(ty, value);
        if let Value::Tensor(val) = &result {
            self.named.push(Named {
                name: name.text.clone(),
                node: val.node,
                span: name.span,
                declared: None,
            });
        }
        self.bind(
            name,
            Binding { value: result, how: How::Fixed, identity: None, span: name.span, version: 0 },
        );
    }

    fn data_value(&mut self, ty: &ast::Type, value: &Expr) -> Value {
        if kind_width(ty.kind).is_some_and(|width| width > 0) {
            let problem = self
                .problem(codes::DATA_KIND, ty.span)
                .here("data has no width")
                .help("declare `scalar[…]` with the sizes of the array; vecs are drawn by `init` or computed");
            return self.fail(problem);
        }
        let sizes: Option<Vec<usize>> =
            ty.sizes.iter().map(|size| self.static_size(size)).collect();
        let (Some(sizes), Some(val)) = (sizes, self.data_expr(value)) else { return Value::Error };
        let shape = self.ir.shape(val.node).clone();
        if shape.width > 0 || shape.stat != sizes {
            let problem = self
                .problem(codes::DATA_SHAPE, value.span)
                .here(format!("this is a {}", self.type_of(&val)))
                .label(ty.span, "declared here")
                .note(format!("found:    {}", self.type_of(&val)))
                .note(format!("expected: {}", type_text(0, &sizes)));
            return self.fail(problem);
        }
        Value::Tensor(val)
    }

    /// A constant expression in which files may be read.
    fn data_expr(&mut self, expr: &Expr) -> Option<Val> {
        match &expr.kind {
            ExprKind::Call { callee, args } => match &callee.kind {
                ExprKind::Name(name) if name == "csv" => self.csv(args, expr.span),
                ExprKind::Name(name) if name == "npy" => self.npy(args, expr.span),
                _ => self.tensor(expr),
            },
            ExprKind::Binary { op, left, right } if is_arithmetic(*op) => {
                let left = super::value::At { val: self.data_expr(left)?, span: left.span };
                let right = super::value::At { val: self.data_expr(right)?, span: right.span };
                let value = match op {
                    BinaryOp::Pow => self.power(left, right, expr.span),
                    _ => self.combine(prim(*op), &[left, right], expr.span),
                };
                match value {
                    Value::Tensor(val) => Some(val),
                    Value::Tuple(_) | Value::Error => None,
                }
            }
            _ => self.tensor(expr),
        }
    }

    fn path(&mut self, args: &[ast::Arg], span: Span) -> Option<(String, Span)> {
        match args.first() {
            Some(ast::Arg {
                name: None,
                value: ArgValue::Expr(Expr { kind: ExprKind::Text(path), span }),
            }) => Some((path.clone(), *span)),
            _ => {
                let problem = self
                    .problem(codes::DATA_ARGUMENT, span)
                    .here("the first argument is the file's name")
                    .help("write `csv(\"data/digits.csv\", rows = 0..8, cols = 0..64)`");
                self.diags.push(problem);
                None
            }
        }
    }

    fn load(&mut self, path: &str, span: Span) -> Option<Vec<u8>> {
        let from = self.sources.get(span.file).name.clone();
        match self.loader.load(&from, path) {
            Ok(bytes) => Some(bytes),
            Err(reason) => self.bad_file(span, &reason),
        }
    }

    fn bad_file<T>(&mut self, span: Span, reason: &str) -> Option<T> {
        let problem = self.problem(codes::DATA_FILE, span).here(reason);
        self.diags.push(problem);
        None
    }

    fn csv(&mut self, args: &[ast::Arg], span: Span) -> Option<Val> {
        let (path, at) = self.path(args, span)?;
        let part = self.part(&args[1..])?;
        let bytes = self.load(&path, at)?;
        let table = match table(&bytes) {
            Ok(table) => table,
            Err(reason) => return self.bad_file(at, &reason),
        };
        let columns = table.first().map_or(0, Vec::len);
        let (top, bottom) = part.rows.unwrap_or((0, table.len()));
        let (left, right) =
            part.col.map(|col| (col, col + 1)).or(part.cols).unwrap_or((0, columns));
        if bottom > table.len() || right > columns {
            let reason =
                format!("the file has {} rows and {columns} columns, numbered from 0", table.len());
            return self.bad_file(at, &reason);
        }
        let values: Vec<f64> =
            table[top..bottom].iter().flat_map(|row| row[left..right].iter().copied()).collect();
        let mut sizes = vec![bottom - top];
        if part.col.is_none() {
            sizes.push(right - left);
        }
        self.array_value(&sizes, values)
    }

    fn part(&mut self, args: &[ast::Arg]) -> Option<Part> {
        let mut part = Part::default();
        for arg in args {
            let name = arg.name.as_ref().map(|name| name.text.as_str());
            match (name, &arg.value) {
                (Some("rows"), ArgValue::Range(range)) => part.rows = Some(self.sizes(range)?),
                (Some("cols"), ArgValue::Range(range)) => part.cols = Some(self.sizes(range)?),
                (Some("col"), ArgValue::Expr(expr)) => {
                    part.col =
                        Some(usize::try_from(self.static_integer(expr)?).unwrap_or(usize::MAX - 1));
                }
                _ => {
                    let problem = self
                        .problem(codes::DATA_ARGUMENT, arg.value.span())
                        .here("unknown argument")
                        .help("csv takes `rows = 0..8`, `cols = 0..64` or `col = 64`");
                    self.diags.push(problem);
                    return None;
                }
            }
        }
        Some(part)
    }

    fn sizes(&mut self, range: &ast::Range) -> Option<(usize, usize)> {
        let (lo, hi) = self.static_range(range)?;
        match (usize::try_from(lo), usize::try_from(hi)) {
            (Ok(lo), Ok(hi)) if lo < hi => Some((lo, hi)),
            _ => {
                let problem = self
                    .problem(codes::SIZE_OUT_OF_RANGE, range.span)
                    .here(format!("this is {lo}..{hi}"))
                    .note("expected: a half-open range that is not empty");
                self.diags.push(problem);
                None
            }
        }
    }

    fn npy(&mut self, args: &[ast::Arg], span: Span) -> Option<Val> {
        let (path, at) = self.path(args, span)?;
        if let Some(extra) = args.get(1) {
            let problem = self
                .problem(codes::DATA_ARGUMENT, extra.value.span())
                .here("npy takes only a file name");
            self.diags.push(problem);
            return None;
        }
        let bytes = self.load(&path, at)?;
        match read_npy(&bytes) {
            Ok(array) => {
                let sizes = array.shape().to_vec();
                let values: Vec<f64> = array.iter().copied().collect();
                if values.iter().any(|value| !value.is_finite()) {
                    return self.bad_file(at, "the file contains numbers that are not finite");
                }
                self.array_value(&sizes, values)
            }
            Err(reason) => self.bad_file(at, &reason),
        }
    }

    fn array_value(&mut self, sizes: &[usize], values: Vec<f64>) -> Option<Val> {
        let array = ArrayD::from_shape_vec(IxDyn(sizes), values).ok()?;
        let node = self.ir.data(array);
        Some(Val::bare(node, sizes.len(), 0))
    }
}

/// A table of numbers; every row has as many.
fn table(bytes: &[u8]) -> Result<Vec<Vec<f64>>, String> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_reader(bytes);
    let mut rows = Vec::new();
    for (line, record) in reader.records().enumerate() {
        let record = record.map_err(|error| error.to_string())?;
        let number = |field: &str| {
            let value = field.parse::<f64>().ok().filter(|value| value.is_finite());
            value.ok_or_else(|| format!("line {}: `{field}` is not a finite number", line + 1))
        };
        rows.push(record.iter().map(number).collect::<Result<Vec<f64>, String>>()?);
    }
    Ok(rows)
}

fn read_npy(bytes: &[u8]) -> Result<ArrayD<f64>, String> {
    use ndarray_npy::ReadNpyExt;
    if let Ok(array) = ArrayD::<f64>::read_npy(bytes) {
        return Ok(array);
    }
    if let Ok(array) = ArrayD::<f32>::read_npy(bytes) {
        return Ok(array.mapv(f64::from));
    }
    ArrayD::<i64>::read_npy(bytes)
        .map(|array| array.mapv(|value| value as f64))
        .map_err(|error| format!("not an array of f64, f32 or i64: {error}"))
}

fn is_arithmetic(op: BinaryOp) -> bool {
    matches!(op, BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Pow)
}

fn prim(op: BinaryOp) -> crate::ir::Prim {
    match op {
        BinaryOp::Add => crate::ir::Prim::Add,
        BinaryOp::Sub => crate::ir::Prim::Sub,
        BinaryOp::Mul => crate::ir::Prim::Mul,
        _ => crate::ir::Prim::Div,
    }
}
