//! First outputs and the tangent kernel of a network.
//!
//! A step of gradient descent changes f_i by −η Σ_j χ_j Θ_ij with Θ_ij = Σ_w n^(d − c) ⟨∂f_i/∂w|∂f_j/∂w⟩ over all parameters w
//! and their entries, since w moves by n^(−c) n^d ∂loss/∂w. The covariance of the first outputs is the NNGP kernel.

use super::Expander;
use super::net::input_part;
use super::quote::{factor, quote};

impl Expander<'_> {
    /// `let f_start[i] = f(…, xs[i]);` and `let f_ntk[i, j] = …;`, once.
    pub(super) fn write_kernel(&mut self, net: &str) {
        let key = format!("kernel {net}");
        let Some(plan) = self.plan_of(net).cloned().filter(|_| !self.written.contains(&key)) else {
            return;
        };
        self.written.push(key);
        let part = |part: &str| self.names.of_part(net, part);
        let count = plan.inputs.len();
        let inputs: Vec<String> =
            (0..count).map(|k| format!("{}[i]", part(&input_part(k, count)))).collect();
        let Some(value) = self.applied(net, "_0", &inputs.join(", ")) else { return };
        let (start, kernel) = (part("start"), part("ntk"));
        let mut text = format!("let {start}[i] = {value};");
        let mut terms = Vec::new();
        for (weight, abcd) in self.nets[net].params.iter().zip(&plan.scheme.params) {
            let name = &weight.name.text;
            let (first, tangent) = (part(&format!("{name}_0")), part(&format!("{name}_tangent")));
            text.push_str(&format!("let {tangent}[i] = grad({start}[i], {first});"));
            let width = i64::try_from(weight.width()).expect("at most two width axes");
            let product = format!("{tangent}[i] * {tangent}[j]");
            // `all` is a mean over the width
            let entries = if width > 0 { format!("all({product})") } else { product };
            terms.push(format!("{}sum({entries})", factor(abcd[3] - abcd[2] + width)));
        }
        text.push_str(&format!("let {kernel}[i, j] = {};", terms.join(" + ")));
        let stmts = quote(&text, plan.span, &[]);
        self.out.extend(stmts);
    }
}
