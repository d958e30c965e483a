//! Service discovery: where targets come from, before relabelling. One kind, one file, one row in the table of [`Source`].
//!
//! What a configuration says of a kind runs as a task of its own ([`DiscoveryManager`]) and hands on target groups over a
//! channel; whoever needs targets subscribes to any number of them. While discovery fails, what was found last counts.

mod amazon;
mod azure;
mod consul;
mod dns;
mod docker;
mod ec2;
mod entries;
mod fetch;
mod file;
mod fixed;
mod gce;
mod group;
mod http;
mod kubernetes;
mod lightsail;
mod manager;
mod metrics;
mod site;
mod source;

pub use self::group::{ADDRESS, TargetGroup};
pub use self::manager::{DiscoveryManager, Subscription};
pub use self::site::{Groups, MOST_PAGES, MOST_TARGETS};
pub use self::source::{KINDS, Source};
