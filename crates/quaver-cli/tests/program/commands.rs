//! Every command on small data, as people and scripts type them.

use crate::fixture::{images, npz, rows, save_model, test_digits};
use crate::folder::Folder;
use quaver::data::npy::NpyArray;
use quaver::data::npz::NpzReader;
use serde_json::Value;
use std::process::Stdio;

fn array(folder: &Folder, file: &str, name: &str) -> NpyArray {
    let npz = NpzReader::open(&folder.path(file)).unwrap();
    npz.require(name).unwrap()
}

fn shape(folder: &Folder, file: &str, name: &str) -> Vec<usize> {
    array(folder, file, name).shape().to_vec()
}

/// A rate with its count and interval.
fn check_rate(rate: &Value, n: u64) {
    assert_eq!(rate["n"], n, "{rate}");
    let [low, value, high] = ["low", "value", "high"].map(|key| rate[key].as_f64().unwrap());
    assert!(
        0.0 <= low && low <= value && value <= high && high <= 1.0 && low < high,
        "{rate}"
    );
}

#[test]
fn from_training_to_a_score() {
    let folder = Folder::new();
    let trained = folder.json(
        "train --arch lenet5 --topology bnn --dropout 0.5 --dataset digits --train-images 300 \
         --epochs 1 --seed 3 --out m",
    );
    assert_eq!(trained["seed"], 3);
    assert_eq!(trained["info"]["training"]["n"], 300);
    let evaluated =
        folder.json("evaluate m --dataset digits --n 83 --passes 5 --out e.npz --gradient");
    assert_eq!(evaluated["n"], 83);
    for key in ["noise_off", "single", "multi", "mean_single"] {
        check_rate(&evaluated[key], 83);
    }
    for name in ["logits", "probs", "mc_mean", "mc_variance"] {
        assert_eq!(shape(&folder, "e.npz", name), [83, 10], "{name}");
    }
    for name in [
        "single",
        "multi",
        "id",
        "y",
        "variance",
        "mutual_information",
    ] {
        assert_eq!(shape(&folder, "e.npz", name), [83], "{name}");
    }
    assert_eq!(shape(&folder, "e.npz", "input_gradient"), [83, 1, 28, 28]);
    folder.done("data export --dataset digits --n 83 --out clean.npz");
    let attacked = folder.json(
        "attack m --attack pgd(eps=0.3,step_size=0.1,n_steps=4) --labels true \
         --input clean.npz --passes 5 --out adv.npz",
    );
    check_rate(&attacked["robust_accuracy"], 83);
    assert_eq!(attacked["record"]["complete"], true);
    assert_eq!(shape(&folder, "adv.npz", "x_adv"), [83, 1, 28, 28]);
    for name in ["y", "success", "linf", "l2", "prediction", "id", "steps"] {
        assert_eq!(shape(&folder, "adv.npz", name), [83], "{name}");
    }
    let NpyArray::U8(record) = array(&folder, "adv.npz", "record") else {
        panic!("the record is UTF-8 bytes")
    };
    let record: Value = serde_json::from_slice(record.as_slice().unwrap()).unwrap();
    assert_eq!(record, attacked["record"]);
    let fitted = folder
        .json("detect fit m --clean clean.npz --adversarial adv.npz --passes 5 --out detector");
    check_rate(
        &fitted["detection"]["all"]["auroc"],
        fitted["detection"]["n_scored"].as_u64().unwrap(),
    );
    let scored = folder.json("detect score m detector --input adv.npz --out s.npz");
    check_rate(&scored["called_adversarial"], 83);
    assert_eq!(scored["rows"].as_array().unwrap().len(), 83);
    assert_eq!(shape(&folder, "s.npz", "suspicion"), [83]);
    guards(&folder);
}

/// A vector of features, a vote, a bound on false alarms; and nothing for another model.
fn guards(folder: &Folder) {
    let files = "--clean clean.npz --adversarial adv.npz --out guard";
    let features = "--feature variance --feature kde --reference digits --reference-n 300";
    let vote = "--decision vote(n_passes=5,alpha=0.9)";
    let fitted = folder.json(&format!("detect fit m {files} {features} {vote}"));
    assert_eq!(fitted["features"][0], "variance");
    assert_eq!(fitted["decision"], "vote(alpha=0.9,n_passes=5)");
    let scored = folder.json("detect score m guard --input clean.npz --fpr 0.1 --out g.npz");
    check_rate(&scored["called_adversarial"], 83);
    assert_eq!(scored["rows"][0]["score"].as_array().unwrap().len(), 2);
    assert_eq!(shape(folder, "g.npz", "score"), [83, 2]);
    let evaluated = folder.json(&format!("evaluate m --n 20 {vote}"));
    check_rate(&evaluated["abstained"], 20);
    save_model(&folder.path("other"), "full-precision");
    let parts = &["guard", "fitted for another model"];
    folder.refuses("detect score other guard --input clean.npz", parts);
    let named = "--feature kde(layer=2) --reference digits --reference-n 300 --passes 2";
    folder.done(&format!("detect fit m {files} {named}"));
    let none = format!("detect fit m {files} --feature kde");
    folder.refuses(&none, &["kde needs a reference set"]);
    folder.refuses("evaluate m --decision mean(0)", &["n_passes = 0"]);
}

