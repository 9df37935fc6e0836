//! Compiles loop bodies with Cranelift and runs them. With `jit::blocks` the only unsafe code of loops.
//!
//! One function per body: `(streams, uniforms, outputs, sums, scratch, start, end)`. Instructions work on vectors of 128
//! bits with a scalar tail. Transcendental operations, and x/√y in some passes, are calls over a block: the loop is cut
//! into stages, and values that cross a cut wait in scratch rows of [`BLOCK`] elements, which stay in the first-level
//! cache. Equal bodies are compiled once.

#![allow(unsafe_code)]

mod blocks;
mod emit;

use super::body::Body;
use super::element::Element;
use cranelift::codegen::ir::Function;
use cranelift::codegen::settings::Configurable;
use cranelift::jit::{JITBuilder, JITModule};
use cranelift::module::{Linkage, Module, default_libcall_names};
use cranelift::prelude::{AbiParam, FunctionBuilder, FunctionBuilderContext, settings, types};
use indexmap::IndexMap;
use std::marker::PhantomData;
use std::sync::Mutex;

/// Elements per block of a loop with calls.
pub const BLOCK: usize = 512;

/// A compiled body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LoopId(usize);

type Code<T> =
    unsafe extern "C" fn(*const *const T, *const T, *const *mut T, *mut f64, *mut T, usize, usize);

/// Collects bodies, then compiles them.
#[derive(Default)]
pub struct Bodies {
    bodies: IndexMap<Body, ()>,
}

impl Bodies {
    /// The id of a body, equal for equal bodies.
    pub fn add(&mut self, body: Body) -> LoopId {
        LoopId(self.bodies.insert_full(body, ()).0)
    }

    /// Compiles everything for one precision. `None` where the machine has no code generator.
    pub fn compile<T: Element>(self) -> Result<Loops<T>, String> {
        let mut compiler = Compiler::new(T::DOUBLE)?;
        let mut compiled = Vec::new();
        for body in self.bodies.keys() {
            compiled.push(compiler.define(body, |_| ())?);
        }
        compiler.module.finalize_definitions().map_err(|error| error.to_string())?;
        let code = compiled.iter().map(|(id, _, ())| {
            let address = compiler.module.get_finalized_function(*id);
            // SAFETY: the function was compiled with exactly this signature.
            unsafe { std::mem::transmute::<*const u8, Code<T>>(address) }
        });
        let code = code.collect();
        let scratch = compiled.iter().map(|(_, rows, _)| *rows).collect();
        let bodies = self.bodies.into_keys().collect();
        let module = Mutex::new(Some(compiler.module));
        Ok(Loops { code, scratch, bodies, module, element: PhantomData })
    }
}

/// Compiled loops. They live as long as this value.
pub struct Loops<T> {
    code: Vec<Code<T>>,
    scratch: Vec<usize>,
    bodies: Vec<Body>,
    module: Mutex<Option<JITModule>>,
    element: PhantomData<T>,
}

impl<T> Drop for Loops<T> {
    fn drop(&mut self) {
        let module = self.module.get_mut().ok().and_then(Option::take);
        if let Some(module) = module {
            // SAFETY: the function pointers are private to this value, which is going away.
            unsafe { module.free_memory() };
        }
    }
}

/// What one run of a loop reads and writes; every stream and output has the same length.
pub struct Operands<'a, 'b, T> {
    /// The streams.
    pub streams: &'a [&'b [T]],
    /// The uniforms.
    pub uniforms: &'a [T],
    /// The outputs.
    pub outputs: &'a mut [&'b mut [T]],
    /// The sums, added to.
    pub sums: &'a mut [f64],
    /// How many elements.
    pub len: usize,
}

impl<T: Element> Loops<T> {
    /// Runs a loop. Sums are accumulated in double precision, block by block.
    pub fn run(&self, id: LoopId, operands: &mut Operands<T>, scratch: &mut Vec<T>) {
        let body = &self.bodies[id.0];
        let len = operands.len;
        assert_eq!(operands.streams.len(), body.streams as usize);
        assert_eq!(operands.uniforms.len(), body.uniforms as usize);
        assert_eq!(operands.outputs.len(), body.stores.len());
        assert_eq!(operands.sums.len(), body.sums.len());
        assert!(operands.streams.iter().all(|stream| stream.len() >= len));
        assert!(operands.outputs.iter().all(|output| output.len() >= len));
        scratch.resize((self.scratch[id.0] * BLOCK).max(scratch.len()), T::zero());
        let streams: smallest::Pointers<*const T> =
            operands.streams.iter().map(|stream| stream.as_ptr()).collect();
        let outputs: smallest::Pointers<*mut T> =
            operands.outputs.iter_mut().map(|output| output.as_mut_ptr()).collect();
        for start in (0..len).step_by(BLOCK) {
            // SAFETY: the code reads and writes elements start..end of the streams and outputs that the body names,
            // whose lengths were checked above, `scratch` rows of BLOCK elements, and the uniforms and sums.
            unsafe {
                self.code[id.0](
                    streams.as_slice().as_ptr(),
                    operands.uniforms.as_ptr(),
                    outputs.as_slice().as_ptr(),
                    operands.sums.as_mut_ptr(),
                    scratch.as_mut_ptr(),
                    start,
                    len.min(start + BLOCK),
                );
            }
        }
    }

