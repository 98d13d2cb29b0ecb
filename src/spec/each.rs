//! Makes one thing of each of many, on all processors where there are enough of them to be worth it.
//!
//! What comes of it is the same as from a plain loop, in the same order: no thread of it is seen outside.

use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// Fewer are made sooner than threads are woken up.
const FEW: usize = 64;

/// What `make` says of each, in order.
pub fn each<T: Send, U: Send>(all: Vec<T>, make: impl Fn(T) -> U + Sync + Send) -> Vec<U> {
    if all.len() < FEW {
        all.into_iter().map(make).collect()
    } else {
        all.into_par_iter().map(make).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_come_in_the_order_of_few() {
        for count in [0, 1, FEW - 1, FEW, 100 * FEW] {
            let squares: Vec<usize> = (0..count).map(|n| n * n).collect();
            assert_eq!(each((0..count).collect(), |n| n * n), squares);
        }
    }
}
