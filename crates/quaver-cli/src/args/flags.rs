//! The flags of each command.

use super::number::{real, whole};
use super::{DataArgs, ImagesArgs};
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use quaver::attack::LabelSource;
use quaver::decision::Decision;
use quaver::spec::SpecError;
use std::ops::Bound;
use std::path::PathBuf;

/// The network to build.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct NetworkArgs {
    /// Architecture with its parameters, e.g. "resnet(depth=14,width=8)" (see `quaver list`)
    #[arg(long, default_value = "lenet5", value_name = "SPEC")]
    pub(crate) arch: String,
    /// Topology (see `quaver list`)
    #[arg(long, default_value = "full-precision")]
    pub(crate) topology: String,
    /// Dropout probability in [0, 1), the topology's unless given; for an ONNX file where dropout
    /// is put back, e.g. "p=0.5 before dense:2,dense:3"
    #[arg(long, value_name = "P")]
    pub(crate) dropout: Option<String>,
    /// Where dropout stands
    #[arg(long, value_enum, default_value_t = Placement::Dense)]
    pub(crate) dropout_placement: Placement,
    /// Weight quantizer instead of the topology's, e.g. "k-bit(bits=2)"
    #[arg(long, value_name = "SPEC")]
    pub(crate) weights: Option<String>,
    /// Activation quantizer instead of the topology's, e.g. "sign(surrogate=approx-sign)"
    #[arg(long, value_name = "SPEC")]
    pub(crate) activations: Option<String>,
    /// Quantize the first and the last layer too
    #[arg(long)]
    pub(crate) quantize_first_and_last: bool,
    /// Short for the parameter `filters` of --arch, e.g. "cleverhans-cnn(filters=32)"
    #[arg(long, value_name = "N")]
    pub(crate) filters: Option<String>,
    /// Batch normalization in a full-precision network too
    #[arg(long)]
    pub(crate) batch_norm: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Placement {
    /// After hidden dense layers
    Dense,
    /// After every activation
    All,
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Train {
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Epochs
    #[arg(long, default_value_t = 15, value_parser = whole::<u32>(1..=100_000))]
    pub(crate) epochs: u32,
    /// Images a step
    #[arg(long, default_value_t = 64, value_parser = whole::<u32>(2..=65_536))]
    pub(crate) batch_size: u32,
    /// Learning rate, before the schedule
    #[arg(long, default_value_t = 1e-3, value_parser = real((Bound::Excluded(0.0), Bound::Unbounded)))]
    pub(crate) learning_rate: f64,
    /// What is done with a batch, e.g. "adversarial(eps=0.1,n_steps=7)" (see `quaver list`)
    #[arg(long, value_name = "SPEC", default_value = "cross-entropy")]
    pub(crate) step: String,
    /// Optimizer, e.g. "sgd(momentum=0.9)" (see `quaver list`)
    #[arg(long, value_name = "SPEC", default_value = "adam")]
    pub(crate) optimizer: String,
    /// How the learning rate changes, e.g. "cosine(warmup=1)" (see `quaver list`)
    #[arg(long, value_name = "SPEC", default_value = "constant")]
    pub(crate) schedule: String,
    /// Random changes of the images, in order, e.g. "shift(pixels=2),cut-out" (see `quaver list`)
    #[arg(
        long,
        value_name = "SPEC[,SPEC]",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) augment: String,
    /// Training images; all unless given
    #[arg(long, value_parser = whole::<usize>(2..))]
    pub(crate) train_images: Option<usize>,
    /// Model file to write
    #[arg(long, value_name = "MODEL")]
    pub(crate) out: PathBuf,
}

/// How passes become an answer.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct AnswerArgs {
    /// Monte-Carlo passes, whose mean decides
    #[arg(long, default_value_t = 50, value_parser = whole::<u32>(1..=1_000_000))]
    passes: u32,
    /// How passes decide instead: first, mean(n_passes=50) or vote(n_passes=50,alpha=0.001), which
    /// abstains
    #[arg(long, value_name = "SPEC", conflicts_with = "passes", value_parser = decision)]
    decision: Option<Decision>,
}

