//! The model of the operator, held to what was observed on real ones.
//!
//! Each test of [`modern`] and [`old`] restates one observed run: what was done, and in which order and
//! after how many seconds each field of each object changed.

mod bench;
mod log;
mod modern;
mod old;
mod records;
