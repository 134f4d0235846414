//! The way of one call, as the interceptor's page tells it, is the way that the code has.

use std::fs;

use crate::learning_path::root;

#[test]
fn each_step_of_the_journey_names_a_function_that_is_there() {
    let source = root().join("2-server/src");
    let page = fs::read_to_string(source.join("interceptor/mod.rs")).unwrap();
    let (_, journey) = page.split_once("# One call, step by step").unwrap();
    let (journey, _) = journey.split_once("# Guard a server of your own").unwrap();
    let text = journey.replace("//!", " ");
    let mut steps = 0;
    for step in text.split('`').collect::<Vec<_>>().chunks_exact(2) {
        let before = step[0].trim_end();
        // "3. `admit` in `interceptor/guard.rs`", and "and `record` in …".
        if before.ends_with('.') || before.ends_with("and") {
            steps += usize::from(before.ends_with('.'));
            let function = step[1];
            let (_, rest) = text.split_once(&format!("`{function}` in `")).unwrap();
            let file = rest.split('`').next().unwrap();
            let code = fs::read_to_string(source.join(file))
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(
                code.contains(&format!("fn {function}("))
                    || code.contains(&format!("fn {function}<")),
                "{file} has no function {function}"
            );
        }
    }
    assert_eq!(steps, 12, "a journey of twelve steps: {text}");
}
