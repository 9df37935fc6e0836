//! The items of a `train` block.

use super::net::Weight;
use super::optimizer::Rule;
use super::scheme::Scheme;
use super::{Expander, meant};
use crate::diag::codes;
use crate::resolve::suggest;
use crate::source::Span;
use crate::syntax::ast::{Arg, ArgValue, Expr, ExprKind, Name, Row, Stmt, StmtKind};
use num_rational::Ratio;
use num_traits::{One, Zero};

/// The items that there are.
const ITEMS: &[&str] = &[
    "parametrization",
    "optimizer",
    "loss",
    "steps",
    "test",
    "weight_decay",
    "clip",
    "normalize",
    "center",
    "schedule",
    "batch",
    "sigma",
];

/// How a network is trained.
pub(super) struct Plan {
    /// The head of the statement.
    pub(super) span: Span,
    pub(super) inputs: Vec<Expr>,
    pub(super) targets: Expr,
    pub(super) scheme: Scheme,
    /// The scale σ of each parameter's initial entries.
    pub(super) sigma: Vec<Option<Expr>>,
    /// The rule of each parameter.
    pub(super) rules: Vec<Rule>,
    pub(super) optimizer_span: Span,
    pub(super) loss: Loss,
    pub(super) steps: Expr,
    pub(super) test: Option<Vec<Expr>>,
    /// λ of each parameter.
    pub(super) decay: Vec<Option<Expr>>,
    /// The threshold of each parameter's update.
    pub(super) clip: Vec<Option<Expr>>,
    pub(super) normalize: bool,
    /// Whether the initial output is subtracted.
    pub(super) center: bool,
    pub(super) schedule: Option<Expr>,
    pub(super) batch: Option<Batch>,
}

/// What is minimised, per sample; samples are added up.
pub(super) enum Loss {
    /// (f − y)² / 2.
    Square,
    /// A function of prediction and target.
    Function(Name),
}

/// Which samples a step sees.
pub(super) enum Batch {
    /// So many from one on, which may depend on t; counted round.
    Slice { size: Expr, start: Option<Expr> },
    /// A factor for each sample, which may depend on t.
    Mask(Expr),
}

/// One item as it was written.
#[derive(Clone)]
struct Item<'a> {
    word: &'a Name,
    value: Option<&'a Expr>,
    args: &'a [Arg],
    rows: &'a [Row],
    span: Span,
}

/// The items of one block.
struct Items<'a>(Vec<Item<'a>>);

impl<'a> Items<'a> {
    fn get(&self, word: &str) -> Option<&Item<'a>> {
        self.0.iter().find(|item| item.word.text == word)
    }
}

