//! The one integration-test binary.

mod conformance;
mod real;
mod repo;
mod sim_api;
