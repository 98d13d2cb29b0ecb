//! The one integration-test binary.

mod conformance;
mod purity;
mod real;
mod repo;
mod sim_api;
