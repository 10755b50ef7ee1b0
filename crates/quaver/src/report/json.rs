//! JSON: the results themselves, to be read by programs and by `quaver report`.

use crate::paper::results::Results;

use super::RenderError;

/// The results as indented JSON in the order of the fields.
///
/// # Errors
/// [`RenderError::Json`] when they cannot be written, which no plain data causes.
pub fn render(results: &Results) -> Result<Option<Vec<u8>>, RenderError> {
    let mut bytes = serde_json::to_vec_pretty(results)?;
    bytes.push(b'\n');
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn what_is_written_is_read_back() {
        let results = fixture::results();
        let bytes = render(&results).unwrap().unwrap();
        assert_eq!(serde_json::from_slice::<Results>(&bytes).unwrap(), results);
    }
}
