//! Forms that exporters write one thing in.

use super::{File, outputs};

fn names(file: File) -> Vec<&'static str> {
    file.ops().into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_comparison_keeps_its_side_of_the_threshold() {
    let sign = |op: &str, [yes, no]: [&str; 2]| {
        let file = File::new(&[0, 3])
            .floats("half", &[], &[0.5])
            .floats("one", &[], &[1.0])
            .floats("minus", &[], &[-1.0])
            .node(op, &["x", "half"], "c", &[])
            .node("Where", &["c", yes, no], "y", &[]);
        outputs(&file.read().unwrap(), &[0.25, 0.5, 0.75])
    };
    let up = ["one", "minus"];
    assert_eq!(sign("GreaterOrEqual", up), [-1.0, 1.0, 1.0]);
    assert_eq!(sign("Greater", up), [-1.0, -1.0, 1.0]);
    assert_eq!(sign("LessOrEqual", up), [1.0, 1.0, -1.0]);
    assert_eq!(sign("Less", up), [1.0, -1.0, -1.0]);
}

#[test]
fn straight_through_forms_are_the_quantizer_alone() {
    let base = || File::new(&[0, 4]).floats("two", &[], &[2.0]);
    let signed = base()
        .node("Sign", &["x"], "s", &[])
        .node("Sub", &["s", "x"], "d", &[])
        .node("Add", &["x", "d"], "y", &[]);
    let rounded = base()
        .node("Mul", &["x", "two"], "m", &[])
        .node("Round", &["m"], "r", &[])
        .node("Div", &["r", "two"], "q", &[])
        .node("Sub", &["q", "x"], "d", &[])
        .node("Add", &["d", "x"], "y", &[]);
    for file in [signed, rounded] {
        assert_eq!(names(file), ["quantize"]);
    }
    // Another difference is a difference.
    let file = base()
        .node("Relu", &["x"], "r", &[])
        .node("Sub", &["r", "x"], "y", &[]);
    let imported = file.read().unwrap();
    assert_eq!(
        outputs(&imported, &[-1.0, 2.0, 0.0, 3.0]),
        [1.0, 0.0, 0.0, 0.0]
    );
}

#[test]
fn channels_may_have_factors_of_their_own() {
    // As in XNOR-Net: signs times the mean magnitude of each channel, computed in the graph.
    let weights = [0.5, -0.25, 0.75, -0.5, 2.0, -1.0, 1.0, -4.5];
    let imported = File::new(&[0, 4])
        .floats("latent", &[2, 4], &weights)
        .ints("last", &[1])
        .node("Abs", &["latent"], "a", &[])
        .node("ReduceMean", &["a", "last"], "mean", &[])
        .node("Sign", &["latent"], "s", &[])
        .node("Mul", &["mean", "s"], "w", &[])
        .node("Transpose", &["w"], "t", &[("perm", &[1, 0])])
        .node("MatMul", &["x", "t"], "y", &[])
        .read()
        .unwrap();
    let nodes = imported.model.graph.nodes();
    let ops: Vec<_> = nodes.iter().map(|n| n.op.name()).collect();
    assert_eq!(ops, ["dense", "affine"]);
    assert_eq!(nodes[0].op.config()["quantizer"]["name"], "sign");
    assert_eq!(imported.model.params[0][0], weights);
    assert_eq!(outputs(&imported, &[1.0, 2.0, 3.0, 4.0]), [-1.0, -4.25]);
}

#[test]
fn shortcuts_without_weights_skip_pixels_and_add_channels() {
    let imported = File::new(&[0, 1, 3, 3])
        .ints("start", &[0, 0])
        .ints("end", &[i64::MAX, i64::MAX])
        .ints("axes", &[2, 3])
        .ints("step", &[2, 2])
        .ints("pads", &[0, 1, 0, 0, 0, 1, 0, 0])
        .node("Slice", &["x", "start", "end", "axes", "step"], "s", &[])
        .node("Pad", &["s", "pads"], "p", &[])
        .node("Flatten", &["p"], "y", &[("axis", &[1])])
        .read()
        .unwrap();
    let x: Vec<f32> = (1..10).map(|i| i as f32).collect();
    let expected = [0.0, 0.0, 0.0, 0.0, 1.0, 3.0, 7.0, 9.0, 0.0, 0.0, 0.0, 0.0];
    assert_eq!(outputs(&imported, &x), expected);
}

#[test]
fn images_without_channels_have_one() {
    let file =
        File::new(&[0, 2, 3])
            .ints("flat", &[-1, 6])
            .node("Reshape", &["x", "flat"], "y", &[]);
    let model = file.read().unwrap().model;
    assert_eq!(*model.graph.input_shape(), [1, 2, 3]);
}

#[test]
fn long_chains_of_constants_live_one_at_a_time() {
    let n = 1 << 16;
    let mut file = File::new(&[0, 2]).floats("w0", &[n / 2, 2], &vec![0.5; n as usize]);
    for i in 0..20 {
        let (from, to) = (format!("w{i}"), format!("w{}", i + 1));
        file = file.node("Neg", &[&from], &to, &[]);
    }
    let file = file
        .node("Transpose", &["w20"], "t", &[("perm", &[1, 0])])
        .node("MatMul", &["x", "t"], "y", &[]);
    assert!(file.read().is_ok());
}
