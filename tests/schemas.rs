//! The committed schemas are the ones the types make. `UPDATE_SCHEMAS=1` writes them.

use std::path::Path;

use clap::ValueEnum as _;
use flinkops::cli::schema::Subject;

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    for subject in Subject::value_variants() {
        let file = folder.join(format!("{}.schema.json", subject.name()));
        let wanted = flinkops::report::json(&subject.schema());
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &wanted).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(committed == wanted, "{} is not up to date: run with UPDATE_SCHEMAS=1", file.display());
    }
}

#[test]
fn every_schema_is_one() {
    for subject in Subject::value_variants() {
        let schema = subject.schema();
        jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{}: {error}", subject.name()));
    }
}
