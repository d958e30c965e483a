//! How the two sides of a join meet in the data.

use super::site::Site;
use super::tree;
use crate::model::labels::is_legacy_label_name;
use crate::promql::ast::{Binary, Cardinality};

/// How many series one side of a join has, and how many of them have no partner on the other.
pub struct Meeting {
    /// `left` or `right`: the side whose series are kept, of one to one the left.
    pub side: &'static str,
    /// Its series.
    pub all: usize,
    /// Those without a partner.
    pub alone: usize,
    /// The other side has series.
    pub others: usize,
}

/// How the sides of an operation meet; `None` of what is no join, or where there is no data to tell.
pub fn meeting(site: &Site<'_>, b: &Binary) -> Option<Meeting> {
    let data = site.corpus.data.as_ref()?;
    let is_filled = b.modifiers.fill_left.is_some() || b.modifiers.fill_right.is_some();
    if b.op.is_set() || is_filled || tree::is_scalar(&b.left) || tree::is_scalar(&b.right) {
        return None;
    }
    let matching = match &b.modifiers.matching {
        None => String::new(),
        Some(on) if on.labels.iter().all(|label| is_legacy_label_name(label)) => {
            format!("{} ({})", if on.without { "ignoring" } else { "on" }, on.labels.join(", "))
        }
        Some(_) => return None,
    };
    let (side, kept, other) = match &b.modifiers.cardinality {
        Cardinality::GroupRight(_) => ("right", &b.right, &b.left),
        Cardinality::OneToOne | Cardinality::GroupLeft(_) => ("left", &b.left, &b.right),
    };
    let (kept, other) = (site.text(kept), site.text(other));
    let all = data.size(&format!("count(\n{kept}\n)"))?;
    let others = data.size(&format!("count(\n{other}\n)"))?;
    if all == 0 || others == 0 {
        return None;
    }
    let alone = data.size(&format!("count((\n{kept}\n) unless {matching} (\n{other}\n))"))?;
    Some(Meeting { side, all, alone, others })
}
