//! The same command and seed gives the same bytes: with any number of threads, any instruction
//! set, in any batch, at any time.

use crate::fixture::{images, npz, rows, save_model};
use crate::folder::Folder;
use quaver::data::npz::NpzReader;
use std::collections::BTreeMap;
use std::time::Duration;

/// Every way to run that must not change a result.
fn ways(folder: &Folder) -> Vec<String> {
    let list = folder.json("list");
    let mut ways = vec!["--threads 1".to_owned(), "--threads 2".to_owned()];
    for simd in list["simd"].as_array().unwrap() {
        let name = simd["name"].as_str().unwrap();
        ways.push(format!("--threads 2 --simd {name}"));
    }
    ways
}

/// Runs `line` in every way; the first file it names must be the same each time.
fn same_bytes(folder: &Folder, line: &str) {
    let mut first: Option<(String, Vec<u8>)> = None;
    for way in ways(folder) {
        let told = folder.done(&format!("{line} --json {way} --out out"));
        let now = (told, folder.read("out"));
        match &first {
            None => first = Some(now),
            Some(first) => assert!(*first == now, "{line} {way}"),
        }
    }
}

#[test]
fn models() {
    let folder = Folder::new();
    for topology in ["rand-bnn", "bnn", "quantized-2bit", "full-precision"] {
        // A last batch of one that joins the one before.
        let line = "train --train-images 97 --batch-size 32 --epochs 2 --topology";
        same_bytes(&folder, &format!("{line} {topology}"));
    }
}

#[test]
fn outputs_and_attacks() {
    let folder = Folder::new();
    for topology in ["rand-bnn", "bnn"] {
        save_model(&folder.path("m"), topology);
        same_bytes(&folder, "evaluate m --n 83 --passes 5 --gradient");
        let attack = "attack m --n 83 --passes 5 --attack";
        same_bytes(
            &folder,
            &format!("{attack} pgd(n_steps=3) --noise eot:2 --restarts 2"),
        );
        same_bytes(&folder, &format!("{attack} jsma(gamma=0.01)"));
    }
}

#[test]
fn another_time_and_another_seed() {
    let folder = Folder::new();
    save_model(&folder.path("m"), "rand-bnn");
    let run = |seed: u32| {
        let line = "attack m --n 17 --passes 5 --attack pgd(n_steps=2) --out a";
        folder.done(&format!("{line} --seed {seed}"));
        folder.read("a")
    };
    let first = run(0);
    std::thread::sleep(Duration::from_secs(2));
    assert!(run(0) == first);
    assert!(run(1) != first);
}

/// The rows of a result by image id.
fn by_id(folder: &Folder, names: &[&str]) -> BTreeMap<Vec<u8>, Vec<Vec<u8>>> {
    let npz = NpzReader::open(&folder.path("out")).unwrap();
    let ids = rows(&npz.require("id").unwrap());
    let arrays: Vec<_> = names
        .iter()
        .map(|name| rows(&npz.require(name).unwrap()))
        .collect();
    let row = |i: usize| arrays.iter().map(|array| array[i].clone()).collect();
    (0..ids.len()).map(|i| (ids[i].clone(), row(i))).collect()
}

/// Whatever batch an image comes in, what comes out for it is the same.
fn batches_are_their_singles(topology: &str, line: &str, names: &[&str]) {
    const N: usize = 83;
    let folder = Folder::new();
    save_model(&folder.path("m"), topology);
    let whole = images(N);
    let subset = |order: &[usize]| {
        let ids: Vec<u64> = order.iter().map(|&row| 5000 - 7 * row as u64).collect();
        let mut chosen = vec![("id", ids.into())];
        for (name, array) in &whole {
            let name = if name == "x" { "x" } else { "y" };
            let part = match array {
                quaver::data::npy::NpyArray::F32(x) => x.select(ndarray::Axis(0), order).into(),
                quaver::data::npy::NpyArray::I64(y) => y.select(ndarray::Axis(0), order).into(),
                other => panic!("unexpected {}", other.describe()),
            };
            chosen.push((name, part));
        }
        folder.write("in.npz", npz(whole.clone(), &chosen));
        folder.done(&format!("{line} --input in.npz --out out"));
        by_id(&folder, names)
    };
    let all: Vec<usize> = (0..N).collect();
    let expected = subset(&all);
    assert_eq!(expected.len(), N);
    // 29 and 83 share no factor: a shuffle that reaches every row.
    let shuffled: Vec<usize> = (0..N).map(|i| (i * 29 + 11) % N).collect();
    let parts = [
        &all[40..41],
        &all[..15],
        &all[30..46],
        &all[66..],
        &shuffled,
        &shuffled[..16],
    ];
    for part in parts {
        for (id, row) in subset(part) {
            assert!(expected[&id] == row, "{line}: batch of {}", part.len());
        }
    }
}

#[test]
fn batches_of_evaluate() {
    let names = [
        "logits",
        "mc_mean",
        "mc_variance",
        "single",
        "multi",
        "input_gradient",
    ];
    for topology in ["rand-bnn", "full-precision"] {
        batches_are_their_singles(topology, "evaluate m --passes 5 --gradient", &names);
    }
}

#[test]
fn batches_of_attack() {
    let names = [
        "x_adv",
        "success",
        "prediction",
        "clean_prediction",
        "linf",
        "restart",
    ];
    for attack in ["pgd(n_steps=3) --restarts 2", "jsma(gamma=0.01)"] {
        // The rule `auto` takes spreads from the first images of a run, whichever those are.
        let line = format!("attack m --passes 5 --surrogate model --attack {attack}");
        batches_are_their_singles("rand-bnn", &line, &names);
    }
}
