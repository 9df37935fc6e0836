//! Emits one body as Cranelift code.

mod instruction;

use super::{BLOCK, declare_block};
use crate::codegen::body::{Body, Op, Slot};
use crate::ir::Prim;
use cranelift::codegen::ir::{BlockArg, FuncRef};
use cranelift::jit::JITModule;
use cranelift::module::Module;
use cranelift::prelude::*;

/// So many vectors are one turn of the loop of a short stage, each with its own sums.
const COPIES: usize = 4;
/// Operations of a short stage, operands included.
const SHORT: usize = 8;

/// Fills a function for a body; returns how many scratch rows it uses.
pub(super) fn emit(
    builder: FunctionBuilder,
    module: &mut JITModule,
    body: &Body,
    double: bool,
    fma: bool,
) -> Result<usize, String> {
    let mut emitter = Emitter::new(builder, body, double, fma);
    emitter.prologue();
    for stage in 0..=emitter.stages {
        emitter.calls(module, stage)?;
        emitter.stage(stage);
    }
    emitter.builder.ins().return_(&[]);
    emitter.builder.seal_all_blocks();
    let rows = emitter.rows;
    emitter.builder.finalize(module.target_config());
    Ok(rows)
}

struct Emitter<'a> {
    builder: FunctionBuilder<'a>,
    body: &'a Body,
    fma: bool,
    scalar: Type,
    vector: Type,
    /// The stage of each operation: 0, then one more after each call.
    stage: Vec<u32>,
    stages: u32,
    /// Whether no operand moves.
    fixed: Vec<bool>,
    uses: Vec<u32>,
    /// The scratch row of values that cross stages and of calls.
    row: Vec<Option<usize>>,
    rows: usize,
    /// The stage in which each output is stored.
    store_stage: Vec<u32>,
    frame: Frame,
    /// Values of operations that do not move, as scalars and as vectors.
    held: [Vec<Option<Value>>; 2],
    /// Values of the current loop.
    local: Vec<Option<Value>>,
    local_stage: u32,
    wide: bool,
    at: Value,
}

/// Function parameters and base addresses.
#[derive(Default)]
struct Frame {
    streams: Vec<Value>,
    outputs: Vec<Value>,
    uniforms: Option<Value>,
    sums: Option<Value>,
    scratch: Option<Value>,
    start: Option<Value>,
    end: Option<Value>,
}

impl<'a> Emitter<'a> {
    fn new(builder: FunctionBuilder<'a>, body: &'a Body, double: bool, fma: bool) -> Self {
        let count = body.ops.len();
        let mut this = Self {
            builder,
            body,
            fma,
            scalar: if double { types::F64 } else { types::F32 },
            vector: if double { types::F64X2 } else { types::F32X4 },
            stage: vec![0; count],
            stages: 0,
            fixed: vec![false; count],
            uses: vec![0; count],
            row: vec![None; count],
            rows: 0,
            store_stage: Vec::new(),
            frame: Frame::default(),
            held: [vec![None; count], vec![None; count]],
            local: vec![None; count],
            local_stage: 0,
            wide: false,
            at: Value::from_u32(0),
        };
        this.schedule();
        this
    }

    fn bytes(&self) -> i64 {
        i64::from(self.scalar.bytes())
    }

    fn lanes(&self) -> i64 {
        i64::from(self.vector.lane_count())
    }

    fn operands(&self, slot: Slot) -> Vec<Slot> {
        self.body.operands(slot).to_vec()
    }

    fn is_call(&self, slot: Slot) -> bool {
        Body::is_call(self.body.ops[slot as usize])
    }

