//! Flags and spec strings that are refused before anything is read or written.

use crate::fixture::{images, npz, save_model};
use crate::folder::Folder;

#[test]
fn networks_that_cannot_be_built() {
    let folder = Folder::new();
    let train = |flags: &str, parts: &[&str]| {
        folder.refuses(&format!("train --train-images 40 --out m {flags}"), parts);
    };
    train("--dropout 1", &["dropout must be in [0, 1), got 1"]);
    train("--dropout nan", &["dropout must be in [0, 1), got NaN"]);
    train("--dropout -0.1", &["dropout must be in [0, 1), got -0.1"]);
    train(
        "--dropout foo",
        &["--dropout must be a number in [0, 1) here, got \"foo\""],
    );
    train("--weights k-bit(bits=0)", &["bits must be 1 to 16, got 0"]);
    train(
        "--weights k-bit(bits=17)",
        &["bits must be 1 to 16, got 17"],
    );
    train("--weights linear(bits=17)", &["linear", "`bits`", "`step`"]);
    train("--weights k-bit(bits=-1)", &["k-bit", "-1"]);
    train(
        "--weights k-bits(bits=2)",
        &["\"k-bits\"", "there are k-bit"],
    );
    train("--weights k-bit(bits=2", &["closing parenthesis"]);
    train("--activations sign(surrogate=magic)", &["\"magic\""]);
    train("--arch lenet6", &["\"lenet6\"", "there are lenet5"]);
    train(
        "--topology bnm",
        &["\"bnm\"", "did you mean \"bnn\"", "rand-bnn"],
    );
    train(
        "--learning-rate 0",
        &["--learning-rate", "'0'", "a number above 0"],
    );
    train(
        "--learning-rate nan",
        &["--learning-rate", "'nan'", "above 0"],
    );
    train("--epochs 0", &["--epochs", "'0'", "from 1 to 100000"]);
    train(
        "--batch-size 1",
        &["--batch-size", "'1'", "from 2 to 65536"],
    );
    train("--train-images 0", &["--train-images", "'0'", "from 2"]);
    train("--train-images 1", &["--train-images", "'1'", "from 2"]);
    train("--train-images 99999999", &["99999999", "5000000"]);
    train(
        "--dataset mnits",
        &["\"mnits\"", "mnist, fashion-mnist, cifar10, digits", "path"],
    );
}

#[test]
fn attacks_that_cannot_be_built() {
    let folder = Folder::new();
    save_model(&folder.path("m"), "full-precision");
    let attack = |flags: &str, parts: &[&str]| {
        folder.refuses(&format!("attack m --n 2 --out a.npz {flags}"), parts);
    };
    attack(
        "--attack fgsn",
        &["\"fgsn\"", "did you mean \"fgsm\"", "bim, pgd, mim"],
    );
    attack(
        "--attack fgsm(epsilon=0.1)",
        &["\"epsilon\"", "it takes eps"],
    );
    attack("--attack fgsm(eps=-0.1)", &["eps = -0.1", "allowed: 0 to"]);
    attack("--attack fgsm(eps=nan)", &["eps = nan", "finite"]);
    attack("--attack fgsm(eps=inf)", &["eps = inf", "finite"]);
    attack("--attack fgsm(eps=much)", &["eps = much"]);
    attack("--attack pgd(n_steps=0)", &["n_steps = 0"]);
    attack("--attack pgd(step_size=-1)", &["step_size = -1"]);
    attack("--attack jsma(gamma=2)", &["gamma = 2"]);
    attack("--attack fgsm(norm=l7)", &["norm = l7"]);
    attack("--attack fgsm(", &["closing parenthesis"]);
    attack("--attack fgsm --noise loud", &["\"loud\"", "per-step"]);
    attack("--attack fgsm --noise eot:0", &["eot = 0", "1 to 1000"]);
    attack("--attack fgsm --dialect tf", &["\"tf\"", "corrected"]);
    attack("--attack fgsm --restarts 0", &["--restarts", "'0'"]);
    attack("--attack fgsm --passes 0", &["--passes", "'0'"]);
}

