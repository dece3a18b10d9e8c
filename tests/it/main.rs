//! One binary for all behaviour tests; one file a promise.
