//! The hot loops of the telemetry pipeline: strict decoding of messages, formats, and tokens.
//!
//! `docs/architecture.md` says where it fits in, `docs/decisions/` why it exists. It knows nothing
//! of files, Kafka's network, settings or Beam, and makes no decision that Python does not name.

#![deny(unsafe_code)]

pub mod column;
pub mod decode;
pub mod lines;
#[cfg(feature = "python")]
mod memory;
pub mod number;
#[cfg(feature = "python")]
mod python;
pub mod reasons;
pub mod records;
pub mod refine;
pub mod routes;
pub mod scan;
pub mod split;
pub mod standings;
pub mod table;
pub mod text;
pub mod time;
pub mod token;
