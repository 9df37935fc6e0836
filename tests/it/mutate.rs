//! No panic on any input: programs of the repository, damaged at random, go through the front end and the renderer.
//!
//! `TPC_MUTATIONS=100000` sets how many, `TPC_SEED` where the random numbers begin. What still is a program after the
//! damage must be formatted stably and keep its tree.

use crate::golden::diagnose;
use crate::tidy::{complain, files, read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use tpc::diag::Diags;
use tpc::diag::render::{Format, render};
use tpc::source::SourceMap;
use tpc::syntax::{ast::Program, format, lexer::lex, parse, print::one_line};

/// Splitmix64: enough for choosing places.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, or 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

fn programs() -> Vec<String> {
    let folders = ["programs", "tests"].iter().flat_map(|folder| files(folder, "tp"));
    let pages = files("docs", "md").into_iter();
    let blocks = pages.flat_map(|path| crate::golden::blocks(&read(&path)));
    let blocks = blocks.filter(|(info, _)| info != "ignore").map(|(_, text)| text);
    // The program that is too large takes too long.
    let small = |text: &String| !text.contains("000000");
    folders.map(|path| read(&path)).chain(blocks).filter(small).collect()
}

fn pieces(text: &str) -> Vec<String> {
    let mut sources = SourceMap::default();
    let id = sources.add("x.tp", text);
    let tokens = lex(sources.get(id), &mut Diags::default()).tokens;
    let mut end = 0;
    let mut pieces = Vec::new();
    for lexeme in tokens {
        pieces.push(text[end..lexeme.start].to_owned());
        pieces.push(text[lexeme.start..lexeme.end].to_owned());
        end = lexeme.end;
    }
    pieces
}

/// Drops, doubles, exchanges or replaces a few tokens.
fn damage_tokens(text: &str, pool: &[String], random: &mut Random) -> String {
    let mut pieces = pieces(text);
    for _ in 0..=random.below(4) {
        let at = random.below(pieces.len());
        if pieces.is_empty() {
            break;
        }
        match random.below(5) {
            0 => drop(pieces.remove(at)),
            1 => pieces.insert(at, pool[random.below(pool.len())].clone()),
            2 => pieces[at].clone_from(&pool[random.below(pool.len())]),
            3 => {
                let other = random.below(pieces.len());
                pieces.swap(at, other);
            }
            _ => {
                let end = (at + 1 + random.below(20)).min(pieces.len());
                let copy = pieces[at..end].to_vec();
                pieces.splice(at..at, copy);
            }
        }
    }
    pieces.concat()
}

/// Exchanges a few tokens for others of their sort, so that often a program is left that can be read.
fn exchange_tokens(text: &str, pool: &[String], random: &mut Random) -> String {
    let sort = |piece: &str| match piece.chars().next() {
        Some(first) if first.is_ascii_digit() => 0,
        Some(first) if first.is_alphabetic() => 1,
        Some(first) if "+-*/@^<>=".contains(first) => 2,
        Some(_) | None => 3,
    };
    let mut pieces = pieces(text);
    for _ in 0..=random.below(3) {
        let at = random.below(pieces.len());
        let candidates = (0..50).map(|_| &pool[random.below(pool.len())]);
        let same = |new: &&String| pieces.get(at).is_some_and(|old| sort(old) == sort(new));
        // Long loops are not what is tested here.
        if let Some(new) = candidates.filter(|new| new.len() < 12).find(same) {
            let new = if sort(new) == 0 && new.len() > 2 { "7".to_owned() } else { new.clone() };
            pieces[at] = new;
        }
    }
    pieces.concat()
}

/// Drops, inserts or replaces a few characters, or cuts the text off.
fn damage_characters(text: &str, random: &mut Random) -> String {
    let alphabet: Vec<char> =
        "()[]{};:=~<>+-*/@^'.,\"\\ \n\t09ex_n#&|!$é→α\u{0}\u{feff}\u{2028}".chars().collect();
    let mut all: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(6) {
        let at = random.below(all.len());
        let new = alphabet[random.below(alphabet.len())];
        match random.below(8) {
            _ if all.is_empty() => all.push(new),
            0 => all.truncate(at),
            1 | 2 => drop(all.remove(at)),
            3..=5 => all.insert(at, new),
            _ => all[at] = new,
        }
    }
    all.into_iter().collect()
}

fn tree(text: &str) -> (Program, Option<String>) {
    let mut sources = SourceMap::default();
    let id = sources.add("x.tp", text);
    let program = parse(sources.get(id), &mut Diags::default());
    (program, format(sources.get(id), &mut Diags::default()))
}

/// Formatting keeps the tree and is stable.
pub fn check_format(text: &str) -> Result<(), String> {
    let (program, Some(once)) = tree(text) else { return Ok(()) };
    let (again, twice) = tree(&once);
    if again != program {
        return Err(format!("formatting changes the program:\n{text}\n-- formatted\n{once}"));
    }
    if twice.as_ref() != Some(&once) {
        return Err(format!(
            "formatting twice differs:\n{once}\n-- again\n{}",
            twice.unwrap_or_default()
        ));
    }
    Ok(())
}

fn go_through(text: &str) -> Result<(), String> {
    let (diags, sources) = diagnose("x.tp", text, Path::new("programs"));
    render(&diags, &sources, Format::Human);
    render(&diags, &sources, Format::Json);
    one_line(text);
    check_format(text)
}

fn run(programs: &[String], pool: &[String], seed: u64, count: usize) -> Vec<String> {
    let mut random = Random(seed);
    let mut problems = Vec::new();
    for _ in 0..count {
        let program = &programs[random.below(programs.len())];
        let text = match random.below(4) {
            0 => damage_characters(program, &mut random),
            1 => exchange_tokens(program, pool, &mut random),
            2 => damage_tokens(program, pool, &mut random),
            _ => damage_characters(&damage_tokens(program, pool, &mut random), &mut random),
        };
        match catch_unwind(AssertUnwindSafe(|| go_through(&text))) {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => problems.push(problem),
            Err(_) => problems.push(format!("panic on\n{text}")),
        }
        if problems.len() >= 3 {
            break;
        }
    }
    problems
}

#[test]
fn no_input_makes_it_panic() {
    let number = |name: &str, default| {
        std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
    };
    let (count, seed) = (number("TPC_MUTATIONS", 100_000), number("TPC_SEED", 1));
    let programs = programs();
    let pool: Vec<String> = programs.iter().flat_map(|text| pieces(text)).collect();
    let (programs, pool) = (&programs, &pool);
    let problems = std::thread::scope(|scope| {
        let threads = [0, 1].map(|thread| {
            scope.spawn(move || run(programs, pool, (seed + thread) as u64 * 1_000_003, count / 2))
        });
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("panics are caught inside"))
            .collect::<Vec<_>>()
    });
    complain(&problems);
}

