//! `tpc emit`.

use super::args::{EmitArgs, Shown, Stage};
use super::exit;
use super::session::{Session, complain, print};
use crate::codegen::execute::{ExecOptions, prepare};
use crate::ir::{NodeId, graphviz, print as listing};
use crate::syntax::text::text;

pub(super) fn main(args: &EmitArgs, shown: &Shown) -> i32 {
    let mut session = match Session::open(&args.input, shown) {
        Ok(session) => session,
        Err(code) => return code,
    };
    if args.stage == Stage::Leading {
        let Some(checked) = session.checked() else { return session.wrong() };
        session.report();
        print(&listing::listing(&checked.facts.leading));
        return exit::FINE;
    }
    if args.stage == Stage::Core {
        let Some(expanded) = session.expanded() else { return session.wrong() };
        session.report();
        print(&text(&expanded.program));
        return exit::FINE;
    }
    let Some(program) = session.lowered() else { return session.wrong() };
    session.report();
    match args.stage {
        Stage::Core | Stage::Ir | Stage::Leading => print(&listing::listing(&program)),
        Stage::Dot => print(&graphviz::graph(&program)),
        Stage::Clif => {
            let roots: Vec<NodeId> = program.outputs.iter().map(|output| output.node).collect();
            let prepared = prepare::<f32>(&program.ir, &roots, 1024, &ExecOptions::default());
            match prepared.and_then(|prepared| prepared.loop_text()) {
                Ok(text) => print(&text.join("\n")),
                Err(error) => {
                    complain(&format!("error: {error}"));
                    return exit::WRONG;
                }
            }
        }
    }
    exit::FINE
}
