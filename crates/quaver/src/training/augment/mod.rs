//! Augmentation: random changes of training images. One a file, found by name in
//! [`AUGMENTATIONS`].

use crate::rng::Rng;
use crate::spec::{Allowed, Parameter, PlugIn, Spec, SpecError};
use quaver_nn::train::{Augment, ImageKey};

plug_ins! {
    /// Every augmentation.
    pub const AUGMENTATIONS: PlugIn<dyn Augment> = [shift, flip, cut_out];
}

/// The augmentation of a spec string such as `shift(pixels=3)`, and the spec in full.
///
/// # Errors
/// For an unknown name, and for parameters that are unknown or out of range.
pub fn build(text: &str) -> Result<(Box<dyn Augment>, Spec), SpecError> {
    PlugIn::find("augmentation", AUGMENTATIONS, text)
}

/// Random numbers of the augmentation `name` for an image in an epoch.
fn rng(name: &str, key: ImageKey) -> Rng {
    Rng::new(key.seed, &format!("augment-{name}-{}", key.epoch), key.id)
}

/// A number of pixels, at least 1.
const fn pixels(name: &'static str, default: &'static str, about: &'static str) -> Parameter {
    let allowed = Allowed::Integer(1, 1024);
    Parameter {
        name,
        default,
        allowed,
        about,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images of two channels of 3 by 4 that `text` makes of one with the numbers 1 to 24.
    pub(super) fn changed(text: &str, ids: std::ops::Range<u64>) -> Vec<Vec<f32>> {
        let (augment, _) = build(text).unwrap();
        let change = |id| {
            let (seed, epoch) = (7, 2);
            let mut image: Vec<f32> = (1..=24).map(|i| i as f32).collect();
            augment.change(&mut image, [2, 3, 4], ImageKey { seed, epoch, id });
            image
        };
        ids.map(change).collect()
    }

    #[test]
    fn changes_depend_on_every_part_of_the_key_and_on_nothing_else() {
        for entry in AUGMENTATIONS {
            let (augment, _) = build(entry.id).unwrap();
            let changed = |seed, epoch| {
                let change = |id| {
                    let mut image: Vec<f32> = (0..28 * 28).map(|i| i as f32).collect();
                    augment.change(&mut image, [1, 28, 28], ImageKey { seed, epoch, id });
                    image
                };
                (0..20).map(change).collect::<Vec<_>>()
            };
            let first = changed(1, 1);
            assert_eq!(first, changed(1, 1), "{}", entry.id);
            assert_ne!(first, changed(2, 1), "{}", entry.id);
            assert_ne!(first, changed(1, 2), "{}", entry.id);
            assert!(first.iter().any(|image| *image != first[0]), "{}", entry.id);
        }
    }

    #[test]
    fn bad_parameters_are_refused() {
        for entry in AUGMENTATIONS {
            for parameter in entry.parameters {
                for value in parameter.refused() {
                    let text = format!("{}({}={value})", entry.id, parameter.name);
                    assert!(build(&text).is_err(), "{text}");
                }
            }
        }
    }
}
