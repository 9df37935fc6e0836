//! One dependence of a value on a hat: which static entry of a product each static entry of the value depends on.
//!
//! The relation is kept as it is written, not entry by entry: `d[i] = v * h[i]` has the link "entry i of h", a sum over
//! samples the link "entries j of h, for all j". So a formula says exactly which z occur in a dot-ket, whatever the sizes.

use crate::ir::{Arg, NodeId, Shape};
use std::ops::Range;

/// One index of an entry of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The value's own index along this static axis, plus an offset.
    Axis(usize, isize),
    /// A bound index, plus an offset.
    Bound(usize, isize),
    /// A number.
    Fixed(usize),
}

/// For all entries of the value within the guards: it depends on the hats at these places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The product whose hat is meant.
    pub(super) product: NodeId,
    /// The width axis of the value at which the hat is read.
    pub(super) slot: usize,
    /// For each static axis of the value, the indices for which this holds.
    pub(super) guards: Vec<Range<usize>>,
    /// Ranges of bound indices, in order of their first use.
    pub(super) bound: Vec<Range<usize>>,
    /// For each static axis of the product, the index.
    pub(super) at: Vec<Place>,
}

impl Link {
    /// Of an operand of an entrywise operation whose result has this shape.
    pub(super) fn placed(&self, arg: &Arg, shape: &Shape) -> Self {
        let mut guards: Vec<Range<usize>> = shape.stat.iter().map(|size| 0..*size).collect();
        for (axis, guard) in arg.stat.iter().zip(&self.guards) {
            guards[*axis] = both(&guards[*axis], guard);
        }
        let at = self.moved(|axis, by| Place::Axis(arg.stat[axis], by));
        Self { slot: arg.width[self.slot], guards, at, ..self.clone() }
    }

    /// After a contraction of static and width axes; `None` where the hat is averaged away.
    pub(super) fn reduced(&self, stat: &[usize], width: &[usize]) -> Option<Self> {
        if width.contains(&self.slot) {
            return None;
        }
        let slot = self.slot - width.iter().filter(|axis| **axis < self.slot).count();
        let mut bound = self.bound.clone();
        let first = bound.len();
        bound.extend(stat.iter().map(|axis| self.guards[*axis].clone()));
        let at = self.moved(|axis, by| match stat.iter().position(|reduced| *reduced == axis) {
            Some(k) => Place::Bound(first + k, by),
            None => Place::Axis(axis - stat.iter().filter(|reduced| **reduced < axis).count(), by),
        });
        let kept = (0..self.guards.len()).filter(|axis| !stat.contains(axis));
        let guards = kept.map(|axis| self.guards[axis].clone()).collect();
        Some(Self { product: self.product, slot, guards, bound, at }.canonical())
    }

    /// At one index of an axis, which goes away.
    pub(super) fn indexed(&self, axis: usize, index: usize) -> Option<Self> {
        if !self.guards[axis].contains(&index) {
            return None;
        }
        let mut link = self.clone();
        link.guards.remove(axis);
        link.at = self.moved(|own, by| match own {
            own if own == axis => Place::Fixed(index.saturating_add_signed(by)),
            own if own > axis => Place::Axis(own - 1, by),
            own => Place::Axis(own, by),
        });
        Some(link)
    }

    /// Of a part along an axis.
    pub(super) fn sliced(&self, axis: usize, part: &Range<usize>) -> Option<Self> {
        let kept = both(&self.guards[axis], part);
        if kept.is_empty() {
            return None;
        }
        let mut link = self.clone();
        link.guards[axis] = kept.start - part.start..kept.end - part.start;
        let shift = part.start.cast_signed();
        link.at = self.moved(|own, by| Place::Axis(own, if own == axis { by + shift } else { by }));
        Some(link)
    }

    /// With zeros before along an axis.
    pub(super) fn padded(&self, axis: usize, before: usize) -> Self {
        let mut link = self.clone();
        let guard = &self.guards[axis];
        link.guards[axis] = guard.start + before..guard.end + before;
        let shift = before.cast_signed();
        link.at = self.moved(|own, by| Place::Axis(own, if own == axis { by - shift } else { by }));
        link
    }

    /// As the k-th entry of a new first axis.
    pub(super) fn stacked(&self, k: usize) -> Self {
        let mut link = self.clone();
        link.guards.insert(0, k..k + 1);
        link.at = self.moved(|axis, by| Place::Axis(axis + 1, by));
        link
    }

    /// This dependence of z, for the entry of z that `dot` names: the dependence of Σ_z |z⟩ E[…].
    pub(super) fn within(&self, dot: &Self) -> Option<Self> {
        let mut link = Self { product: self.product, slot: 0, at: Vec::new(), ..dot.clone() };
        for (place, guard) in dot.at.iter().zip(&self.guards) {
            let narrow = |range: &Range<usize>, by: isize| {
                let moved = |end: usize| end.saturating_add_signed(-by);
                both(range, &(moved(guard.start)..moved(guard.end)))
            };
            match *place {
                Place::Axis(axis, by) => link.guards[axis] = narrow(&link.guards[axis], by),
                Place::Bound(k, by) => link.bound[k] = narrow(&link.bound[k], by),
                Place::Fixed(index) if !guard.contains(&index) => return None,
                Place::Fixed(_) => {}
            }
        }
        if link.guards.iter().chain(&link.bound).any(Range::is_empty) {
            return None;
        }
        let first = link.bound.len();
        link.bound.extend(self.bound.iter().cloned());
        let shifted = |place: Place, more: isize| match place {
            Place::Axis(axis, by) => Place::Axis(axis, by + more),
            Place::Bound(k, by) => Place::Bound(k, by + more),
            Place::Fixed(index) => Place::Fixed(index.saturating_add_signed(more)),
        };
        let place = |place: &Place| match *place {
            Place::Axis(axis, by) => shifted(dot.at[axis], by),
            Place::Bound(k, by) => Place::Bound(first + k, by),
            Place::Fixed(index) => Place::Fixed(index),
        };
        link.at = self.at.iter().map(place).collect();
        Some(link.canonical())
    }

