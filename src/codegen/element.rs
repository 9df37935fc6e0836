//! The two precisions of stored columns.

/// `f32` or `f64`.
pub trait Element:
    num_traits::Float + num_traits::NumAssign + Send + Sync + std::fmt::Debug + 'static
{
    /// Whether it is `f64`.
    const DOUBLE: bool;
    /// The nearest representable number.
    fn of(value: f64) -> Self;
    /// The same number.
    fn f64(self) -> f64;
}

impl Element for f32 {
    const DOUBLE: bool = false;
    fn of(value: f64) -> Self {
        value as f32
    }
    fn f64(self) -> f64 {
        f64::from(self)
    }
}

impl Element for f64 {
    const DOUBLE: bool = true;
    fn of(value: f64) -> Self {
        value
    }
    fn f64(self) -> f64 {
        self
    }
}
