//! Just enough YAML for our own compose file: maps by indentation, lists of scalars in both styles.
//!
//! What it does not know (anchors, block texts, lists of maps) it does not accept silently: it panics.

use std::collections::BTreeMap;

/// Scalars and lists by their dotted path.
pub(crate) struct Compose(BTreeMap<String, Vec<String>>);

impl Compose {
    pub(crate) fn parse(text: &str) -> Self {
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut path: Vec<(usize, String)> = Vec::new();
        for line in text.lines() {
            let content = line.trim_start();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let indent = line.len() - content.len();
            if let Some(item) = content.strip_prefix("- ") {
                path.retain(|(depth, _)| *depth < indent);
                values.entry(dotted(&path)).or_default().push(scalar(item));
                continue;
            }
            let (key, value) = content.split_once(':').unwrap_or_else(|| panic!("{line}"));
            path.retain(|(depth, _)| *depth < indent);
            path.push((indent, key.to_owned()));
            let value = value.trim();
            assert!(!value.starts_with(['&', '*', '|', '>']), "{line}");
            if value.starts_with('[') {
                let list = serde_json::from_str(value).unwrap_or_else(|_| panic!("{line}"));
                values.insert(dotted(&path), list);
            } else if !value.is_empty() {
                values.insert(dotted(&path), vec![scalar(value)]);
            }
        }
        Self(values)
    }

    /// A list of scalars.
    pub(crate) fn list(&self, path: &str) -> Vec<String> {
        self.0.get(path).unwrap_or_else(|| panic!("{path}")).clone()
    }

    /// A scalar.
    pub(crate) fn value(&self, path: &str) -> String {
        let list = self.list(path);
        assert_eq!(list.len(), 1, "{path}");
        list[0].clone()
    }
}

fn scalar(text: &str) -> String {
    text.trim_matches('"').to_owned()
}

fn dotted(path: &[(usize, String)]) -> String {
    let keys: Vec<_> = path.iter().map(|(_, key)| key.as_str()).collect();
    keys.join(".")
}
