//! The house rules that no compiler checks: which crate may use which, and how long files and functions may be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::run::cargo;

/// Lines at which a file must be split; generated tables and test files are exempt.
const MAX_FILE_LINES: usize = 800;
/// Lines at which a function must be split.
const MAX_FUNCTION_LINES: usize = 100;
/// Lines of a program's `main.rs`.
const MAX_MAIN_LINES: usize = 150;

pub(crate) fn run() -> anyhow::Result<()> {
    println!("\n=== house rules");
    let mut faults = layers()?;
    let mut files = Vec::new();
    for root in ["crates", "module", "xtask"] {
        collect(Path::new(root), &mut files)?;
    }
    for file in &files {
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {file:?}"))?;
        faults.extend(file_faults(file, &text));
    }
    if !faults.is_empty() {
        faults.iter().for_each(|fault| println!("{fault}"));
        bail!("{} house rules broken", faults.len());
    }
    println!("=== house rules: {} files, passed", files.len());
    Ok(())
}

/// Compares each crate's dependencies on workspace crates with its `[package.metadata.layers]`.
fn layers() -> anyhow::Result<Vec<String>> {
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .output()?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"]
        .as_array()
        .context("no packages in cargo metadata")?;
    let members: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let mut faults = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(allowed) = package["metadata"]["layers"]["may-use"].as_array() else {
            faults.push(format!(
                "{name}: Cargo.toml lacks [package.metadata.layers] may-use"
            ));
            continue;
        };
        let allowed: BTreeSet<&str> = allowed.iter().filter_map(Value::as_str).collect();
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        for dependency in dependencies.filter(|d| d["kind"].is_null()) {
            let used = dependency["name"].as_str().unwrap_or_default();
            if members.contains(used) && !allowed.contains(used) && !allowed.contains("*") {
                faults.push(format!("{name}: may not use {used} (layers)"));
            }
        }
    }
    Ok(faults)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("listing {folder:?}"))? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "rs" || extension == "c" || extension == "h")
        {
            files.push(path);
        }
    }
    Ok(())
}

fn file_faults(path: &Path, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let shown = path.display();
    let mut faults = Vec::new();
    if lines.iter().take(5).any(|line| line.contains("@generated")) {
        return faults;
    }
    if lines.len() > MAX_FILE_LINES {
        faults.push(format!(
            "{shown}: {} lines, at most {MAX_FILE_LINES}",
            lines.len()
        ));
    }
    if path.ends_with("src/main.rs") && lines.len() > MAX_MAIN_LINES {
        faults.push(format!(
            "{shown}: {} lines, a main at most {MAX_MAIN_LINES}",
            lines.len()
        ));
    }
    let mut start = None;
    for (number, line) in lines.iter().enumerate() {
        // rustfmt puts the closing brace of a function at the indentation of its `fn`.
        if start.is_none() && is_function_head(line) && !line.trim_end().ends_with(['}', ';']) {
            start = Some((number, indent(line), line.trim()));
        } else if let Some((first, depth, head)) = start {
            let is_end = line.trim() == "}" || line.trim().ends_with(';');
            if indent(line) == depth && is_end {
                let length = number - first + 1;
                if length > MAX_FUNCTION_LINES && line.trim() == "}" {
                    let at = first + 1;
                    faults.push(format!("{shown}:{at}: {length} lines: {head}"));
                }
                start = None;
            }
        }
    }
    faults
}

fn is_function_head(line: &str) -> bool {
    let mut words = line.split_whitespace();
    words
        .by_ref()
        .take_while(|word| *word != "{")
        .any(|word| word == "fn")
        && !line.trim_start().starts_with("//")
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}
