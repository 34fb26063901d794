//! Tables for people: help, reStructuredText, Markdown, and the configuration in force.

use std::fmt::Write as _;

use crate::arguments::FlagSpec;
use crate::engine::Options;
use crate::spec::{Kind, OptionSpec};
use crate::value::Value;

const HEADINGS: [&str; 4] = ["Long", "Short", "Value", "Description"];

type Row = [String; 4];

impl Options {
    /// Boxed tables, one for each module, with the present values; hidden options are left out.
    #[must_use]
    pub fn help(&self) -> String {
        let groups = self.visible_rows();
        let widths = widths(groups.iter().flat_map(|(_, rows)| rows));
        let mut out = String::new();
        for (index, (_, rows)) in groups.iter().enumerate() {
            if index > 0 {
                out.push('\n');
            }
            boxed(&mut out, rows, &widths);
        }
        out
    }

    /// The same as reStructuredText grid tables.
    #[must_use]
    pub fn rst_help(&self) -> String {
        let mut out = String::new();
        for (index, (_, rows)) in self.visible_rows().iter().enumerate() {
            if index > 0 {
                out.push('\n');
            }
            let escape = |row: &Row| row.each_ref().map(|cell| rst_escaped(cell));
            let rows: Vec<Row> = rows.iter().map(escape).collect();
            grid(&mut out, &rows, &widths(&rows));
        }
        out
    }

    /// Every option, one a line: `module:name=value`, then where the value came from.
    #[must_use]
    pub fn print_config(&self) -> String {
        let line = |(spec, value, _): &(&OptionSpec, &Value, _)| {
            format!("{}={}", spec.full_name(), shown(spec, value))
        };
        let width = self
            .iter()
            .map(|row| length(&line(&row)))
            .filter(|w| *w <= 60)
            .max();
        let width = width.unwrap_or(0);
        let mut out = String::new();
        for row in self.iter() {
            let text = line(&row);
            let pad = width.saturating_sub(length(&text));
            let _ = writeln!(out, "{text}{:pad$}  ; {}", "", row.2);
        }
        out
    }

    /// The reference of all options as Markdown: defaults, not the present values.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        let mut module = "";
        for (spec, _, _) in self.iter() {
            if module != spec.module {
                let gap = if module.is_empty() { "" } else { "\n" };
                module = spec.module;
                let _ = writeln!(
                    out,
                    "{gap}## {module}\n\n| option | short | type | default | values | description | since | state |\n\
                     |---|---|---|---|---|---|---|---|"
                );
            }
            let _ = writeln!(out, "{}", markdown_row(spec));
        }
        out
    }

    /// The rows of each module in the order in which the table first names the modules.
    fn visible_rows(&self) -> Vec<(&'static str, Vec<Row>)> {
        let mut groups: Vec<(&'static str, Vec<Row>)> = Vec::new();
        for (spec, value, _) in self.iter().filter(|(spec, _, _)| !spec.is_hidden) {
            let letter = spec.short.map(|letter| format!("-{letter}"));
            let row = [
                spec.full_name(),
                letter.unwrap_or_default(),
                shown(spec, value),
                spec.description.to_owned(),
            ];
            match groups.iter_mut().find(|(module, _)| *module == spec.module) {
                Some((_, rows)) => rows.push(row),
                None => groups.push((spec.module, vec![row])),
            }
        }
        groups
    }
}

/// A boxed table of the flags that are not options.
#[must_use]
pub fn flag_table(flags: &[FlagSpec]) -> String {
    let row = |flag: &FlagSpec| {
        let letters: Vec<String> = flag.letters.iter().map(|l| format!("-{l}")).collect();
        [
            format!("--{}", flag.name),
            letters.join(" "),
            flag.value.unwrap_or_default().to_owned(),
            flag.description.to_owned(),
        ]
    };
    let rows: Vec<Row> = flags.iter().map(row).collect();
    let mut out = String::new();
    boxed(&mut out, &rows, &widths(&rows));
    out
}

fn shown(spec: &OptionSpec, value: &Value) -> String {
    match value {
        Value::Text(Some(_)) if spec.is_secret => "(hidden)".to_owned(),
        Value::Text(None) => "(unset)".to_owned(),
        value => value.to_string(),
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn widths<'a>(rows: impl IntoIterator<Item = &'a Row>) -> [usize; 4] {
    let mut widths = HEADINGS.map(length);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = length(cell).max(*width);
        }
    }
    widths
}

fn rule(out: &mut String, ends: char, crossing: char, dash: char, widths: &[usize; 4]) {
    for (index, width) in widths.iter().enumerate() {
        out.push(if index == 0 { ends } else { crossing });
        out.extend(std::iter::repeat_n(dash, width + 2));
    }
    out.push(ends);
    out.push('\n');
}

fn cells(out: &mut String, row: &[impl AsRef<str>; 4], widths: &[usize; 4]) {
    for (cell, width) in row.iter().zip(widths) {
        let cell = cell.as_ref();
        let pad = width.saturating_sub(length(cell));
        let _ = write!(out, "| {cell}{:pad$} ", "");
    }
    out.push_str("|\n");
}

fn boxed(out: &mut String, rows: &[Row], widths: &[usize; 4]) {
    rule(out, '|', '-', '-', widths);
    cells(out, &HEADINGS, widths);
    rule(out, '|', '-', '-', widths);
    for row in rows {
        cells(out, row, widths);
    }
    rule(out, '|', '-', '-', widths);
}

fn grid(out: &mut String, rows: &[Row], widths: &[usize; 4]) {
    rule(out, '+', '+', '-', widths);
    cells(out, &HEADINGS, widths);
    rule(out, '+', '+', '=', widths);
    for row in rows {
        cells(out, row, widths);
        rule(out, '+', '+', '-', widths);
    }
}

/// Keeps characters from being taken as markup.
fn rst_escaped(text: &str) -> String {
    escaped(text, &['\\', '*', '`', '|'])
}

fn escaped(text: &str, special: &[char]) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if special.contains(&c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn markdown_row(spec: &OptionSpec) -> String {
    let cell = |text: &str| escaped(text, &['\\', '|', '<', '*', '_']);
    let names = spec.aliases.iter().map(|alias| format!("`{alias}`"));
    let names: Vec<String> = [format!("`{}`", spec.full_name())]
        .into_iter()
        .chain(names)
        .collect();
    let short = spec
        .short
        .map(|letter| format!("`-{letter}`"))
        .unwrap_or_default();
    let default = match spec.kind {
        Kind::Text(None) => "(unset)".to_owned(),
        kind => format!("`{}`", kind.default_value()),
    };
    let default = if default == "``" {
        "(empty)".to_owned()
    } else {
        default
    };
    format!(
        "| {} | {short} | {} | {default} | {} | {} | {} | {} |",
        names.join(", "),
        spec.kind.name(),
        cell(&spec.allowed().unwrap_or_default()),
        cell(spec.description),
        spec.since.name(),
        spec.state.name(),
    )
}

#[cfg(test)]
mod tests;
