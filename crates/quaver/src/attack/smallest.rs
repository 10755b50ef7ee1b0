//! [`Smallest`]: the adversarial image nearest to the clean one, of those that were asked about.

/// The nearest adversarial image so far; the clean image until there is one.
#[derive(Clone, Debug)]
pub struct Smallest {
    /// Its pixels.
    pub image: Vec<f32>,
    /// How far it is; infinite until there is one.
    pub distance: f64,
}

impl Smallest {
    /// None yet, of the clean image `x`.
    #[must_use]
    pub fn of(x: &[f32]) -> Self {
        Self {
            image: x.to_vec(),
            distance: f64::INFINITY,
        }
    }

    /// Takes an adversarial image at `distance` if it is nearer than all before it.
    pub fn take(&mut self, image: &[f32], distance: f64) {
        if distance < self.distance {
            self.distance = distance;
            self.image.copy_from_slice(image);
        }
    }
}
