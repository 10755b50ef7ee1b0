//! Layers on bits that multiply nothing.

use crate::bits::Layout;
use crate::noise::LayerDraw;
use crate::op::{Dropout, Forward, Layer, Prepare};

/// Floats of this layout to the bits of their signs.
#[derive(Clone)]
pub(super) struct Pack(pub(super) Layout);

impl Layer for Pack {
    fn forward(&self, chunk: Forward<'_>) {
        let [_, to] = chunk.values;
        chunk.bits.write(to, |into, _| {
            into.pack(chunk.simd, chunk.inputs[0], self.0, false)
        });
    }
}

/// Bits of this layout to bits in one axis.
#[derive(Clone)]
pub(super) struct Flat(pub(super) Layout);

impl Layer for Flat {
    fn forward(&self, chunk: Forward<'_>) {
        let [from, to] = chunk.values;
        chunk.bits.write(to, |into, values| {
            into.flatten(chunk.simd, &values[from], self.0)
        });
    }
}

/// Bits to bits with zeros: dropout that leaves its factor to the layers behind it.
#[derive(Clone)]
pub(super) struct Drop {
    op: Dropout,
    layout: Layout,
    /// `None` while noise is off.
    draw: Option<LayerDraw>,
}

impl Drop {
    pub(super) fn new(op: &Dropout, layout: Layout) -> Self {
        Self {
            op: op.clone(),
            layout,
            draw: None,
        }
    }
}

impl Layer for Drop {
    fn prepare(&mut self, args: Prepare<'_>) {
        self.draw = args.draw.filter(|_| self.op.p > 0.0);
    }

    fn factor(&self) -> f32 {
        self.draw.map_or(1.0, |_| self.op.factor())
    }

    fn forward(&self, chunk: Forward<'_>) {
        let [from, to] = chunk.values;
        chunk.bits.write(to, |into, values| match self.draw {
            Some(draw) => {
                let drop = (draw, self.op.threshold());
                into.drop(chunk.simd, &values[from], self.layout, drop, chunk.ids);
            }
            None => into.copy(&values[from]),
        });
    }
}
