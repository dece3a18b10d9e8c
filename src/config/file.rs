//! The LiteLLM file as a tree: its sections, with the files it includes merged in.

use super::tree::{Entry, Mark, Node, Value};
use super::{ConfigError, Place, yaml};
use crate::providers::Catalog;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A configuration file with its includes merged, before the environment is looked at.
#[derive(Clone, Debug, Default)]
pub struct ConfigFile {
    /// The mapping at the top.
    pub root: Node,
    /// What is known of models, with the file's own prices (`tollgate.price_file`).
    pub catalog: Catalog,
}

/// Most files that may include each other in a row.
const MAX_INCLUDES: usize = 16;

impl ConfigFile {
    /// Parses a text that stands alone; an `include:` in it is left alone.
    ///
    /// # Errors
    /// As [`yaml::parse`], and a document that is no mapping.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let mut root = yaml::parse(text, file)?;
        root.mark.file = Arc::from(file);
        match root.value {
            Value::Map(_) => {}
            Value::Null => root.value = Value::Map(Vec::new()),
            _ => {
                return Err(ConfigError::new(
                    root.mark.place(""),
                    "a configuration is a mapping of sections",
                ));
            }
        }
        Ok(Self { root, catalog: Catalog::default() })
    }

    /// Reads a file and everything it includes.
    ///
    /// # Errors
    /// As [`ConfigFile::parse`], for every file; a missing file, and files that include each other.
    pub fn read(path: &Path) -> Result<Self, Vec<ConfigError>> {
        let mut faults = Vec::new();
        let file = read_with_includes(path, &Mark::default(), &mut Vec::new(), &mut faults);
        let file = file.map(|file| file.with_prices(path, &mut faults));
        match file {
            Some(file) if faults.is_empty() => Ok(file),
            _ => Err(faults),
        }
    }

    /// A section that is a mapping, or an empty one.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Entry> {
        self.root.get(name)
    }

    /// Reads the price file, which is looked for beside the file that names it.
    fn with_prices(self, path: &Path, faults: &mut Vec<ConfigError>) -> Self {
        let named = self.root.get("tollgate").and_then(|entry| entry.node.get("price_file"));
        let Some((node, name)) = named.and_then(|entry| Some((&entry.node, entry.node.text()?))) else {
            return self;
        };
        let target = path.parent().unwrap_or_else(|| Path::new("")).join(name);
        match read_text(&target).and_then(|text| Catalog::with_prices(&text)) {
            Ok(catalog) => Self { catalog, ..self },
            Err(why) => {
                let message = format!("{} cannot be used: {why}", target.display());
                faults.push(ConfigError::new(node.mark.place("tollgate.price_file"), message));
                self
            }
        }
    }

    /// Lists are appended; any other value overwrites.
    fn merge(&mut self, other: Self) {
        let Value::Map(own) = &mut self.root.value else { return };
        let Value::Map(theirs) = other.root.value else { return };
        for entry in theirs {
            match own.iter_mut().find(|known| known.key == entry.key) {
                None => own.push(entry),
                Some(known) => match (&mut known.node.value, entry.node.value) {
                    (Value::List(items), Value::List(more)) => items.extend(more),
                    (_, value) => {
                        known.mark = entry.mark;
                        known.node = Node { mark: entry.node.mark, value };
                    }
                },
            }
        }
    }
}

fn read_with_includes(
    path: &Path,
    asked_at: &Mark,
    chain: &mut Vec<PathBuf>,
    faults: &mut Vec<ConfigError>,
) -> Option<ConfigFile> {
    let name = path.display().to_string();
    let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let at = || if asked_at.line > 0 { asked_at.place("include") } else { Place::file(&name) };
    if chain.contains(&canonical) || chain.len() >= MAX_INCLUDES {
        faults.push(ConfigError::new(at(), format!("{name} includes itself, or the chain is too long")));
        return None;
    }
    let text = match read_text(path) {
        Ok(text) => text,
        Err(why) => {
            faults.push(ConfigError::new(at(), format!("{name} cannot be read: {why}")));
            return None;
        }
    };
    let mut file = ConfigFile::parse(&text, &name).map_err(|fault| faults.push(fault)).ok()?;
    let included: Vec<Node> = file.root.get("include").map(|e| e.node.items().to_vec()).unwrap_or_default();
    chain.push(canonical);
    for item in included {
        let Some(relative) = item.text() else {
            faults.push(ConfigError::new(item.mark.place("include"), "not the name of a file"));
            continue;
        };
        let target = path.parent().unwrap_or_else(|| Path::new("")).join(relative);
        if let Some(mut other) = read_with_includes(&target, &item.mark, chain, faults) {
            if let Value::Map(entries) = &mut other.root.value {
                entries.retain(|entry| entry.key != "include");
            }
            file.merge(other);
        }
    }
    chain.pop();
    Some(file)
}

fn read_text(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|fault| fault.to_string())?.len();
    if size > yaml::MAX_BYTES as u64 {
        return Err(format!("larger than {} bytes", yaml::MAX_BYTES));
    }
    std::fs::read_to_string(path).map_err(|fault| fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    #[test]
    fn lists_are_appended_and_other_values_overwritten() {
        let dir = dir(&[
            ("main.yaml", "include: [more.yaml]\nmodel_list: [{a: 1}]\nrouter_settings: {x: 1, y: 1}\n"),
            ("more.yaml", "model_list: [{b: 2}]\nrouter_settings: {x: 2}\n"),
        ]);
        let file = ConfigFile::read(&dir.path().join("main.yaml")).unwrap();
        let json = file.root.to_json();
        assert_eq!(json["model_list"].to_string(), r#"[{"a":1},{"b":2}]"#);
        assert_eq!(json["router_settings"].to_string(), r#"{"x":2}"#);
    }

    #[test]
    fn missing_and_circular_includes_are_faults_at_their_line() {
        let dir = dir(&[
            ("main.yaml", "include:\n  - gone.yaml\n  - b.yaml\n"),
            ("b.yaml", "include: [main.yaml]\n"),
        ]);
        let faults = ConfigFile::read(&dir.path().join("main.yaml")).unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert_eq!((faults[0].place.line, faults[1].place.line), (2, 1));
        assert!(faults[1].message.contains("includes itself"), "{}", faults[1]);
    }

    #[test]
    fn a_list_at_the_top_is_no_configuration() {
        assert!(ConfigFile::parse("- a\n", "f").is_err());
        assert!(ConfigFile::parse("", "f").is_ok());
    }
}
