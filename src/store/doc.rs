//! Stored documents: JSON in an envelope that names the version of its form.
//!
//! Documents whose bytes are hashed (plans, evidence, decisions, audit bodies) are not wrapped: they are kept exactly
//! as given and carry their own version.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::error::document;
use crate::ports::StoreError;

/// The newest form this version writes and reads.
const FORM: u32 = 1;

#[derive(Serialize)]
struct Written<'a, T> {
    form: u32,
    doc: &'a T,
}
#[derive(Deserialize)]
struct Form {
    form: u32,
}
#[derive(Deserialize)]
struct Read<T> {
    doc: T,
}

/// Wraps and writes `doc`; `what` is its name in errors.
pub(crate) fn encode<T: Serialize>(what: &str, doc: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(&Written { form: FORM, doc }).map_err(|e| document(what, &e))
}

/// Reads what [`encode`] wrote, refusing forms newer than this version knows.
pub(crate) fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, StoreError> {
    let Form { form } = serde_json::from_slice(bytes).map_err(|e| document(what, &e))?;
    if form > FORM {
        return Err(document(what, &format!("it has form {form}, this version knows {FORM}")));
    }
    let read: Read<T> = serde_json::from_slice(bytes).map_err(|e| document(what, &e))?;
    Ok(read.doc)
}

/// Writes a part without envelope: its table's columns are its form.
pub(crate) fn plain<T: Serialize>(what: &str, part: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(part).map_err(|e| document(what, &e))
}
/// Reads what [`plain`] wrote.
pub(crate) fn unplain<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|e| document(what, &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_form_is_refused_by_name() {
        let text = String::from_utf8(encode("tree", &7).unwrap()).unwrap();
        assert_eq!(decode::<i32>("tree", text.as_bytes()).unwrap(), 7);
        let newer = text.replace("\"form\":1", "\"form\":2");
        let error = decode::<i32>("tree", newer.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("stored tree") && error.contains("form 2"), "{error}");
    }
}
