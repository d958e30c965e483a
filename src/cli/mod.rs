//! The subcommands, one file each.

pub mod test_promql;
