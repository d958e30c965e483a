//! Sets of series as sorted vectors of ids.

/// The ids in both sets.
pub(super) fn intersect(a: &[u32], b: &[u32]) -> Vec<u32> {
    let (small, large) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let mut out = Vec::with_capacity(small.len());
    let mut rest = large;
    for &id in small {
        rest = skip_to(rest, id);
        match rest.first() {
            Some(&first) if first == id => out.push(id),
            Some(_) => {}
            None => break,
        }
    }
    out
}

/// Removes the ids of `b` from `a`.
pub(super) fn subtract(a: &mut Vec<u32>, b: &[u32]) {
    if b.is_empty() {
        return;
    }
    let mut rest = b;
    a.retain(|&id| {
        rest = skip_to(rest, id);
        rest.first() != Some(&id)
    });
}

/// The ids in any of the sets.
pub(super) fn union<'a>(sets: impl IntoIterator<Item = &'a [u32]>) -> Vec<u32> {
    let mut out: Vec<u32> = Vec::new();
    let mut ordered = true;
    for set in sets {
        ordered &= out.last().zip(set.first()).is_none_or(|(last, first)| last < first);
        out.extend_from_slice(set);
    }
    if !ordered {
        // The sorted runs are merged: the standard library's stable sort finds them.
        out.sort();
        out.dedup();
    }
    out
}

/// The part of a sorted slice from the first id that is not below `id`, found by galloping.
#[inline]
fn skip_to(set: &[u32], id: u32) -> &[u32] {
    let mut step = 1;
    let mut low = 0;
    while set.get(low + step - 1).is_some_and(|x| *x < id) {
        low += step;
        step *= 2;
    }
    let high = (low + step - 1).min(set.len());
    let within = set.get(low..high).map_or(0, |s| s.partition_point(|x| *x < id));
    set.get(low + within..).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set() -> impl Strategy<Value = BTreeSet<u32>> {
        prop_oneof![prop::collection::btree_set(0u32..50, 0..40), prop::collection::btree_set(0u32..5000, 0..400)]
    }

    proptest! {
        #[test]
        fn the_algebra_is_that_of_sets(a in set(), b in set()) {
            let v = |s: &BTreeSet<u32>| s.iter().copied().collect::<Vec<_>>();
            let (x, y) = (v(&a), v(&b));
            prop_assert_eq!(intersect(&x, &y), a.intersection(&b).copied().collect::<Vec<_>>());
            prop_assert_eq!(union([&x[..], &y[..]]), a.union(&b).copied().collect::<Vec<_>>());
            let mut z = x;
            subtract(&mut z, &y);
            prop_assert_eq!(z, a.difference(&b).copied().collect::<Vec<_>>());
        }
    }
}
