//! The groups' timers, to be shown.

use crate::routing::group::GroupId;
use crate::routing::pages::Pages;
use crate::routing::timer::GroupTimer;

use super::Router;

impl Router {
    /// The groups with their timers, to be shown. Costs as much as changed since it was last asked for.
    pub fn timers_shown(&mut self) -> &Pages<GroupTimer> {
        // What is armed and not yet taken has changed as well.
        self.armed.iter().for_each(|(_, id)| self.shown.touch(id));
        let groups = &self.groups;
        let row = |id: &GroupId| groups.get(id).map(GroupTimer::of);
        self.shown.look(|| groups.keys().copied().collect(), row)
    }
}
