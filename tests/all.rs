//! The one integration-test binary.

mod conformance;
mod daemon;
mod examples;
mod loader;
mod purity;
mod real;
mod repo;
mod sim_api;