    /// Stages, uses and scratch rows.
    fn schedule(&mut self) {
        for slot in 0..self.body.ops.len() {
            let args = self.operands(slot as Slot);
            let latest = args.iter().map(|arg| self.stage[*arg as usize]).max().unwrap_or(0);
            let call = self.is_call(slot as Slot);
            self.stage[slot] = latest + u32::from(call);
            self.stages = self.stages.max(self.stage[slot]);
            let op = self.body.ops[slot];
            self.fixed[slot] = matches!(op, Op::Uniform(_))
                || (!args.is_empty() && !call && args.iter().all(|arg| self.fixed[*arg as usize]));
            for arg in &args {
                self.uses[*arg as usize] += 1;
            }
            // the uniform of a soft sign is read where it lies
            let moving = if matches!(op, Op::SoftSign(_)) { &args[..1] } else { &args[..] };
            for arg in moving {
                self.cross(*arg, self.stage[slot], call);
            }
            if call {
                self.assign_row(slot as Slot);
            }
        }
        for (k, slot) in self.body.stores.clone().into_iter().enumerate() {
            self.uses[slot as usize] += 1;
            let stage = self.stage[slot as usize].max(self.last_read(k as u32));
            self.cross(slot, stage, false);
            self.store_stage.push(stage);
        }
        for slot in self.body.sums.clone() {
            self.uses[slot as usize] += 1;
        }
    }

    /// The last stage that reads what an output held before.
    fn last_read(&self, output: u32) -> u32 {
        let is_old = |slot: &Slot| self.body.ops[*slot as usize] == Op::Old(output);
        if self.body.stores.iter().any(is_old) {
            return self.stages;
        }
        let readers = (0..self.body.ops.len() as Slot)
            .filter(|slot| self.body.operands(*slot).iter().any(is_old));
        readers.map(|slot| self.stage[slot as usize]).max().unwrap_or(0)
    }

    /// Makes a value available in a later stage, or as the operand of a call.
    fn cross(&mut self, slot: Slot, stage: u32, call: bool) {
        let leaf = match self.body.ops[slot as usize] {
            Op::Stream(_) => true,
            Op::Old(_) | Op::Uniform(_) => !call,
            Op::Prim(..) | Op::Ratio(_) | Op::SoftSign(_) => self.fixed[slot as usize] && !call,
        };
        if !leaf && (call || stage > self.stage[slot as usize]) {
            self.assign_row(slot);
        }
    }

    fn assign_row(&mut self, slot: Slot) {
        if self.row[slot as usize].is_none() {
            self.row[slot as usize] = Some(self.rows);
            self.rows += 1;
        }
    }

    /// Loads base addresses and computes what does not move.
    fn prologue(&mut self) {
        let entry = self.builder.create_block();
        self.builder.append_block_params_for_function_params(entry);
        self.builder.switch_to_block(entry);
        let params = self.builder.block_params(entry).to_vec();
        let flags = MemFlagsData::trusted();
        let pointer = |this: &mut Self, table: Value, k: u32| {
            this.builder.ins().load(types::I64, flags, table, 8 * k as i32)
        };
        for k in 0..self.body.streams {
            let base = pointer(self, params[0], k);
            self.frame.streams.push(base);
        }
        for k in 0..self.body.stores.len() as u32 {
            let base = pointer(self, params[2], k);
            self.frame.outputs.push(base);
        }
        // element `start` of the loop is element 0 of every scratch row
        let bytes = self.bytes();
        let skipped = self.builder.ins().imul_imm_s(params[5], bytes);
        let scratch = self.builder.ins().isub(params[4], skipped);
        self.frame.uniforms = Some(params[1]);
        self.frame.sums = Some(params[3]);
        self.frame.scratch = Some(scratch);
        self.frame.start = Some(params[5]);
        self.frame.end = Some(params[6]);
        for slot in 0..self.body.ops.len() {
            if !self.fixed[slot] {
                continue;
            }
            if let Op::Uniform(k) = self.body.ops[slot] {
                let offset = k as i32 * self.bytes() as i32;
                let value = self.builder.ins().load(self.scalar, flags, params[1], offset);
                self.held[0][slot] = Some(value);
                self.held[1][slot] = Some(self.builder.ins().splat(self.vector, value));
            } else {
                for wide in [false, true] {
                    self.wide = wide;
                    let value = self.instruction(slot as Slot);
                    self.held[usize::from(wide)][slot] = Some(value);
                }
            }
        }
    }