    /// The text of every loop as Cranelift's intermediate code.
    ///
    /// # Errors
    /// What Cranelift says.
    pub fn text(&self) -> Result<Vec<String>, String> {
        let mut compiler = Compiler::new(T::DOUBLE)?;
        let text = |function: &Function| function.display().to_string();
        self.bodies.iter().map(|body| Ok(compiler.define(body, text)?.2)).collect()
    }
}

/// Short lists of pointers without allocation.
mod smallest {
    /// Up to 32 in place, more on the heap.
    pub(super) enum Pointers<P> {
        Few([P; 32], usize),
        Many(Vec<P>),
    }

    impl<P: Copy> Pointers<P> {
        pub(super) fn as_slice(&self) -> &[P] {
            match self {
                Self::Few(few, len) => &few[..*len],
                Self::Many(many) => many,
            }
        }
    }

    impl<P: Copy> FromIterator<P> for Pointers<P> {
        fn from_iter<I: IntoIterator<Item = P>>(items: I) -> Self {
            let mut items = items.into_iter();
            let Some(first) = items.next() else { return Self::Many(Vec::new()) };
            let mut few = [first; 32];
            let mut len = 1;
            for item in items.by_ref() {
                if len == few.len() {
                    let rest = std::iter::once(item).chain(items);
                    return Self::Many(few.iter().copied().chain(rest).collect());
                }
                few[len] = item;
                len += 1;
            }
            Self::Few(few, len)
        }
    }
}

struct Compiler {
    module: JITModule,
    double: bool,
    fma: bool,
}

impl Compiler {
    fn new(double: bool) -> Result<Self, String> {
        let mut flags = settings::builder();
        for (name, value) in
            [("opt_level", "none"), ("enable_verifier", "false"), ("is_pic", "false")]
        {
            flags.set(name, value).map_err(|error| error.to_string())?;
        }
        let isa = cranelift::native::builder()?;
        let isa = isa.finish(settings::Flags::new(flags)).map_err(|error| error.to_string())?;
        let fma = match isa.triple().architecture.to_string().as_str() {
            "x86_64" => isa
                .isa_flags()
                .iter()
                .any(|flag| flag.name == "has_fma" && flag.as_bool() == Some(true)),
            _ => true,
        };
        let mut builder = JITBuilder::with_isa(isa, default_libcall_names());
        for (name, address) in blocks::table() {
            builder.symbol(name, address);
        }
        Ok(Self { module: JITModule::new(builder), double, fma })
    }

    /// Compiles a body: its function, its scratch rows, and what is seen of its intermediate code.
    fn define<R>(
        &mut self,
        body: &Body,
        see: impl FnOnce(&Function) -> R,
    ) -> Result<(cranelift::module::FuncId, usize, R), String> {
        let mut context = self.module.make_context();
        for _ in 0..7 {
            context.func.signature.params.push(AbiParam::new(types::I64));
        }
        let id = self
            .module
            .declare_anonymous_function(&context.func.signature)
            .map_err(|error| error.to_string())?;
        let mut builder_context = FunctionBuilderContext::new();
        let builder = FunctionBuilder::new(&mut context.func, &mut builder_context);
        let rows = emit::emit(builder, &mut self.module, body, self.double, self.fma)?;
        let seen = see(&context.func);
        self.module.define_function(id, &mut context).map_err(|error| format!("{error:?}"))?;
        Ok((id, rows, seen))
    }
}

/// The symbol of a function over blocks.
fn declare_block(module: &mut JITModule, name: &str) -> Result<cranelift::module::FuncId, String> {
    let mut signature = module.make_signature();
    for _ in 0..4 {
        signature.params.push(AbiParam::new(types::I64));
    }
    module.declare_function(name, Linkage::Import, &signature).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
