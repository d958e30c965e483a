//! The ratios of everything that was measured, in one table at the end.

use crate::proc::Kind;

/// Figures by what was measured; the less the better.
#[derive(Default)]
pub struct Summary(Vec<(String, Vec<(Kind, f64)>)>);

impl Summary {
    pub fn add(&mut self, what: String, figures: Vec<(Kind, f64)>) {
        self.0.push((what, figures));
    }

    pub fn print(&self) {
        if self.0.is_empty() {
            return;
        }
        println!("\n## Ratios\n");
        println!("| | Prometheus / Watchbell | VictoriaMetrics / Watchbell |\n|---|---:|---:|");
        for (what, figures) in &self.0 {
            let of = |kind: Kind| figures.iter().find(|(k, _)| *k == kind).map(|(_, f)| *f);
            let ratio = |kind: Kind| match (of(kind), of(Kind::Watchbell)) {
                (Some(peer), Some(own)) => format!("{:.2}", peer / own),
                _ => String::new(),
            };
            println!("| {what} | {} | {} |", ratio(Kind::Prometheus), ratio(Kind::VictoriaMetrics));
        }
    }
}
