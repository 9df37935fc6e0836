//! Primitives that are one instruction or a few.

use super::Emitter;
use crate::codegen::body::{Op, Slot};
use crate::ir::Prim;
use cranelift::codegen::ir::Endianness;
use cranelift::prelude::*;

impl Emitter<'_> {
    /// Emits a primitive that is an instruction or a few.
    pub(super) fn instruction(&mut self, slot: Slot) -> Value {
        use Prim::*;
        let Op::Prim(prim, args) = self.body.ops[slot as usize] else {
            return self.value(slot);
        };
        if let (Add | Sub, Some(value)) = (prim, self.fused(prim, args)) {
            return value;
        }
        let x = self.value(args[0]);
        let y = if prim.arity() > 1 { self.value(args[1]) } else { x };
        match prim {
            Id => x,
            Neg => self.builder.ins().fneg(x),
            Abs => self.builder.ins().fabs(x),
            Sqrt => self.builder.ins().sqrt(x),
            Add => self.builder.ins().fadd(x, y),
            Sub => self.builder.ins().fsub(x, y),
            Mul => self.builder.ins().fmul(x, y),
            Div => self.builder.ins().fdiv(x, y),
            Pow(p) => self.short_power(x, *p.numer(), *p.denom() == 2),
            Sign => {
                let zero = self.number(0.0);
                let above = self.truth(FloatCC::GreaterThan, x, zero);
                let below = self.truth(FloatCC::LessThan, x, zero);
                self.builder.ins().fsub(above, below)
            }
            Step => self.compare(FloatCC::GreaterThan, x, 0.0),
            Not => self.compare(FloatCC::Equal, x, 0.0),
            // "not above 0" would also take what is not a number
            Relu => {
                let zero = self.number(0.0);
                self.choose(FloatCC::LessThan, (x, zero), zero, x)
            }
            Min => self.choose(FloatCC::GreaterThan, (x, y), y, x),
            Max => self.choose(FloatCC::LessThan, (x, y), y, x),
            Lt => self.truth(FloatCC::LessThan, x, y),
            Le => self.truth(FloatCC::LessThanOrEqual, x, y),
            Eq => self.truth(FloatCC::Equal, x, y),
            And => {
                let (p, q) = (self.nonzero(x), self.nonzero(y));
                self.builder.ins().fmul(p, q)
            }
            Or => {
                let (p, q) = (self.nonzero(x), self.nonzero(y));
                let zero = self.number(0.0);
                let sum = self.builder.ins().fadd(p, q);
                self.truth(FloatCC::GreaterThan, sum, zero)
            }
            Select => {
                let zero = self.number(0.0);
                let z = self.value(args[2]);
                self.choose(FloatCC::Equal, (x, zero), z, y)
            }
            Exp | Log | Sin | Cos | Tanh | Erf | Sigmoid | Softplus | Powf => {
                unreachable!("calls are not instructions")
            }
        }
    }

    /// x ± p·q as one operation, where the product has no other user.
    fn fused(&mut self, prim: Prim, args: [Slot; 3]) -> Option<Value> {
        let product = |this: &Self, slot: Slot| match this.body.ops[slot as usize] {
            Op::Prim(Prim::Mul, [p, q, _])
                if this.fma
                    && this.uses[slot as usize] == 1
                    && !this.fixed[slot as usize]
                    && this.stage[slot as usize] == this.local_stage
                    && this.row[slot as usize].is_none() =>
            {
                Some((p, q))
            }
            _ => None,
        };
        let [x, y, _] = args;
        if let Some((p, q)) = product(self, y) {
            let (p, q, x) = (self.value(p), self.value(q), self.value(x));
            let p = if prim == Prim::Sub { self.builder.ins().fneg(p) } else { p };
            return Some(self.builder.ins().fma(p, q, x));
        }
        let (p, q) = product(self, x)?;
        let (p, q, y) = (self.value(p), self.value(q), self.value(y));
        let y = if prim == Prim::Sub { self.builder.ins().fneg(y) } else { y };
        Some(self.builder.ins().fma(p, q, y))
    }

    fn number(&mut self, value: f64) -> Value {
        let scalar = if self.scalar == types::F64 {
            self.builder.ins().f64const(value)
        } else {
            self.builder.ins().f32const(value as f32)
        };
        if self.wide { self.builder.ins().splat(self.vector, scalar) } else { scalar }
    }

    /// `yes` where the comparison holds, else `no`.
    fn choose(
        &mut self,
        condition: FloatCC,
        (x, y): (Value, Value),
        yes: Value,
        no: Value,
    ) -> Value {
        let mask = self.builder.ins().fcmp(condition, x, y);
        if !self.wide {
            return self.builder.ins().select(mask, yes, no);
        }
        let flags = MemFlagsData::new().with_endianness(Endianness::Little);
        let mask = self.builder.ins().bitcast(self.vector, flags, mask);
        self.builder.ins().bitselect(mask, yes, no)
    }

    fn truth(&mut self, condition: FloatCC, x: Value, y: Value) -> Value {
        let (one, zero) = (self.number(1.0), self.number(0.0));
        self.choose(condition, (x, y), one, zero)
    }

    fn compare(&mut self, condition: FloatCC, x: Value, y: f64) -> Value {
        let y = self.number(y);
        self.truth(condition, x, y)
    }

    fn nonzero(&mut self, x: Value) -> Value {
        self.compare(FloatCC::NotEqual, x, 0.0)
    }

    /// x^(numerator) or x^(numerator/2) by repeated squaring.
    fn short_power(&mut self, x: Value, numerator: i64, half: bool) -> Value {
        let mut power = numerator.unsigned_abs();
        let mut result = None;
        let mut square = if half { self.builder.ins().sqrt(x) } else { x };
        if half && power > 1 {
            // odd powers of the root: xᵏ √x is more exact than (√x)^(2k+1)
            result = Some(square);
            square = x;
            power = (power - 1) / 2;
        }
        while power > 0 {
            if power & 1 == 1 {
                result = Some(match result {
                    Some(known) => self.builder.ins().fmul(known, square),
                    None => square,
                });
            }
            power >>= 1;
            if power > 0 {
                square = self.builder.ins().fmul(square, square);
            }
        }
        let one = self.number(1.0);
        let result = result.unwrap_or(one);
        if numerator < 0 { self.builder.ins().fdiv(one, result) } else { result }
    }
}
