//! The manifest's JSON Schema, made from the types.

use serde_json::Value;

use super::types::Manifest;

/// The schema as a value; keys that start with `x-` are allowed everywhere.
pub fn json() -> Value {
    let mut schema = schemars::schema_for!(Manifest).to_value();
    allow_extensions(&mut schema);
    schema
}

/// The schema as pretty JSON with a newline at the end.
pub fn text() -> String {
    format!("{:#}\n", json())
}

fn allow_extensions(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.get("additionalProperties") == Some(&Value::Bool(false)) {
                map.insert("patternProperties".to_owned(), serde_json::json!({"^x-": true}));
            }
            map.values_mut().for_each(allow_extensions);
        }
        Value::Array(items) => items.iter_mut().for_each(allow_extensions),
        _ => {}
    }
}
