//! `watchbell man`: manual pages, one a command.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::exit::{fail, written};

/// Print a manual page, or write those of all commands to a folder.
#[derive(Debug, Args)]
pub struct Man {
    /// Whose page is printed, such as `silence add`; that of the program when nothing is said.
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write the pages of all commands to this folder instead, which is made.
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    output_dir: Option<PathBuf>,
}

impl Man {
    /// Carries it out for a command line.
    pub fn execute(&self, line: clap::Command) -> ExitCode {
        if let Some(dir) = &self.output_dir {
            let made = std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(line, dir));
            return match made {
                Ok(()) => ExitCode::SUCCESS,
                Err(e) => fail(&format!("{}: {e}", dir.display())),
            };
        }
        let mut line = line.disable_help_subcommand(true);
        line.build();
        let mut command = &line;
        for name in &self.command {
            match command.find_subcommand(name) {
                Some(found) => command = found,
                None => return fail(&format!("there is no command {:?}", self.command.join(" "))),
            }
        }
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(command.clone()).render(&mut page);
        written(rendered.and_then(|()| std::io::stdout().write_all(&page)).map(|()| 0))
    }
}
