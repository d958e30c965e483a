//! Pairs what was expected with what came, so that as much as possible agrees: who expects two messages does not say which
//! of them is which.

/// Pairs `expected` things with those that came, by how much two of them differ: as many pairs as possible that do not
/// differ at all, then the nearest of the rest. Each thing is in one pair; one that nothing is left for is alone.
pub fn pair(
    expected: usize,
    came: usize,
    differ: impl Fn(usize, usize) -> usize,
) -> Vec<(Option<usize>, Option<usize>)> {
    let mut partner: Vec<Option<usize>> = vec![None; came];
    for e in 0..expected {
        augment(e, &mut vec![false; came], &mut partner, &differ, 0);
    }
    let mut out: Vec<(Option<usize>, Option<usize>)> =
        partner.iter().enumerate().filter_map(|(g, e)| Some((Some((*e)?), Some(g)))).collect();
    let mut left_expected: Vec<usize> = (0..expected).filter(|e| !partner.contains(&Some(*e))).collect();
    let mut left_came: Vec<usize> = (0..came).filter(|g| partner.get(*g) == Some(&None)).collect();
    // Beyond this many nobody looks at which is nearest.
    const MOST: usize = 64;
    let mut near: Vec<(usize, usize, usize)> = Vec::new();
    for e in left_expected.iter().take(MOST) {
        near.extend(left_came.iter().take(MOST).map(|g| (differ(*e, *g), *e, *g)));
    }
    near.sort_unstable();
    for (_, e, g) in near {
        if left_expected.contains(&e) && left_came.contains(&g) {
            left_expected.retain(|other| *other != e);
            left_came.retain(|other| *other != g);
            out.push((Some(e), Some(g)));
        }
    }
    out.extend(left_expected.into_iter().map(|e| (Some(e), None)));
    out.extend(left_came.into_iter().map(|g| (None, Some(g))));
    out
}

/// The longest chain of others who change their partners for one.
const DEEPEST: usize = 256;

/// Finds a partner for `e` that does not differ from it, be it that others change theirs: an augmenting path.
fn augment(
    e: usize,
    visited: &mut Vec<bool>,
    partner: &mut Vec<Option<usize>>,
    differ: &impl Fn(usize, usize) -> usize,
    depth: usize,
) -> bool {
    if depth > DEEPEST {
        return false;
    }
    for g in 0..visited.len() {
        if visited.get(g) != Some(&false) || differ(e, g) != 0 {
            continue;
        }
        if let Some(slot) = visited.get_mut(g) {
            *slot = true;
        }
        let held_by = partner.get(g).copied().flatten();
        if held_by.is_none_or(|other| augment(other, visited, partner, differ, depth + 1)) {
            if let Some(slot) = partner.get_mut(g) {
                *slot = Some(e);
            }
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs with a table of differences, a row an expectation.
    fn paired(table: &[&[usize]]) -> Vec<(Option<usize>, Option<usize>)> {
        let mut pairs = pair(table.len(), table.first().map_or(0, |row| row.len()), |e, g| table[e][g]);
        pairs.sort();
        pairs
    }

    #[test]
    fn the_first_fit_gives_way_where_another_has_no_other() {
        assert_eq!(paired(&[&[0, 0], &[0, 1]]), [(Some(0), Some(1)), (Some(1), Some(0))]);
        assert_eq!(
            paired(&[&[0, 0, 9], &[0, 9, 0], &[0, 9, 9]]),
            [(Some(0), Some(1)), (Some(1), Some(2)), (Some(2), Some(0))]
        );
    }

    #[test]
    fn what_differs_is_paired_with_the_nearest_and_the_rest_stays_alone() {
        assert_eq!(paired(&[&[3, 1, 2]]), [(None, Some(0)), (None, Some(2)), (Some(0), Some(1))]);
        assert_eq!(paired(&[&[5], &[0], &[4]]), [(Some(0), None), (Some(1), Some(0)), (Some(2), None)]);
        assert_eq!(paired(&[]), []);
    }
}
