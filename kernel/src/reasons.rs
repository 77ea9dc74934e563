//! Why a message is refused: the closed list of the decoding stage, by the names of `model.Reason`.
//!
//! Python maps these names to its own list when it imports the kernel, so that a name that only
//! one of the two knows stops the import and never reaches a table.

#![forbid(unsafe_code)]

/// A reason of the decoding stage. The discriminant is the index in `NAMES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    Empty,
    TooLarge,
    NotUtf8,
    NotJson,
    NotObject,
    DuplicateKey,
    TooDeep,
    TooManyKeys,
    StringTooLong,
    ForbiddenCharacter,
    NumberOutOfRange,
    WrongEvent,
    UnknownVersion,
    MissingField,
    InvalidType,
    InvalidTime,
    NotInFormat,
    Internal,
}

/// The reasons' names, in the order of their discriminants.
pub const NAMES: [&str; 18] = [
    "empty",
    "too_large",
    "not_utf8",
    "not_json",
    "not_object",
    "duplicate_key",
    "too_deep",
    "too_many_keys",
    "string_too_long",
    "forbidden_character",
    "number_out_of_range",
    "wrong_event",
    "unknown_version",
    "missing_field",
    "invalid_type",
    "invalid_time",
    "not_in_format",
    "internal",
];
