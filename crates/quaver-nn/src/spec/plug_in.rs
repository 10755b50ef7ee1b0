//! [`PlugIn`]: an entry of a registry.

use super::{Parameter, Spec, SpecError, Values, find_name};

/// A plug-in that a spec string finds by its name and builds from its parameters.
#[derive(Debug)]
pub struct PlugIn<T: ?Sized + 'static> {
    /// Name in specs.
    pub id: &'static str,
    /// What it is, in one line.
    pub title: &'static str,
    /// Where it comes from: title and year.
    pub paper: &'static str,
    /// What its spec takes.
    pub parameters: &'static [Parameter],
    /// Builds it from their values.
    pub build: fn(&Values) -> Result<Box<T>, SpecError>,
}

impl<T: ?Sized> PlugIn<T> {
    /// The plug-in of `registry` that `text` asks for, and the spec with all parameters in force.
    /// `kind` is what messages call it, such as `optimizer`.
    ///
    /// # Errors
    /// When there is none of the name, or its parameters are unknown or out of range.
    pub fn find(
        kind: &'static str,
        registry: &[&Self],
        text: &str,
    ) -> Result<(Box<T>, Spec), SpecError> {
        let spec: Spec = text.parse()?;
        let names: Vec<&str> = registry.iter().map(|entry| entry.id).collect();
        let entry = registry[find_name(kind, &spec.name, &names)?];
        let values = spec.values(entry.parameters)?;
        Ok(((entry.build)(&values)?, values.spec().clone()))
    }
}
