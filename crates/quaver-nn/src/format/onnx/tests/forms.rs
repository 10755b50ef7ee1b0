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

#[test]
fn features_become_an_image_with_channels_last() {
    let weights: Vec<f32> = (0..16).map(|i| f32::from(u8::from(i % 5 == 0))).collect();
    let imported = File::new(&[0, 4])
        .floats("eye", &[4, 4], &weights)
        .floats("kernel", &[1, 2, 1, 2], &[1.0, 10.0, 100.0, 1000.0])
        .ints("image", &[-1, 1, 2, 2])
        .node("MatMul", &["x", "eye"], "m", &[])
        .node("Reshape", &["m", "image"], "i", &[])
        .node("Transpose", &["i"], "t", &[("perm", &[0, 3, 1, 2])])
        .node("Conv", &["t", "kernel"], "c", &[])
        .node("Flatten", &["c"], "y", &[("axis", &[1])])
        .node("Concat", &["y", "y"], "z", &[("axis", &[1])])
        .read()
        .unwrap();
    let ops: Vec<_> = imported.layers.iter().map(|l| l.number.as_str()).collect();
    assert_eq!(
        ops,
        [
            "dense:1",
            "rearrange:1",
            "conv2d:1",
            "flatten:1",
            "concat:1"
        ]
    );
    // Columns (1, 2) and (3, 4) of channels: 1 + 10·3 + 100·2 + 1000·4.
    assert_eq!(outputs(&imported, &[1.0, 2.0, 3.0, 4.0])[0], 4231.0);
}

#[test]
fn flat_pixels_become_images() {
    let file = |last: bool| {
        let shape: &[i64] = if last { &[-1, 1, 2, 2] } else { &[-1, 2, 1, 2] };
        let perm: &[i64] = if last { &[0, 3, 1, 2] } else { &[0, 1, 2, 3] };
        File::new(&[0, 4])
            .floats("kernel", &[2, 2, 1, 1], &[1.0, 0.0, 0.0, 10.0])
            .ints("image", shape)
            .node("Reshape", &["x", "image"], "i", &[])
            .node("Transpose", &["i"], "t", &[("perm", perm)])
            .node("Conv", &["t", "kernel"], "c", &[])
            .node("Flatten", &["c"], "y", &[("axis", &[1])])
    };
    for (last, notes) in [(false, 0), (true, 1)] {
        let imported = file(last).read().unwrap();
        assert_eq!(*imported.model.graph.input_shape(), [2, 1, 2]);
        assert_eq!(imported.notes.len(), notes, "{:?}", imported.notes);
        assert_eq!(
            outputs(&imported, &[1.0, 2.0, 3.0, 4.0]),
            [1.0, 2.0, 30.0, 40.0]
        );
    }
}

#[test]
fn means_of_single_axes() {
    let mean = |axes: &[i64], keeps: i64| {
        let file = File::new(&[0, 2, 2, 3]).node(
            "ReduceMean",
            &["x"],
            "m",
            &[("axes", axes), ("keepdims", &[keeps])],
        );
        let file = file.node("Flatten", &["m"], "y", &[("axis", &[1])]);
        let x: Vec<f32> = (0..12).map(|i| i as f32).collect();
        outputs(&file.read().unwrap(), &x)
    };
    for keeps in [0, 1] {
        assert_eq!(mean(&[3], keeps), [1.0, 4.0, 7.0, 10.0]);
        assert_eq!(mean(&[-2], keeps), [1.5, 2.5, 3.5, 7.5, 8.5, 9.5]);
        assert_eq!(mean(&[1], keeps), [3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(mean(&[1, 3], keeps), [4.0, 7.0]);
        assert_eq!(mean(&[2, 3], keeps), [2.5, 8.5]);
    }
}

#[test]
fn channels_last_are_padded_and_joined_where_they_are() {
    let file = File::new(&[0, 5, 1, 2])
        .ints("pads", &[0, 0, 1, 0, 0, 0, 0, 0])
        .node("Pad", &["x", "pads"], "p", &[])
        .node("Concat", &["p", "p"], "j", &[("axis", &[3])])
        .node("Transpose", &["j"], "t", &[("perm", &[0, 3, 1, 2])])
        .node("Flatten", &["t"], "y", &[("axis", &[1])]);
    let imported = file.read().unwrap();
    let ops: Vec<_> = imported.layers.iter().map(|l| l.number.as_str()).collect();
    assert_eq!(ops, ["zero_pad2d:1", "concat:1", "flatten:1"]);
    let x: Vec<f32> = (1..11).map(|i| i as f32).collect();
    let got = outputs(&imported, &x);
    assert_eq!(
        got[..10],
        [0.0, 1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 4.0, 0.0, 5.0]
    );
    assert_eq!(got[20..30], got[..10]);
}

#[test]
fn networks_of_flat_pixels_take_images() {
    let input = |n: i64| {
        let file = File::new(&[0, n]).node("Relu", &["x"], "y", &[]);
        file.read().unwrap().model.graph.input_shape().clone()
    };
    assert_eq!(input(784), [1, 28, 28]);
    assert_eq!(input(3072), [3, 32, 32]);
    assert_eq!(input(65), [65]);
    let said = File::new(&[0, 64]).node("Relu", &["x"], "y", &[]).read();
    let note = "its input of 64 numbers is taken as images of [1, 8, 8], row by row";
    assert_eq!(said.unwrap().notes, [note]);
}

#[test]
fn a_plain_floor_is_refused_with_what_would_be_needed() {
    let file = File::new(&[0, 4]).node("Floor", &["x"], "y", &[]);
    let error = file.read().unwrap_err().to_string();
    assert!(error.starts_with("node \"the y\" (Floor): floor is built only as a rounding"));
    assert!(error.ends_with("src/quantizer, would be needed"), "{error}");
}

#[test]
fn sizes_are_computed_with_remainders() {
    // As the classic exporter writes Unflatten.
    let file = File::new(&[0, 6])
        .ints("size", &[6])
        .ints("rows", &[4])
        .ints("batch", &[0])
        .node("Mod", &["size", "rows"], "columns", &[])
        .node(
            "Concat",
            &["batch", "columns", "three"],
            "shape",
            &[("axis", &[0])],
        )
        .ints("three", &[3])
        .node("Relu", &["x"], "r", &[])
        .node("Reshape", &["r", "shape"], "i", &[])
        .node("Flatten", &["i"], "y", &[("axis", &[1])]);
    assert_eq!(*file.read().unwrap().model.graph.output_shape(), [6]);
}

#[test]
fn images_on_their_side_are_turned() {
    for input in [&[0, 1, 2, 2][..], &[0, 4]] {
        let file = File::new(input)
            .floats("kernel", &[1, 1, 1, 1], &[1.0])
            .ints("image", &[-1, 1, 2, 2])
            .node("Reshape", &["x", "image"], "i", &[])
            .node("Transpose", &["i"], "t", &[("perm", &[0, 1, 3, 2])])
            .node("Conv", &["t", "kernel"], "c", &[])
            .node("Flatten", &["c"], "y", &[("axis", &[1])]);
        let imported = file.read().unwrap();
        assert_eq!(imported.layers[0].number, "rearrange:1");
        let got = outputs(&imported, &[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(got, [1.0, 3.0, 2.0, 4.0]);
    }
}