impl AnswerArgs {
    /// The rule.
    pub(crate) fn decision(&self) -> Decision {
        self.decision.unwrap_or(Decision::Mean(self.passes))
    }
}

fn decision(text: &str) -> Result<Decision, SpecError> {
    text.parse()
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Evaluate {
    /// Model file
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) images: ImagesArgs,
    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
    /// A detector file as well: whether it would let the picture pass
    #[arg(long, requires = "image", value_name = "DETECTOR", conflicts_with_all = ["passes", "decision"])]
    pub(crate) detector: Option<PathBuf>,
    /// A PNG or JPEG file instead, judged in words
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dataset", "n", "input", "gradient"])]
    pub(crate) image: Option<PathBuf>,
    /// Make light of that file dark and dark light: MNIST is white on black
    #[arg(long, requires = "image")]
    pub(crate) invert: bool,
    /// npz file to write: one row an image
    #[arg(long, value_name = "OUT.npz")]
    pub(crate) out: Option<PathBuf>,
    /// Add the gradient of each image's own loss with its true label, noise off
    #[arg(long, requires = "out")]
    pub(crate) gradient: bool,
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Attack {
    /// Model file
    pub(crate) model: PathBuf,
    /// Attack with its parameters, e.g. "pgd(eps=0.3,step_size=0.01,n_steps=40)"
    #[arg(long, value_name = "SPEC")]
    pub(crate) attack: String,
    #[command(flatten)]
    pub(crate) images: ImagesArgs,
    /// Labels to attack: true or predicted; the dialect's unless given
    #[arg(long, value_enum)]
    pub(crate) labels: Option<Labels>,
    /// Whose details to follow: corrected, cleverhans-2.1, cleverhans-3.1, art, torchattacks
    #[arg(long, default_value = "corrected")]
    pub(crate) dialect: String,
    /// The model's noise during the attack: off, fixed, per-step, per-backward, eot:K [default:
    /// eot:10, of other dialects than corrected per-step]
    #[arg(long, value_name = "MODE")]
    pub(crate) noise: Option<String>,
    /// What stands for the gradients of quantizers: auto, model, or such as hardtanh(width=2),
    /// auto(shape=tanh,width=0.5); A+B in turn from step to step, A|B from restart to restart
    /// [default: auto, of other dialects than corrected model]
    #[arg(long, value_name = "RULE")]
    pub(crate) surrogate: Option<String>,
    /// Reach a target (the file's, or a random other class) instead of any other class
    #[arg(long)]
    pub(crate) targeted: bool,
    /// Restarts; the worst case of each image is kept
    #[arg(long, default_value_t = 1, value_parser = whole::<u32>(1..=100_000))]
    pub(crate) restarts: u32,
    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
    /// A detector file as well: what it refuses is no success
    #[arg(long, value_name = "DETECTOR", conflicts_with_all = ["passes", "decision"])]
    pub(crate) detector: Option<PathBuf>,
    /// Share of the clean images it was fitted on that the detector may refuse, instead of its own
    /// threshold
    #[arg(long, requires = "detector", value_name = "SHARE", value_parser = real((Bound::Excluded(0.0), Bound::Excluded(1.0))))]
    pub(crate) fpr: Option<f64>,
    /// npz file to write
    #[arg(long, value_name = "ADV.npz")]
    pub(crate) out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Labels {
    True,
    Predicted,
}

impl From<Labels> for LabelSource {
    fn from(labels: Labels) -> Self {
        match labels {
            Labels::True => Self::True,
            Labels::Predicted => Self::Predicted,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Detect {
    /// Fit a detector on clean and adversarial images
    Fit(DetectFit),
    /// Score images with a fitted detector
    Score(DetectScore),
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct DetectFit {
    /// Model file
    pub(crate) model: PathBuf,
    /// npz file with clean x
    #[arg(long, value_name = "IN.npz")]
    pub(crate) clean: PathBuf,
    /// npz file with x_adv, as `quaver attack` writes it
    #[arg(long, value_name = "ADV.npz")]
    pub(crate) adversarial: PathBuf,
    /// Detector with its parameters
    #[arg(long, default_value = "logistic-regression", value_name = "SPEC")]
    pub(crate) detector: String,
    /// Feature it reads, an uncertainty measure or another (see `quaver list`); several make a
    /// vector
    #[arg(
        long,
        default_value = "variance",
        value_name = "SPEC",
        visible_alias = "measure"
    )]
    pub(crate) feature: Vec<String>,
    /// Data set, or npz file, that features learn from which need clean images of their own
    #[arg(long, value_name = "NAME|PATH")]
    pub(crate) reference: Option<String>,
    /// Folder with the files of that data set
    #[arg(long, value_name = "DIR", requires = "reference")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Its training images to learn from
    #[arg(long, default_value_t = 2000, value_parser = whole::<usize>(1..), requires = "reference")]
    pub(crate) reference_n: usize,
    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
    /// Detector file to write
    #[arg(long, value_name = "DETECTOR")]
    pub(crate) out: PathBuf,
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct DetectScore {
    /// Model file
    pub(crate) model: PathBuf,
    /// Detector file
    pub(crate) detector: PathBuf,
    /// npz file with x or x_adv
    #[arg(long, value_name = "IN.npz")]
    pub(crate) input: PathBuf,
    /// Share of the clean images it was fitted on that may be called adversarial, instead of the
    /// detector's own threshold
    #[arg(long, value_name = "SHARE", value_parser = real((Bound::Excluded(0.0), Bound::Excluded(1.0))))]
    pub(crate) fpr: Option<f64>,
    /// npz file to write: one row an image
    #[arg(long, value_name = "OUT.npz")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// What a model is
    Show {
        /// Model file
        model: PathBuf,
    },
    /// Make a model of an ONNX file, or of weights named as PyTorch's nn.Sequential names them
    Import(Box<Import>),
    /// Put wrappers around a model: input transforms, noise, a temperature, quantized activations
    Wrap {
        /// Model file
        model: PathBuf,
        /// Wrapper with its parameters, e.g. "bit-depth(bits=1)", outside of what is around the
        /// model; may be given several times, the outermost last
        #[arg(long, required = true, value_name = "SPEC")]
        with: Vec<String>,
        /// Model file to write
        #[arg(long, value_name = "WRAPPED")]
        out: PathBuf,
    },
    /// Keep weights that are used as their signs in bits: a smaller file of the same outputs,
    /// which training cannot go on from
    Pack {
        /// Model file
        model: PathBuf,
        /// Model file to write
        #[arg(long, value_name = "PACKED")]
        out: PathBuf,
    },
    /// Write a model as ONNX, or its weights as PyTorch reads them
    Export {
        /// Model file
        model: PathBuf,
        /// File to write: NAME.onnx, or safetensors
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Import {
    /// ONNX or safetensors file
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// Mean that the network expects pixels to be normalized with; one, or one for each channel
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true, value_parser = real(..))]
    pub(crate) mean: Vec<f64>,
    /// Deviation that goes with --mean
    #[arg(long, value_delimiter = ',', value_parser = real(1e-6..=1e6))]
    pub(crate) std: Vec<f64>,
    /// What stands for the gradient of an ONNX file's quantizers: hardtanh (as without the flag),
    /// identity, value-clip, approx-sign, swish-sign or none
    #[arg(long)]
    pub(crate) surrogate: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Channels, height and width of the images of a safetensors file's network; the data set's,
    /// else 1,28,28
    #[arg(long, value_name = "C,H,W", value_delimiter = ',', value_parser = whole::<usize>(1..), conflicts_with = "dataset")]
    pub(crate) input_shape: Vec<usize>,
    /// Its number of classes; the data set's, else 10
    #[arg(long, value_parser = whole::<usize>(1..), conflicts_with = "dataset")]
    pub(crate) classes: Option<usize>,
    /// Model file to write
    #[arg(long, value_name = "MODEL")]
    pub(crate) out: PathBuf,
}