#[test]
fn weights_move_out_and_in() {
    let folder = Folder::new();
    save_model(&folder.path("m"), "quantized-2bit");
    folder.done("model export m --out w.safetensors");
    folder.done("model import w.safetensors --arch lenet5 --topology quantized-2bit --out n");
    assert!(folder.read("m") == folder.read("n"));
    for model in ["m", "n"] {
        folder.done(&format!(
            "evaluate {model} --n 17 --passes 2 --out {model}.npz"
        ));
    }
    assert!(folder.read("m.npz") == folder.read("n.npz"));
    let shown = folder.json("model show n");
    assert_eq!(shown["info"]["topology"], "quantized-2bit");
    assert!(folder.done("model show n").contains("conv2d"));
}

#[test]
fn targets_and_starts_of_a_file_are_used() {
    let folder = Folder::new();
    save_model(&folder.path("m"), "full-precision");
    let targets = vec![7_i64, 7, 8, 9, 7, 8];
    let ids = vec![900_u64, 3, 17, 5, 6, 1];
    // No pixel is so dark that a step of 1e-9 could move it.
    let start = test_digits(6).images(0..6).mapv(|v| (v + 0.05).min(1.0));
    let others = [
        ("target", targets.clone().into()),
        ("id", ids.clone().into()),
        ("start", start.clone().into()),
    ];
    folder.write("in.npz", npz(images(6), &others));
    let line = "attack m --targeted --input in.npz --passes 2 --out a.npz --attack";
    let attacked = folder.json(&format!("{line} pgd(eps=0.1,n_steps=1,step_size=1e-9)"));
    assert_eq!(attacked["record"]["targets"], "given");
    assert_eq!(array(&folder, "a.npz", "target"), targets.into());
    assert_eq!(array(&folder, "a.npz", "id"), ids.into());
    assert_eq!(array(&folder, "a.npz", "x_adv"), start.into());
    assert_eq!(shape(&folder, "a.npz", "target_reached"), [6]);
    // FGSM takes no start, and a file may hold one all the same.
    folder.done(&format!("{line} fgsm"));
}

#[test]
fn data_sets_are_shown_and_exported() {
    let folder = Folder::new();
    folder.done("data show --dataset digits --per-class 3 --out sheet.png");
    assert!(folder.read("sheet.png").starts_with(b"\x89PNG\r\n\x1a\n"));
    folder.done("data export --train --n 5 --data-seed 4 --out d.npz");
    assert_eq!(shape(&folder, "d.npz", "x"), [5, 1, 28, 28]);
    let other = folder.json("data export --train --n 5 --out e.npz");
    assert_eq!(other["dataset"], "digits");
    assert!(rows(&array(&folder, "d.npz", "x")) != rows(&array(&folder, "e.npz", "x")));
}

#[test]
fn lists_figures_and_completions() {
    let folder = Folder::new();
    let list = folder.json("list");
    for kind in [
        "attacks",
        "architectures",
        "topologies",
        "measures",
        "detectors",
        "wrappers",
        "simd",
    ] {
        assert!(!list[kind].as_array().unwrap().is_empty(), "{kind}");
    }
    assert!(folder.done("list").contains("\n  pgd "));
    let bench = folder.json("bench --seconds 0.01 --batch-size 32 --topology bnn");
    // Four works, and three rows of bits against floats.
    assert_eq!(bench["rows"].as_array().unwrap().len(), 7);
    for (shell, sign) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef quaver"),
        ("fish", "complete -c quaver"),
    ] {
        let script = folder.done(&format!("completions {shell}"));
        assert!(script.contains(sign));
        let document = folder.json(&format!("completions {shell}"));
        assert_eq!(document["script"], script);
    }
    assert!(folder.done("--help").contains("reproduce"));
    assert!(
        folder
            .done("train --help")
            .contains("Flags of every command")
    );
    assert!(folder.done("--version").starts_with("quaver "));
}