    fn param(value: Option<Value>) -> Value {
        value.expect("the prologue comes first")
    }

    /// The calls whose results belong to a stage.
    fn calls(&mut self, module: &mut JITModule, stage: u32) -> Result<(), String> {
        for slot in 0..self.body.ops.len() as Slot {
            if self.stage[slot as usize] != stage || !self.is_call(slot) {
                continue;
            }
            let op = self.body.ops[slot as usize];
            let function = self.function(module, op)?;
            let start = Self::param(self.frame.start);
            let end = Self::param(self.frame.end);
            let len = self.builder.ins().isub(end, start);
            let args = self.operands(slot);
            let x = self.block_address(args[0]);
            let y = match op {
                Op::Prim(Prim::Pow(p), _) => self.fill_row(slot, crate::ir::scalar::to_f64(p)),
                Op::SoftSign([_, e]) => self.uniform_address(e),
                _ => args.get(1).map_or(x, |y| self.block_address(*y)),
            };
            let out = self.block_address(slot);
            self.builder.ins().call(function, &[x, y, out, len]);
        }
        Ok(())
    }

    fn function(&mut self, module: &mut JITModule, op: Op) -> Result<FuncRef, String> {
        let name = match op {
            Op::Ratio(_) => "ratio",
            Op::SoftSign(_) => "soft_sign",
            Op::Prim(prim, _) => Self::name(prim).ok_or(format!("{prim:?} is an instruction"))?,
            Op::Stream(_) | Op::Old(_) | Op::Uniform(_) => return Err("operands are there".into()),
        };
        let name = format!("{name}_f{}", self.scalar.bits());
        let id = declare_block(module, &name)?;
        Ok(module.declare_func_in_func(id, self.builder.func))
    }

