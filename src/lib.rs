//! tollgate: an AI gateway on Pingora.

pub mod auth;
pub mod cli;
pub mod config;
pub mod control;
pub mod dialects;
pub mod domain;
pub mod endpoints;
pub mod metering;
pub mod providers;
pub mod proxy;
pub mod routing;
pub mod runtime;
pub mod server;
pub mod simulator;
pub mod telemetry;
pub mod upstream;
