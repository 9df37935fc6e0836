//! A `train` block becomes a loop: predictions, loss, gradients, optimizer, updates ([TP4b], section 2.1 and (2.54)).

use super::Expander;
use super::items::{Batch, Loss, Plan};
use super::net::{Weight, input_part};
use super::quote::{factor, quote};
use crate::ir::training::{TrainedParam, Training};
use crate::source::Span;
use crate::syntax::ast::{Block, Expr, ExprKind, Name, Number, Range, Stmt, StmtKind};
use std::rc::Rc;

impl Expander<'_> {
    pub(super) fn write_training(&mut self, net: &str) {
        let Some(plan) = self.plan_of(net).cloned() else { return };
        self.write_params(net);
        for rule in &plan.rules {
            self.write_optimizer(&rule.optimizer);
        }
        let training = TrainBlock {
            net: net.to_owned(),
            weights: self.nets[net].params.clone(),
            plan: plan.clone(),
        };
        let before = self.before(&training);
        self.out.extend(before);
        let body = [
            self.forward(&training),
            self.backward(&training),
            self.updates(&training),
            self.after(&training),
        ];
        let span = plan.span;
        let body = Block { stmts: body.concat(), span };
        let hi = match self.settings.steps {
            Some(steps) => count(steps, span),
            None => plan.steps.clone(),
        };
        let range = Range { lo: count(0, span), hi, span };
        let var = Name { text: "t".to_owned(), span };
        self.out.push(Stmt { kind: StmtKind::For { var, range, body }, span });
        let trained = self.trained_names(&training);
        self.trained.push(trained);
    }

    fn part(&self, training: &TrainBlock, part: &str) -> String {
        self.names.of_part(&training.net, part)
    }

    /// The names of the arrays of inputs, or of a part of them.
    fn arrays(&self, training: &TrainBlock, prefix: &str) -> Vec<String> {
        let count = training.plan.inputs.len();
        (0..count)
            .map(|k| self.part(training, &format!("{prefix}{}", input_part(k, count))))
            .collect()
    }

    /// `let name[i] = f(…, xs[i]);`
    fn predict(&self, training: &TrainBlock, name: &str, arrays: &[String]) -> Vec<Stmt> {
        let inputs: Vec<String> = arrays.iter().map(|array| format!("{array}[i]")).collect();
        let inputs = inputs.join(", ");
        let Some(mut value) = self.applied(&training.net, "", &inputs) else { return Vec::new() };
        if training.plan.center
            && let Some(first) = self.applied(&training.net, "_0", &inputs)
        {
            value = format!("{value} - {first}");
        }
        quote(&format!("let {name}[i] = {value};"), training.plan.span, &[])
    }

    /// The sum of the loss over all samples.
    fn total_loss(training: &TrainBlock, prediction: &str, targets: &str) -> String {
        match &training.plan.loss {
            Loss::Square => format!("sum(({prediction} - {targets})^2) / 2"),
            Loss::Function(name) => format!("sum({}({prediction}, {targets}))", name.text),
        }
    }

    /// Row 0 of what is tracked, and the first states.
    fn before(&self, training: &TrainBlock) -> Vec<Stmt> {
        let (plan, span) = (&training.plan, training.plan.span);
        let part = |name: &str| self.part(training, name);
        let first = part("first");
        let mut stmts = self.predict(training, &first, &self.arrays(training, ""));
        let loss = Self::total_loss(training, &first, &part("targets"));
        let text = format!("var {} = [{first}]; var {} = [{loss}];", part("train"), part("loss"));
        stmts.extend(quote(&text, span, &[]));
        if let Some(test) = &plan.test {
            let arrays = self.arrays(training, "test_");
            for (array, expr) in arrays.iter().zip(test) {
                stmts.extend(quote(&format!("let {array} = _x;"), expr.span, &[("_x", expr)]));
            }
            let first = part("first_test");
            stmts.extend(self.predict(training, &first, &arrays));
            stmts.extend(quote(&format!("var {} = [{first}];", part("test")), span, &[]));
        }
        for (weight, rule) in training.weights.iter().zip(&plan.rules) {
            let optimizer = &self.optimizers[&rule.optimizer];
            for state in &optimizer.states {
                let name = part(&format!("{}_{}", weight.name.text, state.name.text));
                let Some(value) = &state.value else { continue };
                stmts.extend(quote(
                    &format!("var {name} = _v;"),
                    weight.name.span,
                    &[("_v", value)],
                ));
            }
        }
        stmts
    }

    /// Predictions on the batch and their loss.
    fn forward(&self, training: &TrainBlock) -> Vec<Stmt> {
        let (plan, span) = (&training.plan, training.plan.span);
        let part = |name: &str| self.part(training, name);
        let (prediction, targets, loss) = (part("pred"), part("targets"), part("fit"));
        let whole = self.arrays(training, "");
        match &plan.batch {
            None => {
                let mut stmts = self.predict(training, &prediction, &whole);
                let value = Self::total_loss(training, &prediction, &targets);
                stmts.extend(quote(&format!("let {loss} = {value};"), span, &[]));
                stmts
            }
            Some(Batch::Slice { size, start }) => {
                let some = part("batch_targets");
                let start_text = if start.is_some() { "_start" } else { "t * _size" };
                let mut holes = vec![("_size", size)];
                holes.extend(start.as_ref().map(|start| ("_start", start)));
                let mut stmts = Vec::new();
                let arrays = self.arrays(training, "batch_");
                let slices = whole.iter().zip(&arrays).chain([(&targets, &some)]);
                for (array, slice) in slices {
                    let text = format!("let {slice} = cycle({array}, {start_text}, _size);");
                    stmts.extend(quote(&text, size.span, &holes));
                }
                stmts.extend(self.predict(training, &prediction, &arrays));
                let value = Self::total_loss(training, &prediction, &some);
                stmts.extend(quote(&format!("let {loss} = {value};"), span, &[]));
                stmts
            }
            Some(Batch::Mask(mask)) => {
                let name = part("mask");
                let mut stmts = quote(&format!("let {name} = _m;"), mask.span, &[("_m", mask)]);
                stmts.extend(self.predict(training, &prediction, &whole));
                let (f, y) = (format!("{prediction}[i]"), format!("{targets}[i]"));
                let value = Self::total_loss(training, &f, &y);
                let text = format!("let {loss} = sum[i]({name}[i] * {value});");
                stmts.extend(quote(&text, span, &[]));
                stmts
            }
        }
    }

    /// The input of every Q: n^d · ∂loss/∂w.
    fn backward(&self, training: &TrainBlock) -> Vec<Stmt> {
        let loss = self.part(training, "fit");
        let one = |(weight, abcd): (&Weight, &[crate::ir::Exponent; 4])| {
            let name = &weight.name.text;
            let (now, g) = (self.part(training, name), self.part(training, &format!("{name}_g")));
            let text = format!("let {g} = {}grad({loss}, {now});", factor(abcd[3]));
            quote(&text, training.plan.span, &[])
        };
        training.weights.iter().zip(&training.plan.scheme.params).flat_map(one).collect()
    }

    /// Steps of all parameters, then the parameters and states themselves.
    fn updates(&self, training: &TrainBlock) -> Vec<Stmt> {
        let mut steps = Vec::new();
        let mut assignments = Vec::new();
        for place in 0..training.weights.len() {
            let (step, assigned) = self.update(training, place);
            steps.extend(step);
            assignments.extend(assigned);
        }
        steps.extend(assignments);
        steps
    }

    /// The step of one parameter, and what it changes.
    fn update(&self, training: &TrainBlock, place: usize) -> (Vec<Stmt>, Vec<Stmt>) {
        let plan = &training.plan;
        let weight = &training.weights[place];
        let (name, span) = (&weight.name.text, plan.optimizer_span);
        let part = |part: &str| self.part(training, &format!("{name}_{part}"));
        let now = self.part(training, name);
        let rule = &plan.rules[place];
        let optimizer = &self.optimizers[&rule.optimizer];
        let states: Vec<String> =
            optimizer.states.iter().map(|state| part(&state.name.text)).collect();
        let mut results = vec![part("move")];
        results.extend(optimizer.decays.then(|| part("decay")));
        results.extend(states.iter().map(|state| format!("{state}_new")));
        let left = match results.as_slice() {
            [one] => one.clone(),
            _ => format!("({})", results.join(", ")),
        };
        let values: Vec<String> = (0..rule.values.len()).map(|k| format!("_{k}")).collect();
        let args = [values.clone(), vec![now.clone(), part("g"), "t".to_owned()], states.clone()];
        let text = format!("let {left} = {}({});", rule.optimizer, args.concat().join(", "));
        let holes: Vec<(&str, &Expr)> =
            values.iter().map(String::as_str).zip(&rule.values).collect();
        let mut steps = quote(&text, span, &holes);
        let rate = optimizer.hypers.iter().position(|hyper| hyper.name.text == "lr");
        let limited = self.limited(training, place, rate.map(|rate| &rule.values[rate]));
        steps.extend(limited);
        let mut decay = Vec::new();
        decay.extend(optimizer.decays.then(|| part("decay")));
        decay.extend(plan.decay[place].as_ref().map(|_| "_l".to_owned()));
        let kept = match decay.as_slice() {
            [] => now.clone(),
            lambdas => format!("(1 - {}) * {now}", lambdas.join(" - ")),
        };
        let holes: Vec<(&str, &Expr)> = plan.decay[place].iter().map(|l| ("_l", l)).collect();
        let mut assigned = quote(&format!("{now} := {kept} - {};", part("update")), span, &holes);
        for state in &states {
            assigned.extend(quote(&format!("{state} := {state}_new;"), span, &[]));
        }
        (steps, assigned)
    }

    /// The update n^(−c) · step, after schedule, normalisation and clipping. Norms are those of what Q gives, without the
    /// learning rate `rate`; divided by n^e with e = 1 for a mat, 1/2 for a vec (Def. 2.10.4), of each mat by itself.
    fn limited(&self, training: &TrainBlock, place: usize, rate: Option<&Expr>) -> Vec<Stmt> {
        let plan = &training.plan;
        let weight = &training.weights[place];
        let part = |part: &str| self.part(training, &format!("{}_{part}", weight.name.text));
        let (mut step, norm) = (part("move"), part("norm"));
        let mut stmts = Vec::new();
        let mut holes: Vec<(&str, &Expr)> = Vec::new();
        holes.extend(rate.map(|rate| ("_rate", rate)));
        let over_rate = if rate.is_some() { " / _rate" } else { "" };
        if plan.normalize || plan.clip[place].is_some() {
            let squares = format!("all(({step}{over_rate})^2)");
            let squares = if weight.width() == 2 { squares } else { format!("sum({squares})") };
            stmts.extend(quote(&format!("let {norm} = sqrt({squares});"), plan.span, &holes));
        }
        if plan.normalize {
            step = format!("{step} / {norm}");
        }
        if let Some(threshold) = &plan.clip[place] {
            holes.push(("_theta", threshold));
            let size = if plan.normalize { "1".to_owned() } else { norm };
            step = format!("{step} / max({size} / _theta, 1)");
        }
        if let Some(schedule) = &plan.schedule {
            holes.push(("_schedule", schedule));
            step = format!("_schedule * {step}");
        }
        let text =
            format!("let {} = {}{step};", part("update"), factor(-plan.scheme.params[place][2]));
        stmts.extend(quote(&text, plan.optimizer_span, &holes));
        stmts
    }

    /// The next row of what is tracked.
    fn after(&self, training: &TrainBlock) -> Vec<Stmt> {
        let span = training.plan.span;
        let part = |name: &str| self.part(training, name);
        let now = part("now");
        let mut stmts = self.predict(training, &now, &self.arrays(training, ""));
        let loss = Self::total_loss(training, &now, &part("targets"));
        let (train, fits) = (part("train"), part("loss"));
        let text = format!("{train} := append({train}, {now}); {fits} := append({fits}, {loss});");
        stmts.extend(quote(&text, span, &[]));
        if training.plan.test.is_some() {
            let (now, test) = (part("now_test"), part("test"));
            stmts.extend(self.predict(training, &now, &self.arrays(training, "test_")));
            stmts.extend(quote(&format!("{test} := append({test}, {now});"), span, &[]));
        }
        stmts
    }

    fn trained_names(&self, training: &TrainBlock) -> Training {
        let param = |(weight, abcd): (&Weight, &[crate::ir::Exponent; 4])| {
            let part = |part: &str| self.part(training, &format!("{}_{part}", weight.name.text));
            TrainedParam {
                name: weight.name.text.clone(),
                span: weight.name.span,
                width: weight.width(),
                abcd: *abcd,
                gradient: part("g"),
                update: part("update"),
            }
        };
        let scheme = &training.plan.scheme;
        Training {
            net: training.net.clone(),
            span: training.plan.span,
            out: scheme.out,
            prediction: self.part(training, "pred"),
            params: training.weights.iter().zip(&scheme.params).map(param).collect(),
        }
    }
}

/// A network with its parameters and how it is trained.
struct TrainBlock {
    net: String,
    weights: Vec<Weight>,
    plan: Rc<Plan>,
}

/// A number of steps.
fn count(value: usize, span: Span) -> Expr {
    let exact = i128::try_from(value).ok().map(num_rational::Ratio::from_integer);
    let number = Number { text: value.to_string(), exact, value: value as f64 };
    Expr { kind: ExprKind::Number(number), span }
}
