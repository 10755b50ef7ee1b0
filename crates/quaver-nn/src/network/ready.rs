//! [`Ready`]: a plan with its layers prepared.

use crate::engine::Engine;
use crate::exec::{Layers, Run, arguments};
use crate::kernel::Simd;
use crate::model::Model;
use crate::noise::Noise;
use crate::op::Layer;
use crate::packed::plan_on_bits;
use crate::plan::Plan;

/// Layers that depend on a draw, prepared for it, by node.
pub(super) type Drawn = Vec<Option<Box<dyn Layer>>>;

/// A plan and its layers, prepared without noise.
pub(super) struct Ready {
    pub(super) plan: Plan,
    pub(super) base: Vec<Box<dyn Layer>>,
}

impl Ready {
    pub(super) fn new(plan: Plan, gradients: bool, model: &Model, engine: &Engine) -> Self {
        let mut ready = Self {
            base: plan.layers.clone(),
            plan,
        };
        ready.prepare(gradients, &model.params, engine);
        ready
    }

    /// Prepares all layers without noise, in the memory that they have.
    pub(super) fn prepare(&mut self, gradients: bool, params: &[Vec<Vec<f32>>], engine: &Engine) {
        for (i, layer) in self.base.iter_mut().enumerate() {
            let simd = engine.simd();
            layer.prepare(arguments(
                &self.plan,
                i,
                params,
                Noise::Off,
                simd,
                gradients,
            ));
        }
    }

    /// Forward alone, with binary layers on bits; `None` where there are none.
    pub(super) fn on_bits(model: &Model, engine: &Engine) -> Option<Self> {
        let plan = plan_on_bits(&model.graph, &model.params, engine.simd())?;
        Some(Self::new(plan, false, model, engine))
    }

    pub(super) fn prepared(
        &self,
        i: usize,
        params: &[Vec<Vec<f32>>],
        noise: Noise,
        simd: Simd,
        input_gradient: bool,
    ) -> Box<dyn Layer> {
        let mut layer = self.plan.layers[i].clone();
        layer.prepare(arguments(
            &self.plan,
            i,
            params,
            noise,
            simd,
            input_gradient,
        ));
        layer
    }

    /// Runs the nodes up to `output` whose dependence on noise is `noisy`.
    pub(super) fn forward(
        &self,
        run: &mut Run<'_>,
        drawn: &[Option<Box<dyn Layer>>],
        output: usize,
        noisy: bool,
    ) {
        let layers = Layers {
            base: &self.base,
            drawn,
        };
        for i in (0..output).filter(|&i| self.plan.noisy[i] == noisy) {
            run.forward(i, &layers);
        }
    }
}
