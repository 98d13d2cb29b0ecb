//! What the embedded cluster offers beyond an API server: a log of requests, faults, its own time,
//! and a socket that kubectl understands. How its API behaves is checked by the conformance suite.

mod faults;
