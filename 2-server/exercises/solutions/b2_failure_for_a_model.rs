//! What the model can mend is a result; what only the host can mend is an error.

use rmcp::{
    ErrorData,
    model::{CallToolRequestParams, CallToolResult, ContentBlock},
};

/// Answers a call of `math-divide`, the only tool there is.
pub fn call(params: &CallToolRequestParams) -> Result<CallToolResult, ErrorData> {
    if params.name != "math-divide" {
        return Err(ErrorData::invalid_params("unknown tool", None));
    }
    let failed = |why: &str| Ok(CallToolResult::error(vec![ContentBlock::text(why)]));
    let number = |name: &str| params.arguments.as_ref()?.get(name)?.as_f64();
    let (Some(a), Some(b)) = (number("a"), number("b")) else {
        return failed("give both a and b, as numbers");
    };
    if b == 0.0 {
        return failed("b is 0, and nothing can be divided by it: choose another b");
    }
    let quotient = ContentBlock::text((a / b).to_string());
    Ok(CallToolResult::success(vec![quotient]))
}
