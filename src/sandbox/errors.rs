//! Refusals in the shape of the Graph API (Graph API, "Handling errors"): matched on by code and subcode.

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};

/// One refusal, before it becomes a body; boxed, because nearly every function can return one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal(Box<Detail>);

/// What a refusal says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Detail {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) code: i64,
    pub(super) subcode: Option<i64>,
    pub(super) message: String,
    pub(super) title: Option<&'static str>,
    pub(super) user: Option<String>,
    pub(super) transient: bool,
    pub(super) blame: Option<String>,
    /// `error_data` is an object rather than the same object as text.
    pub(super) open_data: bool,
}

impl Deref for Refusal {
    type Target = Detail;
    fn deref(&self) -> &Detail {
        &self.0
    }
}
impl DerefMut for Refusal {
    fn deref_mut(&mut self) -> &mut Detail {
        &mut self.0
    }
}

/// What a handler answers.
pub(super) type Answer = Result<Value, Refusal>;

impl Refusal {
    /// Any code, HTTP 400, `OAuthException`.
    pub(super) fn new(code: i64, message: impl Into<String>) -> Self {
        Self(Box::new(Detail {
            status: 400,
            kind: "OAuthException",
            code,
            subcode: None,
            message: message.into(),
            title: None,
            user: None,
            transient: false,
            blame: None,
            open_data: false,
        }))
    }
    /// `(#100) Invalid parameter` about one field, with text for the person.
    pub(super) fn invalid(field: &str, user: impl Into<String>) -> Self {
        let mut refusal = Self::new(100, "Invalid parameter");
        refusal.title = Some("Invalid parameter");
        refusal.user = Some(user.into());
        refusal.blame = Some(field.to_owned());
        refusal
    }
    /// A required parameter that is missing.
    pub(super) fn required(field: &str) -> Self {
        let text = format!("(#100) The parameter {field} is required");
        Self::new(100, text).blaming(field)
    }
    /// A value of the wrong type or outside its list: `error_data` is an object here, a text elsewhere; Meta does both.
    pub(super) fn blaming(mut self, field: &str) -> Self {
        self.blame = Some(field.to_owned());
        self.open_data = true;
        self
    }
    /// A field or edge the node does not have.
    pub(super) fn nonexisting(name: &str, node: &str) -> Self {
        let node = super::contract::inner_name(node);
        let text =
            format!("(#100) Tried accessing nonexisting field ({name}) on node type ({node})");
        Self::new(100, text)
    }
    /// Adds the subcode that names the rule.
    pub(super) fn sub(mut self, subcode: i64) -> Self {
        self.subcode = Some(subcode);
        self
    }
    /// Adds the text for the person.
    pub(super) fn saying(mut self, title: &'static str, user: impl Into<String>) -> Self {
        self.title = Some(title);
        self.user = Some(user.into());
        self
    }
    /// An id that does not exist or may not be seen: 100/33.
    pub(super) fn unknown(method: &str, id: &str) -> Self {
        let message = format!(
            "Unsupported {} request. Object with ID '{id}' does not exist, cannot be loaded due to missing \
             permissions, or does not support this operation. Please read the Graph API documentation at \
             https://developers.facebook.com/docs/graph-api",
            method.to_lowercase()
        );
        let mut refusal = Self::new(100, message).sub(33);
        refusal.kind = "GraphMethodException";
        refusal
    }
    /// A path nobody serves: 2500.
    pub(super) fn unknown_path(path: &str) -> Self {
        Self::new(2500, format!("Unknown path components: /{path}"))
    }
    /// An access token problem: 190 with its subcode.
    pub(super) fn token(subcode: Option<i64>, message: &str) -> Self {
        let mut refusal = Self::new(190, message);
        refusal.subcode = subcode;
        refusal
    }
    /// A wrong `appsecret_proof`.
    pub(super) fn proof() -> Self {
        let mut refusal = Self::new(100, "Invalid appsecret_proof provided in the API argument");
        refusal.kind = "GraphMethodException";
        refusal
    }
    /// No `appsecret_proof`, where the app demands one.
    pub(super) fn no_proof() -> Self {
        let mut refusal =
            Self::new(100, "API calls from the server require an appsecret_proof argument");
        refusal.kind = "GraphMethodException";
        refusal
    }
    /// The JSON body.
    pub(super) fn body(&self, trace: &str) -> Value {
        let mut error = json!({"message": self.message, "type": self.kind, "code": self.code, "fbtrace_id": trace});
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = json!(subcode);
            error["is_transient"] = json!(self.transient);
        }
        if self.transient {
            error["is_transient"] = json!(true);
        }
        if let Some(title) = self.title {
            error["error_user_title"] = json!(title);
        }
        if let Some(user) = &self.user {
            error["error_user_msg"] = json!(user);
        }
        if let Some(blame) = &self.blame {
            let data = json!({"blame_field_specs": [[blame]]});
            error["error_data"] = if self.open_data { data } else { json!(data.to_string()) };
        }
        json!({ "error": error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_carries_code_subcode_and_trace() {
        let body = Refusal::unknown("GET", "42").body("Atrace");
        assert_eq!(body["error"]["code"], 100);
        assert_eq!(body["error"]["error_subcode"], 33);
        assert_eq!(body["error"]["type"], "GraphMethodException");
        assert_eq!(body["error"]["fbtrace_id"], "Atrace");
    }

    #[test]
    fn error_data_names_the_field_as_text_or_as_an_object() {
        let open = Refusal::required("name").body("A");
        assert_eq!(open["error"]["error_data"]["blame_field_specs"][0][0], "name");
        let body = Refusal::invalid("daily_budget", "too low").body("A");
        let data: Value =
            serde_json::from_str(body["error"]["error_data"].as_str().unwrap()).unwrap();
        assert_eq!(data["blame_field_specs"][0][0], "daily_budget");
    }
}
