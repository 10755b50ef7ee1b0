//! What PyTorch computed, and the same networks here.

use flate2::read::DeflateDecoder;
use ndarray::ArrayD;
use ndarray_npy::ReadNpyExt;
use quaver_nn::arch::{Spec, Topology};
use quaver_nn::engine::Engine;
use quaver_nn::format::onnx::{Options, import};
use quaver_nn::format::safetensors::{load_tensors, take_params};
use quaver_nn::graph::Graph;
use quaver_nn::model::{Info, Model};
use quaver_nn::network::Network;
use quaver_nn::op::{Conv2d, Dense, Dropout, Flatten, Op, Relu, ZeroPad2d};
use quaver_nn::{Batch, Pixels};
use rawzip::{CompressionMethod, ZipArchive};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The sequential networks among the references.
pub(crate) const NETWORKS: [&str; 4] =
    ["lenet5-full", "lenet5-2bit", "lenet5-bnn", "cleverhans-cnn"];

/// ONNX files among the references, by both of PyTorch's exporters, and where their dropout was.
pub(crate) const FILES: [(&str, &str); 7] = [
    ("lenet5-full", "p=0.5 before dense:2,dense:3"),
    ("lenet5-full-dynamo", "p=0.5 before dense:2,dense:3"),
    ("lenet5-2bit", "p=0.5 before dense:2,dense:3"),
    ("lenet5-bnn", "p=0.5 before dense:2,dense:3"),
    ("cleverhans-cnn", "p=0.5 before dense:1"),
    ("mini-resnet", "p=0.3 before dense:1"),
    ("mini-resnet-dynamo", "p=0.3 before dense:1"),
];

/// Where the references lie: in the folder that QUAVER_GOLDEN names, or else in `shared/golden`
/// in the nearest folder above that has it.
pub(crate) fn golden_folder() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("QUAVER_GOLDEN") {
        return Some(folder.into());
    }
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above
        .map(|folder| folder.join("shared/golden"))
        .find(|folder| folder.is_dir())
}

/// One network with its images.
pub(crate) struct Golden {
    pub(crate) network: Network,
    pub(crate) labels: Vec<usize>,
    pixels: Vec<f32>,
    ids: Vec<u64>,
    arrays: PathBuf,
}

impl Golden {
    pub(crate) fn load(folder: &Path, name: &str) -> Self {
        let file = folder.join(format!("{name}.safetensors"));
        let mut tensors = load_tensors(&file).expect("weights");
        let graph = graph(name);
        let params = take_params(&file, &graph, "", &mut tensors).expect("weights fit");
        assert!(tensors.is_empty(), "{name}: foreign tensors");
        let info = Info::default();
        let model = Model {
            graph,
            params,
            info,
        };
        Self::new(model, folder.join(format!("{name}.npz")))
    }

    /// The same from an ONNX file, with `dropout` put back.
    pub(crate) fn import(folder: &Path, file: &str, dropout: &str) -> Self {
        let options = Options {
            dropout: dropout.into(),
            ..Options::default()
        };
        let path = folder.join(format!("{file}.onnx"));
        let imported = import(&path, &options).expect(file);
        let name = file.trim_end_matches("-dynamo");
        Self::new(imported.model, folder.join(format!("{name}.npz")))
    }

    fn new(model: Model, arrays: PathBuf) -> Self {
        let engine = Arc::new(Engine::new(2, None).expect("engine"));
        let pixels = array::<f32>(&arrays, "x");
        let labels: Vec<usize> = array::<i64>(&arrays, "y")
            .iter()
            .map(|&y| y as usize)
            .collect();
        Self {
            network: Network::new(Arc::new(model), engine),
            ids: (0..labels.len() as u64).collect(),
            labels,
            pixels,
            arrays,
        }
    }

    pub(crate) fn batch(&self) -> Batch<'_> {
        self.first(self.labels.len())
    }

    /// The first `n` images.
    pub(crate) fn first(&self, n: usize) -> Batch<'_> {
        Batch {
            pixels: Pixels::F32(&self.pixels),
            rows: None,
            ids: &self.ids[..n],
        }
    }

    pub(crate) fn array(&self, name: &str) -> Vec<f32> {
        array(&self.arrays, name)
    }

    pub(crate) fn array64(&self, name: &str) -> Vec<f64> {
        array(&self.arrays, name)
    }
}

fn array<T>(path: &Path, name: &str) -> Vec<T>
where
    ArrayD<T>: ReadNpyExt,
{
    let archive = ZipArchive::from_slice(fs::read(path).expect("arrays")).expect("an npz file");
    let file = format!("{name}.npy");
    let mut entries = archive.entries().map(Result::unwrap);
    let found = entries.find(|entry| entry.file_path().as_ref() == file.as_bytes());
    let found = found.expect(name);
    let entry = archive.get_entry(found.wayfinder()).expect(name);
    let read = match found.compression_method() {
        CompressionMethod::STORE => ArrayD::read_npy(entry.verifying_reader(entry.data())),
        _ => ArrayD::read_npy(entry.verifying_reader(DeflateDecoder::new(entry.data()))),
    };
    read.expect(name).into_raw_vec_and_offset().0
}

fn graph(name: &str) -> Graph {
    let topology = match name {
        "lenet5-full" => "full-precision",
        "lenet5-2bit" => "quantized-2bit",
        "lenet5-bnn" => "bnn",
        _ => return cleverhans_cnn(),
    };
    let topology = Topology::find(topology).expect("known");
    let spec = Spec {
        arch: "lenet5".into(),
        precision: topology.precision().expect("builds"),
        dropout: 0.5,
        dropout_placement: Default::default(),
        input: vec![1, 28, 28],
        n_classes: 10,
    };
    spec.graph().expect("builds")
}

/// The references' network has 16 filters, a quarter of ours.
fn cleverhans_cnn() -> Graph {
    let conv = |in_channels, out_channels, side, stride| -> Box<dyn Op> {
        Box::new(Conv2d {
            in_channels,
            out_channels,
            kernel: [side, side],
            stride,
            padding: 0,
            bias: false,
            quantizer: None,
        })
    };
    let relu = || Box::new(Relu::default());
    let ops: Vec<Box<dyn Op>> = vec![
        Box::new(ZeroPad2d {
            padding: [3, 3, 3, 3],
        }),
        conv(1, 16, 8, 2),
        relu(),
        conv(16, 32, 6, 2),
        relu(),
        conv(32, 32, 5, 1),
        relu(),
        Box::new(Flatten {}),
        Box::new(Dropout { p: 0.5 }),
        Box::new(Dense {
            in_features: 32,
            out_features: 10,
            bias: false,
            quantizer: None,
        }),
    ];
    Graph::sequential(vec![1, 28, 28], ops).expect("builds")
}
