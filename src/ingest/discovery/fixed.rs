//! `static_configs`: targets that a configuration lists.

use futures::future::BoxFuture;

use super::group::TargetGroup;
use super::site::{Discover, Site};
use crate::config::StaticConfig;
use crate::model::Labels;

impl Discover for Vec<StaticConfig> {
    const MECHANISM: &'static str = "static";

    fn run(self, site: Site) -> BoxFuture<'static, ()> {
        let group = |(i, c): (usize, StaticConfig)| {
            TargetGroup::of_addresses(&c.targets, Labels::from_pairs(c.labels), i.to_string())
        };
        let published = site.publish(self.into_iter().enumerate().map(group).collect());
        Box::pin(async move {
            if let Err(error) = published {
                site.failed(&error);
            }
        })
    }
}