#[test]
fn flags_that_do_not_parse() {
    let folder = Folder::new();
    save_model(&folder.path("m"), "full-precision");
    folder.refuses("trian", &["unrecognized subcommand 'trian'", "'train'"]);
    folder.refuses("train", &["--out <MODEL>"]);
    folder.refuses("train --out m --epoch 3", &["'--epoch'", "'--epochs'"]);
    folder.refuses(
        "list --seed -1",
        &["'-1'", "--seed", "0 to 18446744073709551615"],
    );
    folder.refuses(
        "list --threads 5000",
        &["'5000'", "--threads", "from 0 to 1024"],
    );
    folder.refuses("list --simd sse", &["'sse'", "--simd", "scalar, avx2"]);
    folder.refuses("evaluate m --gradient", &["--out <OUT.npz>"]);
    folder.refuses("evaluate m --n 2 --input in.npz", &["--n", "--input"]);
    folder.refuses("evaluate m --n 0", &["--n", "'0'", "from 1"]);
    folder.refuses("bench --seconds 0", &["--seconds", "0.01 to 600"]);
    let reproduce = |flags: &str, parts: &[&str]| {
        folder.refuses(&format!("reproduce --quick --out r {flags}"), parts);
    };
    reproduce("--epochs x", &["--epochs", "'x'", "from 1 to 10000"]);
    reproduce("--passes 1e9", &["--passes", "'1e9'", "from 2 to 10000"]);
    reproduce("--honest-n -3", &["--honest-n", "'-3'", "number from 0"]);
    reproduce(
        "--learning-rate 2",
        &["--learning-rate", "'2'", "above 0 to 1"],
    );
    reproduce("--require a,h", &["--require", "'h'", "a to g"]);
    folder.refuses("bench --topology bnm", &["\"bnm\""]);
    folder.refuses("bench --work train", &["--work", "training", "\"train\""]);
    folder.refuses("bench --work fgsm(eps=0.1", &["--work", "parentheses"]);
    folder.refuses("bench --input in.npz", &["<MODEL>"]);
    folder.refuses("bench m --arch lenet5", &["--arch"]);
    folder.refuses("bench --plot p.gif", &[".svg or .png", "p.gif"]);
    folder.refuses(
        "bench --plot p.svg --topology bnn,rand-bnn,full-precision",
        &["one or two networks, got 3"],
    );
    folder.refuses("data fetch digits", &["\"digits\"", "mnist, fashion-mnist"]);
    folder.refuses("completions tcsh", &["'tcsh'", "bash"]);
}

#[test]
fn detectors_that_cannot_be_built() {
    let folder = Folder::new();
    save_model(&folder.path("m"), "full-precision");
    folder.write("in.npz", npz(images(4), &[]));
    let fit = |flags: &str, parts: &[&str]| {
        let files = "--clean in.npz --adversarial in.npz --out d";
        folder.refuses(&format!("detect fit m {files} {flags}"), parts);
    };
    fit("--detector oracle", &["\"oracle\"", "logistic-regression"]);
    fit("--detector logistic-regression(c=0)", &["c = 0"]);
    fit("--measure vari", &["\"vari\"", "variance"]);
    fit("", &["in.npz", "`x_adv`", "there are x, y"]);
}

#[test]
fn config_files_that_are_none() {
    let folder = Folder::new();
    save_model(&folder.path("m"), "full-precision");
    let config = |text: &str, parts: &[&str]| {
        folder.write("c.toml", text);
        folder.refuses("evaluate m --config c.toml", parts);
    };
    folder.refuses("evaluate m --config c.toml", &["c.toml", "No such file"]);
    config("n = 3\npasses =\n", &["c.toml", "line 2"]);
    config("pases = 3", &["c.toml", "`pases`", "passes"]);
    config("passes = { n = 3 }", &["c.toml", "`passes`", "table"]);
    config("passes = 0", &["--passes", "'0'"]);
    config("n = 1\ninput = 'in.npz'", &["--n", "--input"]);
}