    /// The function of a primitive that is a call.
    fn name(prim: Prim) -> Option<&'static str> {
        Some(match prim {
            Prim::Exp => "exp",
            Prim::Log => "log",
            Prim::Sin => "sin",
            Prim::Cos => "cos",
            Prim::Tanh => "tanh",
            Prim::Erf => "erf",
            Prim::Sigmoid => "sigmoid",
            Prim::Softplus => "softplus",
            Prim::Pow(_) | Prim::Powf => "power",
            _ => return None,
        })
    }

    /// Where element `start` of a stream or scratch row lies.
    fn block_address(&mut self, slot: Slot) -> Value {
        let base = match (self.body.ops[slot as usize], self.row[slot as usize]) {
            (Op::Stream(k), None) => self.frame.streams[k as usize],
            (_, row) => self.row_base(row.expect("operands of calls have rows")),
        };
        let start = Self::param(self.frame.start);
        let bytes = self.bytes();
        let skipped = self.builder.ins().imul_imm_s(start, bytes);
        self.builder.ins().iadd(base, skipped)
    }

    /// Where a uniform lies.
    fn uniform_address(&mut self, slot: Slot) -> Value {
        let Op::Uniform(k) = self.body.ops[slot as usize] else {
            unreachable!("a soft sign has a uniform as its second operand");
        };
        let base = Self::param(self.frame.uniforms);
        let offset = i64::from(k) * self.bytes();
        self.builder.ins().iadd_imm_s(base, offset)
    }

    fn row_base(&mut self, row: usize) -> Value {
        let scratch = Self::param(self.frame.scratch);
        let offset = (row * BLOCK) as i64 * self.bytes();
        self.builder.ins().iadd_imm_s(scratch, offset)
    }

    /// Fills the output row of a call with its constant exponent and gives its address.
    fn fill_row(&mut self, slot: Slot, exponent: f64) -> Value {
        let value = if self.scalar == types::F64 {
            self.builder.ins().f64const(exponent)
        } else {
            self.builder.ins().f32const(exponent as f32)
        };
        let base = self.row_base(self.row[slot as usize].expect("calls have rows"));
        let bytes = self.bytes();
        self.each(1, &[], |this, at, accumulators| {
            let offset = this.builder.ins().imul_imm_s(at, bytes);
            let address = this.builder.ins().iadd(base, offset);
            this.builder.ins().store(MemFlagsData::trusted(), value, address, 0);
            accumulators.to_vec()
        });
        self.block_address(slot)
    }

    /// The loop `while at + step <= end`, carrying accumulators; starts where the previous loop stopped.
    fn each(
        &mut self,
        step: i64,
        first: &[Value],
        content: impl FnOnce(&mut Self, Value, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        let start = Self::param(self.frame.start);
        self.each_from(start, step, first, content).1
    }

    fn each_from(
        &mut self,
        start: Value,
        step: i64,
        first: &[Value],
        content: impl FnOnce(&mut Self, Value, &[Value]) -> Vec<Value>,
    ) -> (Value, Vec<Value>) {
        let (head, inside, after) =
            (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
        self.builder.append_block_param(head, types::I64);
        for value in first {
            let ty = self.builder.func.dfg.value_type(*value);
            self.builder.append_block_param(head, ty);
        }
        let arguments = |at: Value, rest: &[Value]| -> Vec<BlockArg> {
            std::iter::once(at).chain(rest.iter().copied()).map(BlockArg::Value).collect()
        };
        self.builder.ins().jump(head, &arguments(start, first));
        self.builder.switch_to_block(head);
        let params = self.builder.block_params(head).to_vec();
        let next = self.builder.ins().iadd_imm_s(params[0], step);
        let end = Self::param(self.frame.end);
        let more = self.builder.ins().icmp(IntCC::SignedLessThanOrEqual, next, end);
        self.builder.ins().brif(more, inside, &[], after, &[]);
        self.builder.switch_to_block(inside);
        let sums = content(self, params[0], &params[1..]);
        self.builder.ins().jump(head, &arguments(next, &sums));
        self.builder.switch_to_block(after);
        (params[0], params[1..].to_vec())
    }

    /// The instructions of a stage, in a loop over vectors and one over what is left.
    fn stage(&mut self, stage: u32) {
        let sums: Vec<(usize, Slot)> = self
            .body
            .sums
            .iter()
            .copied()
            .enumerate()
            .filter(|(_, slot)| self.stage[*slot as usize] == stage)
            .collect();
        if !self.has_work(stage, !sums.is_empty()) {
            return;
        }
        let zero = if self.scalar == types::F64 {
            self.builder.ins().f64const(0.0)
        } else {
            self.builder.ins().f32const(0.0)
        };
        let zeros = self.builder.ins().splat(self.vector, zero);
        let start = Self::param(self.frame.start);
        let lanes = self.lanes();
        let slots: Vec<Slot> = sums.iter().map(|(_, slot)| *slot).collect();
        let copies = if self.is_short(stage) { COPIES } else { 1 };
        let first = vec![zeros; sums.len() * copies];
        let (middle, mut wide) =
            self.each_from(start, lanes * copies as i64, &first, |this, at, acc| {
                let mut all = Vec::new();
                for k in 0..copies {
                    let acc = &acc[k * sums.len()..][..sums.len()];
                    let at = this.builder.ins().iadd_imm_s(at, lanes * k as i64);
                    all.extend(this.elements(true, stage, at, acc, &slots));
                }
                all
            });
        for more in wide.split_off(sums.len()).chunks(sums.len().max(1)) {
            for (sum, more) in wide.iter_mut().zip(more) {
                *sum = self.builder.ins().fadd(*sum, *more);
            }
        }
        let (_, narrow) = self.each_from(middle, 1, &vec![zero; sums.len()], |this, at, acc| {
            this.elements(false, stage, at, acc, &slots)
        });
        for (k, (sum, _)) in sums.iter().enumerate() {
            self.add_to_sum(*sum, wide[k], narrow[k]);
        }
    }

    /// Whether a stage is so little that it would wait for one addition after the other, and for its own loop.
    fn is_short(&self, stage: u32) -> bool {
        let here = |slot: &usize| self.stage[*slot] == stage && !self.fixed[*slot];
        let work = (0..self.row.len()).filter(here).filter(|slot| !self.is_call(*slot as Slot));
        work.count() <= SHORT
    }

    fn has_work(&self, stage: u32, sums: bool) -> bool {
        let crossing = |slot: usize| {
            self.stage[slot] == stage && self.row[slot].is_some() && !self.is_call(slot as Slot)
        };
        sums || self.store_stage.contains(&stage) || (0..self.row.len()).any(crossing)
    }

    /// One step of the loop: scratch rows, stores and sums of this stage.
    fn elements(
        &mut self,
        wide: bool,
        stage: u32,
        at: Value,
        sums: &[Value],
        slots: &[Slot],
    ) -> Vec<Value> {
        self.wide = wide;
        let bytes = self.bytes();
        self.at = self.builder.ins().imul_imm_s(at, bytes);
        self.local.fill(None);
        self.local_stage = stage;
        for slot in 0..self.body.ops.len() as Slot {
            let Some(row) = self.row[slot as usize] else { continue };
            if self.stage[slot as usize] == stage && !self.is_call(slot) {
                let value = self.value(slot);
                let base = self.row_base(row);
                self.store(value, base);
            }
        }
        let mut results = Vec::new();
        for (sum, slot) in sums.iter().zip(slots) {
            let value = self.value(*slot);
            results.push(self.builder.ins().fadd(*sum, value));
        }
        let stores: Vec<(usize, Slot)> = self.body.stores.iter().copied().enumerate().collect();
        let stores = stores.into_iter().filter(|(k, _)| self.store_stage[*k] == stage);
        let values: Vec<(usize, Value)> =
            stores.collect::<Vec<_>>().into_iter().map(|(k, slot)| (k, self.value(slot))).collect();
        for (k, value) in values {
            let base = self.frame.outputs[k];
            self.store(value, base);
        }
        results
    }

    fn store(&mut self, value: Value, base: Value) {
        let address = self.builder.ins().iadd(base, self.at);
        self.builder.ins().store(MemFlagsData::trusted(), value, address, 0);
    }

    fn load(&mut self, base: Value) -> Value {
        let ty = if self.wide { self.vector } else { self.scalar };
        let address = self.builder.ins().iadd(base, self.at);
        // streams are aligned to their elements only
        let flags = MemFlagsData::new().with_notrap();
        self.builder.ins().load(ty, flags, address, 0)
    }

    /// The value of an operation in the current loop.
    fn value(&mut self, slot: Slot) -> Value {
        let index = slot as usize;
        if let Some(value) = self.held[usize::from(self.wide)][index].or(self.local[index]) {
            return value;
        }
        let value = match self.body.ops[index] {
            Op::Stream(k) => self.load(self.frame.streams[k as usize]),
            Op::Old(k) => self.load(self.frame.outputs[k as usize]),
            Op::Uniform(_) => unreachable!("uniforms are held"),
            Op::Prim(..) | Op::Ratio(_) | Op::SoftSign(_)
                if self.is_call(slot) || self.stage[index] < self.local_stage =>
            {
                let base = self.row_base(self.row[index].expect("it crosses stages"));
                self.load(base)
            }
            Op::Prim(..) | Op::Ratio(_) | Op::SoftSign(_) => self.instruction(slot),
        };
        self.local[index] = Some(value);
        value
    }

    fn add_to_sum(&mut self, sum: usize, wide: Value, narrow: Value) {
        let flags = MemFlagsData::trusted();
        let sums = Self::param(self.frame.sums);
        let offset = 8 * sum as i32;
        let mut total = self.builder.ins().load(types::F64, flags, sums, offset);
        for lane in 0..=self.lanes() {
            let part = if lane < self.lanes() {
                self.builder.ins().extractlane(wide, lane as u8)
            } else {
                narrow
            };
            let part = if self.scalar == types::F64 {
                part
            } else {
                self.builder.ins().fpromote(types::F64, part)
            };
            total = self.builder.ins().fadd(total, part);
        }
        self.builder.ins().store(flags, total, sums, offset);
    }
}
