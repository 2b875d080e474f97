//! [`schema_of`]: the contract as JSON Schema, made from the same types that are written.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

use crate::lab::LabReport;
use crate::{
    DiffReport, DoctorReport, GoroutinesReport, HeapReport, PathReport, PsReport, ReleaseReport,
    SqlReport, TuneReport, TypeReport, WhyReport,
};

/// The verbs that have a schema.
pub const VERBS: [&str; 12] = [
    "why",
    "ps",
    "doctor",
    "release",
    "tune",
    "lab",
    "heap",
    "goroutines",
    "path",
    "diff",
    "sql",
    "type",
];

/// The schema's name of a verb, such as `letgo.why/1`.
pub fn schema_name(verb: &str) -> Option<&'static str> {
    match verb {
        "why" => Some(WhyReport::SCHEMA),
        "ps" => Some(PsReport::SCHEMA),
        "doctor" => Some(DoctorReport::SCHEMA),
        "release" => Some(ReleaseReport::SCHEMA),
        "tune" => Some(TuneReport::SCHEMA),
        "lab" => Some(LabReport::SCHEMA),
        "heap" => Some(HeapReport::SCHEMA),
        "goroutines" => Some(GoroutinesReport::SCHEMA),
        "path" => Some(PathReport::SCHEMA),
        "diff" => Some(DiffReport::SCHEMA),
        "sql" => Some(SqlReport::SCHEMA),
        "type" => Some(TypeReport::SCHEMA),
        _ => None,
    }
}

/// The JSON Schema (draft 2020-12) of what a verb writes with `-o json`.
pub fn schema_of(verb: &str) -> Option<Value> {
    match verb {
        "why" => Some(generate::<WhyReport>(WhyReport::SCHEMA)),
        "ps" => Some(generate::<PsReport>(PsReport::SCHEMA)),
        "doctor" => Some(generate::<DoctorReport>(DoctorReport::SCHEMA)),
        "release" => Some(generate::<ReleaseReport>(ReleaseReport::SCHEMA)),
        "tune" => Some(generate::<TuneReport>(TuneReport::SCHEMA)),
        "lab" => Some(generate::<LabReport>(LabReport::SCHEMA)),
        "heap" => Some(generate::<HeapReport>(HeapReport::SCHEMA)),
        "goroutines" => Some(generate::<GoroutinesReport>(GoroutinesReport::SCHEMA)),
        "path" => Some(generate::<PathReport>(PathReport::SCHEMA)),
        "diff" => Some(generate::<DiffReport>(DiffReport::SCHEMA)),
        "sql" => Some(generate::<SqlReport>(SqlReport::SCHEMA)),
        "type" => Some(generate::<TypeReport>(TypeReport::SCHEMA)),
        _ => None,
    }
}

/// The settings whose null means something: off, none.
const NULL_MEANS: [&str; 2] = ["gc_percent", "memory_limit"];

fn generate<T: JsonSchema>(name: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    strict(&mut schema);
    if let Some(defs) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        for def in defs.values_mut() {
            if let Ok(def) = def.try_into() {
                strict(def);
            }
        }
    }
    let body = schema.to_value();
    let mut out = Map::new();
    let dialect = "https://json-schema.org/draft/2020-12/schema";
    out.insert("$schema".into(), dialect.into());
    out.insert("title".into(), name.into());
    for (key, value) in body.as_object().into_iter().flatten() {
        out.entry(key.clone()).or_insert_with(|| value.clone());
    }
    Value::Object(out)
}

/// Takes null away from what may be absent: absent is how we say that something is not known.
fn strict(schema: &mut Schema) {
    let required = schema.get("required").cloned().unwrap_or_default();
    let is_required = |key: &str| {
        let keys = required.as_array();
        keys.is_some_and(|keys| keys.iter().any(|required| required == key))
    };
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for (key, property) in properties {
        if !is_required(key) && !NULL_MEANS.contains(&key.as_str()) {
            not_null(property);
        }
    }
}

fn not_null(property: &mut Value) {
    let Some(property) = property.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            property.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(choices)) = property.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type") != Some(&"null".into()));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            property.remove("anyOf");
            property.extend(only);
        }
    }
}