/// As deep as is accepted, in all ways at once: the stack of a test thread must do.
#[test]
fn the_deepest_programs_fit_on_the_stack() {
    let minus = "-".repeat(190);
    let chain = |word: &str, end: &str| {
        let link =
            |k: usize| format!("{word} {minus}f{}(x){end}\n", k - 1).replace('#', &k.to_string());
        (1..60).map(link).collect::<String>()
    };
    let functions = chain("fn f#(x) =", ";");
    let blocks = chain("def f#(x) { return", "; }");
    let texts = [
        format!("fn f0(x) = x;\n{functions}output f59(1);"),
        format!("def f0(x) {{ return x; }}\n{blocks}output f59(1);"),
        format!("let x = {}1{};\noutput x;", "(".repeat(150), ")".repeat(150)),
        format!("let x = {}1{};\noutput x;", "[".repeat(150), "]".repeat(150)),
        format!("let x = {}1{};\noutput x;", "tanh(".repeat(150), ")".repeat(150)),
        format!("let x = {}1;\noutput x;", "1 + ".repeat(190)),
        format!("let x = {}3;\noutput x;", "if 1 > 2 then 1 else ".repeat(190)),
        format!("fn g(x) = x^3;\nlet x = g{}(1);\noutput x;", "'".repeat(190)),
        format!(
            "init x : vec ~ N(0, 1);\nlet y = {}0{};",
            "mean[a](x[a] + ".repeat(95),
            ")".repeat(95)
        ),
        format!("{}output 1;{}", "if 1 == 1 {".repeat(60), "}".repeat(60)),
    ];
    for text in texts {
        let (diags, sources) = diagnose("deep.tp", &text, Path::new("programs"));
        assert!(!diags.has_errors(), "{}", render(&diags, &sources, Format::Short));
    }
}
