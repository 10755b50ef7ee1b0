//! A network trained in PyTorch, and what PyTorch computed with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{Array2, Array4, ArrayView4, Ix4};
use quaver::classifier::{Batch, Classifier, Images, Noise, Tap};
use quaver::data::npy::NpyArray;
use quaver::data::npz::NpzReader;
use quaver::network::Network;
use quaver_nn::engine::Engine;
use quaver_nn::format::onnx::{Options, import};
use quaver_nn::format::safetensors::{load_tensors, take_params};
use quaver_nn::graph::Graph;
use quaver_nn::model::{Info, Model};

/// Arrays that several networks share.
const IMAGES: &str = "images.npz";

/// The references that lie in the repository.
pub(crate) fn folder_of_subset() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/data")
}

/// The larger ones: the folder that QUAVER_GOLDEN names, or else `shared/golden` beside the
/// repository, if it is there.
pub(crate) fn folder_beside() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("QUAVER_GOLDEN") {
        return Some(folder.into());
    }
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above
        .map(|folder| folder.join("shared/golden"))
        .find(|folder| folder.is_dir())
}

/// One network and its arrays, n images.
pub(crate) struct Reference {
    pub(crate) network: Network,
    /// `(n, 1, 28, 28)`.
    pub(crate) x: Images,
    pub(crate) ids: Vec<u64>,
    pub(crate) labels: Vec<usize>,
    pub(crate) targets: Vec<usize>,
    arrays: BTreeMap<String, NpyArray>,
}

impl Reference {
    /// The network `graph` with the weights in `name.safetensors`, and the arrays.
    pub(crate) fn load(folder: &Path, name: &str, graph: Graph) -> Self {
        let file = folder.join(format!("{name}.safetensors"));
        let mut tensors = load_tensors(&file).unwrap();
        let params = take_params(&file, &graph, "", &mut tensors).unwrap();
        assert!(tensors.is_empty(), "{name}: foreign tensors {tensors:?}");
        let model = Model {
            graph,
            params,
            info: Info::default(),
        };
        Self::new(folder, name, model)
    }

    /// The network of `file.onnx`, and the arrays of the one that it was exported from.
    pub(crate) fn import(folder: &Path, file: &str) -> Self {
        let path = folder.join(format!("{file}.onnx"));
        let imported = import(&path, &Options::default()).unwrap();
        Self::new(folder, file.trim_end_matches("-dynamo"), imported.model)
    }

    /// Reads `name.npz`; arrays that several networks share may lie in `images.npz`.
    fn new(folder: &Path, name: &str, model: Model) -> Self {
        let engine = Arc::new(Engine::new(2, None).unwrap());
        let mut arrays = read(&folder.join(format!("{name}.npz")));
        let images = folder.join(IMAGES);
        if images.exists() {
            arrays.extend(read(&images));
        }
        let labels = classes(&arrays["y"]);
        Self {
            network: Network::new(Arc::new(model), engine).unwrap(),
            x: pixels(&arrays["x"]),
            ids: (0..labels.len() as u64).collect(),
            targets: classes(&arrays["jsma_target"]),
            labels,
            arrays,
        }
    }

    /// The images that all networks in `folder` share, and their labels.
    pub(crate) fn images_and_labels(folder: &Path) -> (Images, Vec<usize>) {
        let arrays = read(&folder.join(IMAGES));
        (pixels(&arrays["x"]), classes(&arrays["y"]))
    }

    /// Images `(n, 1, 28, 28)`, or anything of their shape; bytes are 255ths.
    pub(crate) fn images(&self, name: &str) -> Images {
        pixels(&self.arrays[name])
    }

    /// Numbers of any shape, in order.
    pub(crate) fn numbers(&self, name: &str) -> Vec<f64> {
        match &self.arrays[name] {
            NpyArray::F32(array) => array.iter().map(|v| f64::from(*v)).collect(),
            NpyArray::F64(array) => array.iter().copied().collect(),
            other => panic!("{name}: {}", other.describe()),
        }
    }

    /// The images under this noise-free network.
    pub(crate) fn logits(&self, x: ArrayView4<'_, f32>) -> Array2<f32> {
        let batch = Batch { x, ids: &self.ids };
        self.network.logits(batch, Noise::Off).unwrap()
    }

    /// The gradient at the images of `sum upstream(row) · logits(row)`.
    pub(crate) fn pull(&self, upstream: impl Fn(usize, &[f32], &mut [f32]) + Sync) -> Images {
        let batch = Batch {
            x: self.x.view(),
            ids: &self.ids,
        };
        let upstream = |row: usize, _: usize, z: &[&[f32]], u: &mut [&mut [f32]]| {
            upstream(row, z[0], u[0]);
        };
        let vjp = self
            .network
            .vjp(batch, &[Noise::Off], &[Tap::Logits], &upstream);
        vjp.unwrap().gradient
    }
}

fn read(path: &Path) -> BTreeMap<String, NpyArray> {
    let reader = NpzReader::open(path).unwrap();
    let names = reader.names();
    let array = |name: String| (name.clone(), reader.require(&name).unwrap());
    names.into_iter().map(array).collect()
}

fn classes(array: &NpyArray) -> Vec<usize> {
    match array {
        NpyArray::I64(array) => array.iter().map(|v| usize::try_from(*v).unwrap()).collect(),
        other => panic!("classes: {}", other.describe()),
    }
}

fn pixels(array: &NpyArray) -> Array4<f32> {
    let array = match array {
        NpyArray::F32(array) => array.clone(),
        NpyArray::U8(array) => array.mapv(|v| f32::from(v) / 255.0),
        other => panic!("images: {}", other.describe()),
    };
    array.into_dimensionality::<Ix4>().unwrap()
}
