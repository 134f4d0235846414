//! One scope for each thing that is needed, and the second one bounded.

/// The scopes in the key's entry, as TOML.
pub const SCOPES: &str = r#"[
    "tools:util:echo",
    { scope = "tools:weather:get", where = { city = { one_of = ["Oslo", "Bergen"] } } },
]"#;
