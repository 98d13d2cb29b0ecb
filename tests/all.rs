//! The one integration-test binary.

mod cli;
mod conformance;
mod daemon;
mod demo;
mod examples;
mod flows;
mod loader;
mod purity;
mod real;
mod repo;
mod schemas;
mod sequences;
mod sim_api;
