//! What the fuzz targets share: the memory that a parser may take, and inputs as files.

use peak_alloc::PeakAlloc;
use quaver_nn::engine::Engine;
use quaver_nn::model::Model;
use quaver_nn::network::{Network, Tap};
use quaver_nn::noise::{Noise, Purpose};
use quaver_nn::{Batch, Pixels};
use std::path::Path;
use std::sync::{Arc, OnceLock};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that any input may take, however short: buffers of files, tables of decompressors.
pub const FLOOR: usize = 128 << 10;
/// Deflate's bound: as many bytes for each one that is there.
pub const DEFLATE_RATIO: usize = 1032;
/// Most multiply-adds of a network that is run.
const MAX_PRODUCTS: u64 = 1 << 20;

/// What `parse` gives, which at no moment may hold more than `allowed` bytes.
pub fn within<T>(allowed: usize, parse: impl FnOnce() -> T) -> T {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let result = parse();
    let taken = MEMORY.peak_usage().saturating_sub(before);
    assert!(taken <= allowed, "{taken} bytes taken, {allowed} allowed");
    result
}

/// What `parse` gives of a file of these bytes.
pub fn with_file<T>(bytes: &[u8], parse: impl FnOnce(&Path) -> T) -> T {
    let path = std::env::temp_dir().join(format!("quaver-fuzz-{}", std::process::id()));
    std::fs::write(&path, bytes).expect("the folder for temporary files can be written");
    let result = parse(&path);
    std::fs::remove_file(&path).expect("the file was written");
    result
}

/// A model that was accepted must run, and give the same again.
pub fn run(model: Model) {
    static ENGINE: OnceLock<Arc<Engine>> = OnceLock::new();
    let graph = &model.graph;
    let values = (0..=graph.nodes().len()).map(|value| graph.shape(value));
    let sizes: usize = values.map(|shape| shape.iter().product::<usize>()).sum();
    if sizes > 1 << 14 {
        return;
    }
    let engine = ENGINE.get_or_init(|| Arc::new(Engine::new(1, None).expect("one thread")));
    let pixels = vec![0.5; graph.input_shape().iter().product()];
    let batch = Batch {
        pixels: Pixels::F32(&pixels),
        rows: None,
        ids: &[0],
    };
    let network = Network::new(Arc::new(model), Arc::clone(engine));
    if network.layer_products().iter().sum::<u64>() > MAX_PRODUCTS {
        return;
    }
    let bits = || -> Vec<u32> {
        let noise = Noise::draw(0, Purpose::Check, 0);
        let outputs = network.outputs(&batch, noise, &[Tap::Logits]);
        outputs
            .expect("the logits are there")
            .into_iter()
            .flatten()
            .map(f32::to_bits)
            .collect()
    };
    assert_eq!(bits(), bits());
}
