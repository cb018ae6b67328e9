//! The JSON Schema of a config file, from the raw types: what editors, `lintel config schema` and the check
//! of a file's structure go by.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::built_in::DEFAULTS;
use super::raw::{
    RawCamera, RawClass, RawFlightArea, RawRule, RawRuleSettings, RawSections, RawSettings, RawSharedRule,
};

/// JSON Schema (draft 2020-12) of the main config file, with descriptions and defaults.
pub fn schema() -> Value {
    let mut schema = main_file();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Lintel config");
    schema
}

pub(crate) fn main_file() -> Value {
    let defaults = defaults();
    let settings_of = |description: &str| {
        let mut settings = of::<RawSettings>();
        optional(&mut settings, &defaults["camera_defaults"], false);
        settings["description"] = json!(description);
        settings
    };
    let mut camera_defaults = of::<RawSettings>();
    optional(&mut camera_defaults, &defaults["camera_defaults"], true);
    camera_defaults["description"] =
        json!("Settings of every camera that neither its profile nor itself sets.");

    let mut schema = of::<RawSections>();
    optional(&mut schema, &defaults, true);
    let properties = &mut schema["properties"];
    properties["camera_defaults"] = camera_defaults;
    properties["profiles"] = json!({
        "type": "object",
        "description": "Named settings that cameras choose by `profile`; `high_mount`, `street` and `drone` exist and can be changed.",
        "additionalProperties": settings_of("Settings of the profile, over `[camera_defaults]`."),
    });
    properties["camera"] = cameras();
    let mut area = of::<RawFlightArea>();
    area["properties"]["rule"]["items"] = rule();
    properties["flight_area"] = json!({
        "type": "array",
        "description": "Areas whose finished flights are compared with the last accepted ones.",
        "items": area,
    });
    properties["rule"] = json!({
        "type": "array",
        "description": "Rules for all cameras, or for those of some profiles.",
        "items": join(rule(), of::<RawSharedRule>()),
    });
    schema
}

/// An included file: cameras only.
pub(crate) fn camera_file() -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": { "camera": cameras() } })
}

pub(crate) fn catalogue_file() -> Value {
    let mut defaults = of::<RawRuleSettings>();
    defaults["description"] = json!("What holds for every class that does not set it.");
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["class"],
        "properties": {
            "defaults": defaults,
            "class": { "type": "array", "items": join(of::<RawClass>(), of::<RawRuleSettings>()) },
        },
    })
}

fn cameras() -> Value {
    let mut settings = of::<RawSettings>();
    optional(&mut settings, &defaults()["camera_defaults"], false);
    let mut camera = join(of::<RawCamera>(), settings);
    camera["properties"]["rule"]["items"] = rule();
    json!({ "type": "array", "description": "The cameras.", "items": camera })
}

fn rule() -> Value {
    join(of::<RawRule>(), of::<RawRuleSettings>())
}

fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| {
        s.inline_subschemas = true;
        s.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tidy(&mut schema);
    schema
}

/// TOML has no null, titles of Rust types help nobody, and unknown keys are refused everywhere.
fn tidy(schema: &mut Value) {
    if let Value::Object(object) = schema {
        object.remove("title");
        if let Some(Value::Array(types)) = object.get_mut("type") {
            types.retain(|t| t != "null");
            if let [only] = types.as_slice() {
                object["type"] = only.clone();
            }
        }
        if let Some(Value::Array(choices)) = object.get_mut("enum") {
            choices.retain(|c| !c.is_null());
        }
        if let Some(Value::Array(choices)) = object.get("anyOf") {
            let real: Vec<Value> = choices.iter().filter(|c| c["type"] != "null").cloned().collect();
            if let [Value::Object(only)] = real.as_slice() {
                object.remove("anyOf");
                let mut merged = only.clone();
                merged.extend(std::mem::take(object));
                *object = merged;
            }
        }
        if object.contains_key("properties") {
            object.entry("additionalProperties").or_insert(json!(false));
        }
    }
    match schema {
        Value::Object(object) => object.values_mut().for_each(tidy),
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Takes what has a default off the required keys; with `state`, writes the default down.
fn optional(schema: &mut Value, defaults: &Value, state: bool) {
    let Value::Object(defaults) = defaults else { return };
    for (key, default) in defaults {
        let property = &mut schema["properties"][key];
        if property.is_null() {
            continue;
        }
        if default.is_object() {
            optional(property, default, state);
        } else if state {
            property["default"] = default.clone();
        }
        let still_needed = property["required"].as_array().is_some_and(|r| !r.is_empty());
        if let Some(Value::Array(required)) = schema.get_mut("required")
            && !still_needed
        {
            required.retain(|r| r != key);
        }
    }
    if schema["required"].as_array().is_some_and(Vec::is_empty)
        && let Value::Object(object) = schema
    {
        object.remove("required");
    }
}

/// One table that has the keys of both.
fn join(mut first: Value, second: Value) -> Value {
    let Value::Object(mut second) = second else { return first };
    if let (Some(into), Some(Value::Object(from))) =
        (first["properties"].as_object_mut(), second.remove("properties"))
    {
        into.extend(from);
    }
    if let Some(Value::Array(more)) = second.remove("required") {
        match first.get_mut("required").and_then(Value::as_array_mut) {
            Some(required) => required.extend(more),
            None => first["required"] = Value::Array(more),
        }
    }
    first
}

fn defaults() -> Value {
    let table: toml::Table = DEFAULTS.parse().expect("the built-in defaults are TOML");
    serde_json::to_value(table).unwrap_or(Value::Object(Map::new()))
}
