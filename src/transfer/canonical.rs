//! The one text of a JSON value that its checksum is made of: fields sorted, no white space.
//!
//! It is what `jq -cSj` prints, so that the checksum of a document can be worked out without this program.
//! The layout of a document and the order of its fields do not change its checksum.

use crate::tezos::{Digest, digest};

use super::json::Json;

/// BLAKE2b-256 over the canonical text of the object with these fields, but for the one called `without`.
pub(super) fn checksum(fields: &[(String, Json)], without: &str) -> Digest {
    let mut text = String::new();
    write_object(fields.iter().filter(|(name, _)| name != without), &mut text);
    digest(text.as_bytes())
}

/// The canonical text of `value`.
pub(super) fn canonical(value: &Json) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Json, text: &mut String) {
    match value {
        Json::Null => text.push_str("null"),
        Json::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Json::Number(number) => text.push_str(&number.to_string()),
        Json::Text(value) => write_text(value, text),
        Json::List(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(value, text);
            }
            text.push(']');
        }
        Json::Object(fields) => write_object(fields.iter(), text),
    }
}

fn write_object<'a>(fields: impl Iterator<Item = &'a (String, Json)>, text: &mut String) {
    let mut fields: Vec<_> = fields.collect();
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    text.push('{');
    for (index, (name, value)) in fields.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write_text(name, text);
        text.push(':');
        write(value, text);
    }
    text.push('}');
}

fn write_text(value: &str, text: &mut String) {
    // The escapes of JSON; a string of ours cannot fail to be written.
    text.push_str(&serde_json::Value::from(value).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        super::canonical(&Json::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn layout_and_order_of_fields_do_not_matter() {
        let expected = r#"{"a":[1,"x\n\"é"],"b":{"A":null,"c":true}}"#;
        for text in [
            r#"{"b":{"c":true,"A":null},"a":[1,"x\n\"é"]}"#,
            "{ \"a\" : [ 1 , \"x\\u000a\\u0022\\u00e9\" ],\n\"b\":{\"A\":null,\t\"c\":true} }",
        ] {
            assert_eq!(canonical(text), expected);
        }
    }

    #[test]
    fn the_order_of_a_list_matters() {
        assert_ne!(canonical("[1,2]"), canonical("[2,1]"));
    }

    #[test]
    fn the_checksum_leaves_its_own_field_out() {
        let sum = |text: &str| {
            let Json::Object(fields) = Json::parse(text.as_bytes()).unwrap() else {
                panic!("an object");
            };
            checksum(&fields, "checksum")
        };
        assert_eq!(sum(r#"{"a":1}"#), digest(br#"{"a":1}"#));
        assert_eq!(sum(r#"{"checksum":"x","a":1}"#), sum(r#"{"a":1}"#));
        assert_ne!(sum(r#"{"checksum":"x","a":2}"#), sum(r#"{"a":1}"#));
    }
}