impl Expander<'_> {
    /// Reads a `train` block; `None` after a diagnostic.
    pub(super) fn plan(
        &mut self,
        net: &Name,
        on: &[Expr],
        stmts: &[Stmt],
        span: Span,
    ) -> Option<Plan> {
        let items = self.items(stmts);
        let Some(known) = self.nets.get(&net.text) else {
            self.unknown_net(&net.text, net.span);
            return None;
        };
        let (params, count) = (known.params.clone(), known.inputs.len());
        if let Some(first) = self.plan_of(&net.text) {
            let problem = self.problem(codes::TRAINED_TWICE, span).here("trained again here");
            let problem = problem.label(first.span, "trained here").help(
                "use more `steps`; what changes with the step is a `schedule` or a `batch` of t",
            );
            self.fail(problem);
            return None;
        }
        let (inputs, targets) = self.data(on, count, span)?;
        let scheme = self.required(&items, "parametrization", "mup", span)?;
        let scheme = self.scheme(&params, (scheme.value, scheme.rows), scheme.span)?;
        let rule = self.required(&items, "optimizer", "adam(lr = 0.1)", span)?;
        let rules = self.rules(&params, (rule.value, rule.rows), rule.span)?;
        let steps = self.required(&items, "steps", "10", span)?;
        let steps = self.value(&steps)?;
        let loss = match items.get("loss").cloned() {
            Some(item) => self.loss(&item)?,
            None => Loss::Square,
        };
        let test = match items.get("test").cloned() {
            Some(item) => Some(self.test(&item, count)?),
            None => None,
        };
        let (batch, schedule) = self.by_step(&items)?;
        Some(Plan {
            span,
            inputs,
            targets,
            scheme,
            sigma: self.by_parameter(&params, items.get("sigma").cloned())?,
            rules,
            optimizer_span: rule.span,
            loss,
            steps,
            test,
            decay: self.by_parameter(&params, items.get("weight_decay").cloned())?,
            clip: self.by_parameter(&params, items.get("clip").cloned())?,
            normalize: items.get("normalize").is_some(),
            center: items.get("center").is_some(),
            schedule,
            batch,
        })
    }

    pub(super) fn unknown_net(&mut self, name: &str, at: Span) {
        let help = if self.nets.is_empty() {
            "declare it: `net f(x : scalar[d]) { … }`".to_owned()
        } else {
            meant(name, self.nets.keys().map(String::as_str))
        };
        let problem = self.problem(codes::UNKNOWN_NET, at).here("no such network");
        self.fail(problem.help(help));
    }

    /// What may depend on the step.
    fn by_step(&mut self, items: &Items<'_>) -> Option<(Option<Batch>, Option<Expr>)> {
        let batch = match items.get("batch").cloned() {
            Some(item) => Some(self.batch(&item)?),
            None => None,
        };
        let schedule = match items.get("schedule").cloned() {
            Some(item) => Some(self.value(&item)?),
            None => None,
        };
        Some((batch, schedule))
    }

    fn items<'a>(&mut self, stmts: &'a [Stmt]) -> Items<'a> {
        let mut items: Vec<Item<'a>> = Vec::new();
        for stmt in stmts {
            let StmtKind::Item { word, value, args, rows } = &stmt.kind else { continue };
            if !ITEMS.contains(&word.text.as_str()) {
                let problem = self.problem(codes::UNKNOWN_ITEM, word.span).here("no such item");
                self.fail(problem.help(meant(&word.text, ITEMS.iter().copied())));
                continue;
            }
            if let Some(first) = items.iter().find(|item| item.word.text == word.text) {
                let first = first.word.span;
                let problem = self.problem(codes::REPEATED_ITEM, word.span).here("given again");
                self.fail(problem.label(first, "given here"));
                continue;
            }
            let rows_allowed = ["parametrization", "optimizer", "sigma", "weight_decay", "clip"];
            if !rows.is_empty() && !rows_allowed.contains(&word.text.as_str()) {
                self.wrong_item(
                    word.span,
                    "this item has one value for all parameters",
                    &word.text,
                );
                continue;
            }
            let item = Item { word, value: value.as_ref(), args, rows, span: stmt.span };
            items.push(item);
        }
        Items(items)
    }

    /// Inputs and targets.
    fn data(&mut self, on: &[Expr], count: usize, span: Span) -> Option<(Vec<Expr>, Expr)> {
        if let [inputs, targets] = on {
            let inputs = spread(inputs);
            if inputs.len() == count {
                return Some((inputs, targets.clone()));
            }
        }
        let names: Vec<String> = (0..count).map(|k| format!("xs{k}")).collect();
        let inputs = if count == 1 { "xs".to_owned() } else { format!("({})", names.join(", ")) };
        let problem = self
            .problem(codes::TRAIN_ON, span)
            .here(format!("the network has {count} input{}", if count == 1 { "" } else { "s" }))
            .help(format!("write `on ({inputs}, ys)`: samples along the first axis of each"));
        self.fail(problem);
        None
    }

    fn required<'a>(
        &mut self,
        items: &Items<'a>,
        word: &str,
        example: &str,
        span: Span,
    ) -> Option<Item<'a>> {
        if let Some(item) = items.get(word) {
            return Some(item.clone());
        }
        let problem = self.problem(codes::MISSING_ITEM, span).here(format!("`{word}` is missing"));
        self.fail(problem.help(format!("add for example `{word} {example};`")));
        None
    }

    fn wrong_item(&mut self, span: Span, fact: &str, word: &str) {
        let example = match word {
            "steps" => "steps 10;",
            "test" => "test xt;",
            "weight_decay" => "weight_decay 0.01;",
            "clip" => "clip 1;",
            "schedule" => "schedule 0.9^t;",
            "batch" => "batch (8, start = 8 * t);",
            "sigma" => "sigma { W: 1.4; }",
            "loss" => "loss square;",
            _ => "optimizer adam(lr = 0.1);",
        };
        let problem = self.problem(codes::ITEM_VALUE, span).here(fact);
        self.fail(problem.help(format!("write for example `{example}`")));
    }

    /// The one value of an item.
    fn value(&mut self, item: &Item<'_>) -> Option<Expr> {
        if item.value.is_none() {
            self.wrong_item(item.word.span, "a value is missing", &item.word.text);
        }
        let value = item.value?;
        self.sensible(&item.word.text, value)?;
        Some(value.clone())
    }

    /// Reports a value that is known here and makes no sense.
    fn sensible(&mut self, word: &str, value: &Expr) -> Option<()> {
        let Some(x) = self.consts.exact(value) else { return Some(()) };
        let (zero, one) = (Ratio::zero(), Ratio::one());
        let (good, allowed) = match word {
            "steps" => (x >= zero && x.is_integer(), "steps are counted: 0, 1, …"),
            "clip" => (x > zero, "a threshold is larger than 0"),
            "weight_decay" => ((zero..=one).contains(&x), "a decay λ is from 0 to 1"),
            "sigma" => (x >= zero, "a scale is at least 0"),
            _ => (true, ""),
        };
        if !good {
            self.wrong_item(value.span, &format!("this is {x}; {allowed}"), word);
        }
        good.then_some(())
    }

    /// One value for each parameter: the item's, unless a row has another.
    fn by_parameter(
        &mut self,
        params: &[Weight],
        item: Option<Item<'_>>,
    ) -> Option<Vec<Option<Expr>>> {
        let Some(item) = item else { return Some(vec![None; params.len()]) };
        if item.value.is_none() && item.rows.is_empty() {
            self.value(&item)?;
        }
        let common = if item.value.is_some() { Some(self.value(&item)?) } else { None };
        let mut values = vec![common; params.len()];
        for row in item.rows {
            let place = params.iter().position(|weight| weight.name.text == row.name.text);
            let Some(place) = place else {
                self.unknown_parameter(params, row);
                return None;
            };
            let [Arg { name: None, value: ArgValue::Expr(value) }] = row.args.as_slice() else {
                self.wrong_item(row.name.span, "one value is needed", &item.word.text);
                return None;
            };
            self.sensible(&item.word.text, value)?;
            values[place] = Some(value.clone());
        }
        Some(values)
    }

    fn loss(&mut self, item: &Item<'_>) -> Option<Loss> {
        let value = self.value(item)?;
        match &value.kind {
            ExprKind::Name(name) if name == "square" => Some(Loss::Square),
            ExprKind::Name(name) => {
                self.loss_function(name, value.span)?;
                Some(Loss::Function(Name { text: name.clone(), span: value.span }))
            }
            _ => {
                let fact = "a loss is `square` or the name of a `fn` of (prediction, target)";
                self.wrong_item(value.span, fact, "loss");
                None
            }
        }
    }

    /// A loss must be declared, and have two parameters.
    fn loss_function(&mut self, name: &str, at: Span) -> Option<()> {
        match self.functions.get(name) {
            Some(2) => return Some(()),
            Some(count) => {
                let fact = format!("`{name}` takes {count}, a loss two: prediction and target");
                self.wrong_item(at, &fact, "loss");
            }
            None => {
                let known = self.functions.iter().filter(|(_, count)| **count == 2);
                let known = known.map(|(known, _)| known.as_str()).chain(["square"]);
                let help = match suggest::nearest(name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("declare it, of prediction and target: `fn {name}(f, y) = …;`"),
                };
                let problem = self.problem(codes::UNKNOWN_FUNCTION, at).here("no such loss");
                self.fail(problem.help(help));
            }
        }
        None
    }

    fn test(&mut self, item: &Item<'_>, count: usize) -> Option<Vec<Expr>> {
        let inputs = spread(&self.value(item)?);
        if inputs.len() != count {
            let fact = format!("the network has {count} inputs");
            self.wrong_item(item.span, &fact, "test");
            return None;
        }
        Some(inputs)
    }

    fn batch(&mut self, item: &Item<'_>) -> Option<Batch> {
        let mut size = None;
        let (mut start, mut mask) = (None, None);
        for arg in item.args {
            let ArgValue::Expr(value) = &arg.value else { continue };
            match arg.name.as_ref().map(|name| name.text.as_str()) {
                None => size = Some(value.clone()),
                Some("start") => start = Some(value.clone()),
                Some("mask") => mask = Some(value.clone()),
                Some(_) => {}
            }
        }
        match (size, mask, item.args.len()) {
            (Some(size), None, 1) => Some(Batch::Slice { size, start }),
            (Some(size), None, 2) if start.is_some() => Some(Batch::Slice { size, start }),
            (None, Some(mask), 1) => Some(Batch::Mask(mask)),
            _ => {
                let fact = "a size and perhaps a `start`, or a `mask`, are needed";
                self.wrong_item(item.span, fact, "batch");
                None
            }
        }
    }
}

/// `(a, b)` as two expressions, anything else as one.
fn spread(expr: &Expr) -> Vec<Expr> {
    match &expr.kind {
        ExprKind::Tuple(parts) => parts.clone(),
        _ => vec![expr.clone()],
    }
}