    /// The range of one index of the product, over all entries of the value.
    fn range(&self, place: Place) -> Range<usize> {
        let moved = |range: &Range<usize>, by: isize| {
            range.start.saturating_add_signed(by)..range.end.saturating_add_signed(by)
        };
        match place {
            Place::Axis(axis, by) => moved(&self.guards[axis], by),
            Place::Bound(k, by) => moved(&self.bound[k], by),
            Place::Fixed(index) => index..index + 1,
        }
    }

    fn moved(&self, to: impl Fn(usize, isize) -> Place) -> Vec<Place> {
        let place = |place: &Place| match *place {
            Place::Axis(axis, by) => to(axis, by),
            other => other,
        };
        self.at.iter().map(place).collect()
    }

    /// Bound indices in order of use, none without use, none with a single value.
    fn canonical(mut self) -> Self {
        let old = std::mem::take(&mut self.bound);
        let mut number = vec![None; old.len()];
        for place in &mut self.at {
            let Place::Bound(k, by) = *place else { continue };
            *place = if old[k].len() == 1 {
                Place::Fixed(old[k].start.saturating_add_signed(by))
            } else {
                let new = *number[k].get_or_insert_with(|| {
                    self.bound.push(old[k].clone());
                    self.bound.len() - 1
                });
                Place::Bound(new, by)
            };
        }
        self
    }

    /// Whether every dependence of `other` is one of this link.
    fn covers(&self, other: &Self) -> bool {
        let uses = |k: usize| {
            self.at
                .iter()
                .filter(|place| matches!(place, Place::Bound(own, _) if *own == k))
                .count()
        };
        let place = |(own, others): (&Place, &Place)| match own {
            Place::Bound(k, _) => {
                uses(*k) == 1 && contains(&self.range(*own), &other.range(*others))
            }
            Place::Axis(..) | Place::Fixed(_) => {
                let (own_range, range) = (self.range(*own), other.range(*others));
                own == others || own_range.len() == 1 && own_range == range
            }
        };
        let guards = self.guards.iter().zip(&other.guards).all(|(own, of)| contains(own, of));
        self == other || guards && self.at.iter().zip(&other.at).all(place)
    }

    /// Whether no dependence belongs to both.
    fn is_apart(&self, other: &Self) -> bool {
        let guards: Vec<Range<usize>> =
            self.guards.iter().zip(&other.guards).map(|(a, b)| both(a, b)).collect();
        if guards.iter().any(Range::is_empty) {
            return true;
        }
        let (one, two) =
            (Self { guards: guards.clone(), ..self.clone() }, Self { guards, ..other.clone() });
        let apart = |(a, b): (&Place, &Place)| match (a, b) {
            (Place::Axis(a, by), Place::Axis(b, more)) if a == b => by != more,
            (a, b) => both(&one.range(*a), &two.range(*b)).is_empty(),
        };
        one.at.iter().zip(&two.at).any(apart)
    }

    /// A link that covers both.
    fn hull(&self, other: &Self) -> Self {
        let around = |a: &Range<usize>, b: &Range<usize>| a.start.min(b.start)..a.end.max(b.end);
        let guards = self.guards.iter().zip(&other.guards).map(|(a, b)| around(a, b)).collect();
        let ranges = self.at.iter().zip(&other.at);
        let bound: Vec<_> =
            ranges.map(|(a, b)| around(&self.range(*a), &other.range(*b))).collect();
        let at = (0..bound.len()).map(|k| Place::Bound(k, 0)).collect();
        Self { guards, bound, at, ..self.clone() }.canonical()
    }
}

/// Links that name no hat twice for any entry: one that others cover goes away, overlapping ones become their hull.
pub(super) fn tidied(links: Vec<Link>) -> Vec<Link> {
    let mut kept: Vec<Link> = Vec::new();
    for mut link in links.into_iter().filter(|link| !link.guards.iter().any(Range::is_empty)) {
        loop {
            let same = |own: &Link| own.product == link.product && own.slot == link.slot;
            if kept.iter().any(|own| same(own) && own.covers(&link)) {
                break;
            }
            kept.retain(|own| !(same(own) && link.covers(own)));
            match kept.iter().position(|own| same(own) && !own.is_apart(&link)) {
                Some(overlapping) => link = kept.remove(overlapping).hull(&link),
                None => {
                    kept.push(link);
                    break;
                }
            }
        }
    }
    kept.sort_by_key(|link| (link.product, link.slot));
    kept
}

fn both(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    let start = a.start.max(b.start);
    start..a.end.min(b.end).max(start)
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}
