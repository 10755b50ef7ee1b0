//! [`Product`]: a product of signs on bits as a layer, up to sums or up to the next signs.

use super::layer::BitLayer;
use super::threshold::{Pool, Search, Thresholds};
use crate::bits::{BitValues, Layout};
use crate::exact_sum::finish;
use crate::graph::Graph;
use crate::kernel::Simd;
use crate::op::weights::Weights;
use crate::op::{Forward, Layer, Prepare, Quantize, scratch_of};
use crate::signs::Trits;
use std::sync::Arc;

/// A dense layer or convolution on bits, with what stands between its sums and later signs.
#[derive(Clone)]
pub(super) struct Product {
    layer: Arc<BitLayer>,
    /// What its input consists of if it comes as floats.
    pub(super) floats: Option<Trits>,
    /// The factor of the dropout that may multiply its sums.
    dropout: Option<f32>,
    /// The way on to signs; `None`: it ends in sums.
    pub(super) chain: Option<Arc<Chain>>,
    /// Weights as bits, packed for the product.
    weights: Vec<u64>,
    bias: Option<Vec<f32>>,
}

/// The chain from a product's sums to signs.
pub(super) struct Chain {
    /// Nodes of monotone functions, in order.
    pub(super) monotone: Vec<usize>,
    /// The value that the signs are.
    pub(super) value: usize,
    pub(super) layout: Layout,
    pub(super) pool: Option<Pool>,
    /// One for each factor that the sums may have.
    pub(super) thresholds: Vec<Thresholds>,
}

impl Product {
    pub(super) fn new(
        layer: BitLayer,
        floats: Option<Trits>,
        dropout: Option<f32>,
        chain: Option<Chain>,
    ) -> Self {
        Self {
            bias: layer.bias.then(Vec::new),
            layer: Arc::new(layer),
            floats,
            dropout,
            chain: chain.map(Arc::new),
            weights: Vec::new(),
        }
    }

    /// Finds where signs change, as node `i` of a graph with `params`.
    pub(super) fn find_thresholds(
        &mut self,
        graph: &Graph,
        params: &[Vec<Vec<f32>>],
        i: usize,
        simd: Simd,
    ) {
        let Some(chain) = self.chain.as_mut().and_then(Arc::get_mut) else {
            return;
        };
        let op = |node: usize| &*graph.nodes()[node].op;
        let Some(sign) = op(chain.value - 1).as_any().downcast_ref::<Quantize>() else {
            return;
        };
        let channels = self.layer.output.channels;
        let prepared = |&node: &usize| {
            let mut layer = op(node).layer(&[vec![channels]]).into_box();
            layer.prepare(Prepare {
                params: &params[node],
                draw: None,
                simd,
                input_gradient: false,
            });
            layer
        };
        let layers: Vec<_> = chain.monotone.iter().map(prepared).collect();
        let drawn = self.dropout.filter(|factor| *factor != 1.0);
        let of_factor = |factor| {
            let search = Search {
                layers: &layers,
                sign,
                simd,
                factor,
                bias: self.layer.bias.then(|| &params[i][1][..]),
            };
            search.thresholds(channels, self.layer.n_inputs)
        };
        chain.thresholds = [1.0].into_iter().chain(drawn).map(of_factor).collect();
    }
}

impl Layer for Product {
    fn prepare(&mut self, args: Prepare<'_>) {
        let mut weights = Weights::default();
        weights.quantize(Some(&self.layer.quantizer), args);
        self.layer.pack(&weights.effective, &mut self.weights);
        self.bias = self.layer.bias.then_some(weights.bias);
    }

    fn forward(&self, chunk: Forward<'_>) {
        let [from, _] = chunk.values;
        let simd = chunk.simd;
        let BitValues {
            values,
            packed,
            folded,
        } = &mut *chunk.bits;
        let x = match self.floats {
            Some(trits) => {
                let zeros = trits == Trits::WithZeros;
                packed.pack(simd, chunk.inputs[0], self.layer.input, zeros);
                &*packed
            }
            None => &values[from],
        };
        let Some(chain) = &self.chain else {
            self.layer
                .sums(simd, &self.weights, (x, folded), chunk.output);
            let positions = self.layer.output.positions;
            return finish(
                simd,
                chunk.output,
                positions,
                chunk.factor,
                self.bias.as_deref(),
            );
        };
        let Layout {
            channels,
            positions,
        } = self.layer.output;
        let sums = scratch_of(chunk.scratch, channels * positions * chunk.blocks);
        self.layer.sums(simd, &self.weights, (x, folded), sums);
        let known = chain.thresholds.iter();
        if let Some(thresholds) = known.clone().find(|known| known.factor == chunk.factor) {
            chunk.bits.write(chain.value, |into, _| {
                let of_sums = (chain.pool.as_ref(), chain.layout);
                thresholds.signs(simd, (sums, chunk.blocks), of_sums, into);
            });
        }
    }
}
