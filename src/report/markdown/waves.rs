//! The waves of a plan as a diagram: what goes when, and what waits for what.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::report::digest;
use crate::report::document::{PlanDocument, UnitDocument};
use crate::report::graphs::label;
use crate::report::text::count;
use crate::report::words;

/// Units beyond which a wave is one node.
const MOST_UNITS: usize = 40;
/// Waves beyond which the rest is one node.
const MOST_WAVES: usize = 30;

/// A fold with the diagram; nothing where everything goes at once.
pub(super) fn fold(document: &PlanDocument) -> Option<String> {
    if document.waves.len() < 2 {
        return None;
    }
    let units: usize = document.waves.iter().map(Vec::len).sum();
    let diagram = if units <= MOST_UNITS { every_unit(document) } else { every_wave(document) };
    let waves = count(document.waves.len(), "wave");
    Some(format!("\n<details><summary>Order: {waves}</summary>\n\n```mermaid\n{diagram}```\n\n</details>\n"))
}

fn every_unit(document: &PlanDocument) -> String {
    let units: BTreeMap<&str, &UnitDocument> =
        document.units.iter().map(|unit| (unit.id.as_str(), unit)).collect();
    let acting: Vec<&UnitDocument> =
        document.waves.iter().flatten().filter_map(|id| units.get(id.as_str()).copied()).collect();
    let number = |id: &str| acting.iter().position(|unit| unit.id == id);
    let mut text = String::from("flowchart LR\n");
    for (index, wave) in document.waves.iter().enumerate() {
        let _ = writeln!(text, "  subgraph w{index}[\"Wave {}\"]", index + 1);
        for unit in wave.iter().filter_map(|id| units.get(id.as_str())) {
            let number = number(&unit.id).unwrap_or_default();
            let what = label(&words::what(unit));
            let _ = writeln!(text, "    u{number}[\"{}<br/>{what}\"]", label(&unit.id));
        }
        text.push_str("  end\n");
    }
    for (to, unit) in acting.iter().enumerate() {
        for from in unit.depends_on.iter().filter_map(|id| number(id)) {
            let _ = writeln!(text, "  u{from} --> u{to}");
        }
    }
    text.push_str("  classDef danger stroke:#d1242f,stroke-width:3px\n");
    for (index, _) in acting.iter().enumerate().filter(|(_, unit)| digest::is_dangerous(unit)) {
        let _ = writeln!(text, "  class u{index} danger");
    }
    text
}

fn every_wave(document: &PlanDocument) -> String {
    let mut text = String::from("flowchart LR\n");
    for (index, wave) in document.waves.iter().take(MOST_WAVES).enumerate() {
        let _ = writeln!(text, "  w{index}[\"Wave {}<br/>{}\"]", index + 1, count(wave.len(), "unit"));
        if index > 0 {
            let _ = writeln!(text, "  w{} --> w{index}", index - 1);
        }
    }
    if document.waves.len() > MOST_WAVES {
        let more = count(document.waves.len() - MOST_WAVES, "more wave");
        let _ = writeln!(text, "  w{} --> more[\"{more}\"]", MOST_WAVES - 1);
    }
    text
}