#[test]
fn figures_of_a_model_on_images_of_ones_own() {
    let folder = Folder::new();
    save_model(&folder.path("m"), "full-precision");
    folder.write("in.npz", npz(images(20), &[]));
    let line = "bench m --input in.npz --work training,forward,pgd(eps=0.1,n_steps=2),passes --batch-size 8,16 \
                --passes 3 --seconds 0.01 --threads 2";
    let bench = folder.json(line);
    let rows = bench["rows"].as_array().unwrap();
    let told: Vec<(&str, u64)> = rows
        .iter()
        .map(|row| {
            let (work, batch) = (row["work"].as_str(), row["batch"].as_u64());
            (work.unwrap(), batch.unwrap())
        })
        .collect();
    let expected = [
        ("training", 8),
        ("training", 16),
        ("forward", 20),
        ("pgd(eps=0.1,n_steps=2)", 20),
        ("3 passes", 20),
    ];
    assert_eq!(told, expected);
    assert!(
        rows.iter()
            .all(|row| row["images_per_second"].as_f64() > Some(0.0))
    );
    folder.refuses(
        "bench m --input in.npz --batch-size 32",
        &["in.npz", "32 images", "20"],
    );
    let profile = folder.json("bench --profile --topology bnn --batch-size 32 --seconds 0.01");
    let layers = profile["profile"].as_array().unwrap();
    let phases = [
        "forward",
        "input gradient",
        "weight gradient",
        "statistics",
        "update",
    ];
    for phase in phases {
        assert!(layers.iter().any(|row| row["phase"] == phase), "{phase}");
    }
    let share = |row: &Value| row["share"].as_f64().unwrap();
    let inside = layers.iter().filter(|row| row["layer"] != "");
    let sum: f64 = inside.map(share).sum();
    assert!((0.9..=1.0 + 1e-9).contains(&sum), "{sum}");
    for (file, begins) in [("p.svg", &b"<svg"[..]), ("p.png", b"\x89PNG")] {
        let flags = "--topology full-precision --n 32 --passes 4 --seconds 0.01";
        let plot = folder.json(&format!("bench --plot {file} {flags}"));
        assert_eq!(plot["curves"].as_array().unwrap().len(), 4);
        assert!(
            std::fs::read(folder.path(file))
                .unwrap()
                .starts_with(begins)
        );
    }
}

#[test]
fn a_config_file_stands_behind_what_is_typed() {
    let folder = Folder::new();
    save_model(&folder.path("m"), "bnn");
    folder.write("c.toml", "n = 7\npasses = 3\nseed = 5\njson = true\n");
    for line in [
        "evaluate m --config c.toml --n 4",
        "--config c.toml evaluate m --n 4",
    ] {
        let e: Value = serde_json::from_str(&folder.done(line)).unwrap();
        assert_eq!(
            (&e["n"], &e["passes"], &e["seed"]),
            (&4.into(), &3.into(), &5.into())
        );
    }
    folder.write(
        "c.toml",
        "topology = ['bnn', 'full-precision']\nseconds = 0.01\n",
    );
    let bench = folder.json("bench --config c.toml --batch-size 16");
    assert_eq!(bench["rows"].as_array().unwrap().len(), 11);
    let bench = folder.json("bench --config c.toml --batch-size 16 --topology full-precision");
    assert_eq!(bench["rows"].as_array().unwrap().len(), 4);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = Folder::new();
    for line in ["list", "completions zsh", "--help", "list --json"] {
        let mut child = folder
            .command(line)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), told.as_str()),
            (Some(0), ""),
            "{line}"
        );
    }
}

#[cfg(unix)]
#[test]
fn names_need_not_be_unicode() {
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new();
    save_model(&folder.path("m"), "bnn");
    let name = std::ffi::OsStr::from_bytes(b"\xff.npz");
    for line in [
        "evaluate m --n 2 --passes 2 --json --out",
        "attack m --attack fgsm --n 2 --passes 2 --json --out",
        "data export --n 2 --json --out",
        "model export m --json --out",
        "train --train-images 40 --epochs 1 --json --out",
    ] {
        let output = folder.command(line).arg(name).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {output:?}");
    }
}

#[test]
fn packed_models_answer_as_the_whole_ones() {
    let folder = Folder::new();
    save_model(&folder.path("m"), "bnn");
    let packed = folder.json("model pack m --out p");
    let size = |file: &str| std::fs::metadata(folder.path(file)).unwrap().len();
    assert_eq!(
        [&packed["bytes_before"], &packed["bytes"]],
        [size("m"), size("p")]
    );
    assert!(size("p") * 10 < size("m"));
    for model in ["m", "p"] {
        folder.json(&format!(
            "evaluate {model} --dataset digits --n 40 --passes 5 --out {model}.npz --gradient"
        ));
        folder.json(&format!(
            "attack {model} --attack pgd(n_steps=3) --dataset digits --n 20 --passes 5 --out {model}-adv.npz"
        ));
    }
    let same = |a: &str, b: &str, names: &[&str]| {
        for name in names {
            let bytes = |file| array(&folder, file, name).to_bytes().unwrap();
            assert!(bytes(a) == bytes(b), "{name}");
        }
    };
    same(
        "m.npz",
        "p.npz",
        &["logits", "mc_mean", "mc_variance", "input_gradient"],
    );
    same("m-adv.npz", "p-adv.npz", &["x_adv", "success"]);
    assert_eq!(folder.json("model show p")["info"]["packed"], true);
    save_model(&folder.path("r"), "rand-bnn");
    let said = ["r: no layer uses its weights as their signs"];
    folder.refuses("model pack r --out q", &said);
}
