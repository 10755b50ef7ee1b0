//! Every architecture in every topology against the reference.

use crate::agreement::{Case, DRAWN, every_simd};
use quaver_nn::Simd;
use quaver_nn::arch::{ARCHITECTURES, DropoutPlacement, Spec, TOPOLOGIES, Topology};

/// Of the largest magnitude, after up to five layers: normalization divides rounding by the
/// deviation of a batch of few examples.
const TOLERANCE: f64 = 4e-4;

fn agree(arch: &str, topology: &str) {
    let known = Topology::find(topology).unwrap();
    // Dense layers' batch statistics need examples, convolutions' have positions.
    let (spec, n) = match arch {
        "lenet5" => (arch, 16),
        "lenet-caffe" => (arch, 8),
        "resnet" => ("resnet(depth=8,width=3)", 4),
        "mobilenet" => ("mobilenet(width=3)", 12),
        _ => (arch, 2),
    };
    let spec = Spec {
        arch: spec.into(),
        precision: known.precision().unwrap(),
        // A factor of 2 keeps sums of signs exact; others break ties of pooling by rounding.
        dropout: 0.5,
        dropout_placement: DropoutPlacement::All,
        input: vec![1, 28, 28],
        n_classes: 10,
    };
    let case = Case::new(spec.graph().unwrap(), n);
    // Fused multiply-add in software takes seconds here; the ops' tests have it.
    let fast = |simd: &Simd| *simd != Simd::SCALAR || Simd::best() == Simd::SCALAR;
    case.agree(every_simd().filter(fast), DRAWN, TOLERANCE);
}

macro_rules! networks {
    ($($arch:ident { $($topology:ident),* })*) => {
        $(mod $arch {
            $(#[test]
            fn $topology() {
                let dashed = |name: &str| name.replace('_', "-");
                super::agree(&dashed(stringify!($arch)), &dashed(stringify!($topology)));
            })*
        })*

        #[test]
        fn none_is_left_out() {
            let mut pairs = 0;
            $($(let _ = stringify!($arch $topology); pairs += 1;)*)*
            assert_eq!(pairs, ARCHITECTURES.len() * TOPOLOGIES.len());
        }
    };
}

networks! {
    lenet5 {
        rand_bnn, bnn, quantized_2bit, quantized_3bit, quantized_4bit, full_precision, full_precision_bn, bnn_weights
    }
    lenet_caffe {
        rand_bnn, bnn, quantized_2bit, quantized_3bit, quantized_4bit, full_precision, full_precision_bn, bnn_weights
    }
    cleverhans_cnn {
        rand_bnn, bnn, quantized_2bit, quantized_3bit, quantized_4bit, full_precision, full_precision_bn, bnn_weights
    }
    cleverhans_cnn_scaled {
        rand_bnn, bnn, quantized_2bit, quantized_3bit, quantized_4bit, full_precision, full_precision_bn, bnn_weights
    }
    resnet {
        rand_bnn, bnn, quantized_2bit, quantized_3bit, quantized_4bit, full_precision, full_precision_bn, bnn_weights
    }
    mobilenet {
        rand_bnn, bnn, quantized_2bit, quantized_3bit, quantized_4bit, full_precision, full_precision_bn, bnn_weights
    }
}
