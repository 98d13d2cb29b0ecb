//! The model of the Flink operator, held to what real operators were seen to do.
//!
//! Each sequence is the compact form of one that was observed: seconds since the command, the object, and
//! the fields that changed. The order must be the same and the times close.
//!
//! Operator 1.15.0 on a real node was recorded in these sequences; every one has its test, whose name begins
//! with the letter of the recording:
//!
//! | recorded | test |
//! |---|---|
//! | 5: an application's upgrade from a savepoint | `application::s5_…` |
//! | a, a2, a3: created suspended, then run, deleted | `session::a_…` |
//! | b, b2: a session job suspended and resumed | `session::b_…` |
//! | c, c2, c3, c4: a cluster's change without its jobs; what helps a lost one | `session::c_…` |
//! | d, d2: a cluster deleted before its jobs, and after | `session::d_…` |
//! | e, e2, e3: a spec refused, in a change and at first, and put right | `application::e_…`, `application::e2_…` |
//! | f: a savepoint asked for by a nonce | `snapshots::f_…` |
//! | f2, f3: snapshots made and deleted by people | `snapshots::f2_…` |
//! | j: suspended, cluster changed, resumed | `session::j_…` |
//! | k, k2, l: job and cluster changed at once; a checkpoint as the way out | `session::k_…` |
//! | m: a jar, a scheme, a class, a cluster, an image that are not there | `failures::m_…` |
//! | n0, n, n2: high availability: a job before its cluster, the cluster's change, both deleted | `session::n_…` |
//! | p, p2: an application suspended and resumed | `application::p_…` |
//! | an upgrade that cannot start, reverted with and without a redeployment | `application::an_upgrade_that_…` |
//! | the objects left by all this | `snapshots::the_snapshots_…`, and in `forecast::taking_up` |
//!
//! A sequence begins where the test does: where a recording went on from the one before it, its generations are
//! higher by what had been changed until then. Of events that were repeated every few seconds, the first few
//! are compared.
//!
//! Operator 1.7.0 is held to in two ways: by `legacy`, `suspended` and `unstarted` to what was seen of it, and, wherever Java
//! is at hand, by the real one itself, which is given the same commits beside the model (`real::flink`).

mod application;
mod failures;
mod legacy;
mod records;
mod session;
mod snapshots;
mod stage;
mod suspended;
mod transcript;
mod unstarted;
