//! ONNX files in and out: a network trained elsewhere becomes a [`Model`] of the layers here.
//!
//! Nodes are translated one by one; what depends on constants alone is computed. Quantizers are
//! recognized, of weights by their values and of activations by the chain of operators that
//! exporters leave of them, so that surrogate gradients survive. What cannot be expressed is
//! refused with the node's name and what would be needed.

mod activations;
mod arithmetic;
mod array;
mod builder;
mod constant;
mod dropout;
mod error;
mod export;
mod external;
mod fold;
mod layers;
mod limits;
mod message;
mod node;
mod operators;
mod pooling;
mod quantized;
mod shapes;
mod steps;
#[cfg(test)]
mod tests;
mod translate;
mod translator;
mod value;

pub use error::OnnxError;
pub use export::{export, to_bytes};

use crate::graph::GraphError;
use crate::model::{Info, Model};
use crate::op::{Affine, Flatten};
use crate::quantizer::Surrogate;
use builder::Builder;
use message::ModelFile;
use prost::Message;
use prost::bytes::Bytes;
use std::path::Path;

/// Most classes of a network; each has a name, which takes more than the file may declare.
const MAX_CLASSES: usize = 1 << 16;

/// What an import is told beside the file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Dropout to put back, which exporters leave out: `p=0.5 before dense:2,dense:3`, several
    /// separated by `;`. A layer is named by its op and its number among those. Empty: none.
    pub dropout: String,
    /// Mean of the pixels, one or one for each channel, in units of the pixels; empty: none.
    pub mean: Vec<f64>,
    /// Deviation of the pixels, as many as means, positive.
    pub std: Vec<f64>,
    /// What stands for the gradient of every quantizer that is recognized.
    pub surrogate: Surrogate,
}

/// A layer of an imported network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedLayer {
    /// Its op and its number among those: `dense:2`.
    pub number: String,
    /// The node that it comes from; empty for what the import added.
    pub node: String,
}

/// An imported network.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The network.
    pub model: Model,
    /// Its layers, in the order of the graph's nodes.
    pub layers: Vec<ImportedLayer>,
    /// What was recognized, left out or is computed differently.
    pub notes: Vec<String>,
}

/// Reads the ONNX file at `path`, and the files beside it that hold its numbers if there are any.
///
/// # Errors
/// When they cannot be read, or as [`read`].
pub fn import(path: &Path, options: &Options) -> Result<Imported, OnnxError> {
    let bytes = std::fs::read(path).map_err(|source| OnnxError::Io {
        path: path.display().to_string(),
        source,
    })?;
    let (mut file, size) = decode(bytes)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let beside = external::attach(&mut file, folder)?;
    network(&file, size + beside, options)
}

/// Reads the bytes of an ONNX file. Beside them it takes at most three times their size and a
/// few megabytes, whatever they say.
///
/// # Errors
/// When they are no ONNX file, too large, hold what cannot be expressed, or `options` do not fit
/// the network.
pub fn read(bytes: Vec<u8>, options: &Options) -> Result<Imported, OnnxError> {
    let (file, size) = decode(bytes)?;
    network(&file, size, options)
}

/// The messages of a file, and how many bytes it has.
fn decode(bytes: Vec<u8>) -> Result<(ModelFile, usize), OnnxError> {
    limits::check(&bytes)?;
    let size = bytes.len();
    let file = ModelFile::decode(Bytes::from(bytes));
    let file = file.map_err(|e| OnnxError::NoProtobuf(e.to_string()))?;
    Ok((file, size))
}

/// The network of a file of `size` bytes.
fn network(file: &ModelFile, size: usize, options: &Options) -> Result<Imported, OnnxError> {
    let translated = translate::translate(file, size, options.surrogate)?;
    let (mut build, mut notes) = (translated.build, translated.notes);
    notes.extend(pixels(&mut build));
    normalize(&mut build, options)?;
    dropout::insert(&mut build, &options.dropout)?;
    let p = dropout::largest(&build);
    let classes = build.shapes[build.shapes.len() - 1][0];
    if classes > MAX_CLASSES {
        return Err(OnnxError::TooLarge {
            what: "the network's output",
            got: classes,
            allowed: MAX_CLASSES,
        });
    }
    let info = Info {
        arch: "onnx".into(),
        topology: "imported".into(),
        dropout: p,
        classes: (0..classes).map(|class| class.to_string()).collect(),
        input_range: [0.0, 1.0],
        training: None,
        ..Info::default()
    };
    let numbers = dropout::numbers(&build);
    let (model, nodes) = build.finish(info)?;
    let layers = numbers.into_iter().zip(nodes);
    let layers = layers.map(|(number, node)| ImportedLayer { number, node });
    Ok(Imported {
        model,
        layers: layers.collect(),
        notes,
    })
}

/// Gives a network of flat pixels images, square and gray or of three colors, if it can.
fn pixels(build: &mut Builder) -> Option<String> {
    let &[size] = &build.shapes[0][..] else {
        return None;
    };
    let side = |channels: usize| {
        let side = (size / channels).isqrt();
        let fits = side >= 8 && channels * side * side == size;
        fits.then_some(vec![channels, side, side])
    };
    let image = side(1).or_else(|| side(3))?;
    let note = format!("its input of {size} numbers is taken as images of {image:?}, row by row");
    build.insert_first(Box::new(Flatten {}));
    build.shapes[0] = image;
    Some(note)
}

/// Puts the normalization of pixels first.
fn normalize(build: &mut Builder, options: &Options) -> Result<(), OnnxError> {
    let (mean, std) = (&options.mean, &options.std);
    if mean.is_empty() && std.is_empty() {
        return Ok(());
    }
    let op = Affine::normalization(mean, std, build.shapes[0][0]).map_err(GraphError::Network)?;
    build.insert_first(Box::new(op));
    Ok(())
}
