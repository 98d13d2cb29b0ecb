//! The one integration-test binary.

mod cli;
mod commands;
mod conformance;
mod daemon;
mod demo;
mod diagnostics;
mod examples;
mod faults;
mod flows;
mod forecast;
mod formats;
mod fuzzing;
mod import;
mod lint;
mod loader;
mod operator_rules;
mod parts;
mod purity;
mod real;
mod repo;
mod scenarios;
mod scenarios_properties;
mod schemas;
mod sequences;
mod sim_api;
