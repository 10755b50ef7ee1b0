//! `quaver reproduce`, killed at random moments and started again, ends in the same bytes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use quaver::data::{Dataset, Pixels, Split, digits};
use quaver::observe::Silent;
use quaver::rng::Rng;

const KILLS: u64 = 20;

/// Writes a split as MNIST's files.
fn write_idx(folder: &Path, data: &Dataset, prefix: &str) {
    let Pixels::Bytes(pixels) = data.pixels() else {
        panic!("digits are bytes");
    };
    let header = |kind: u32, sizes: &[usize]| -> Vec<u8> {
        let sizes = sizes.iter().map(|&size| u32::try_from(size).unwrap());
        let words = std::iter::once(kind).chain(sizes);
        words.flat_map(u32::to_be_bytes).collect()
    };
    let [_, height, width] = data.image_shape();
    let mut images = header(0x803, &[data.len(), height, width]);
    images.extend(pixels.iter());
    let mut labels = header(0x801, &[data.len()]);
    labels.extend(data.labels().iter().map(|&label| label as u8));
    let file = |kind: &str| folder.join(format!("{prefix}-{kind}-ubyte"));
    fs::write(file("images-idx3"), images).unwrap();
    fs::write(file("labels-idx1"), labels).unwrap();
}

/// A configuration that reaches every step, on the data in `folder`.
fn command(folder: &Path, out: &Path, threads: u32) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quaver"));
    let flags = "reproduce --quick --quiet --dataset mnist --epochs 3 --batch-size 32 --n 12 \
                 --passes 3 --honest-n 12 --eot-n 6 --eot-draws 2 --attack fgsm(eps=0.3) \
                 --attack jsma(gamma=0.006) --attack pgd(n_steps=2,step_size=0.2)";
    command.args(flags.split_whitespace());
    command.arg("--data-dir").arg(folder).arg("--out").arg(out);
    command.arg("--threads").arg(threads.to_string());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Every file below `path` but the timings, by its relative name.
fn files(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let name = entry.strip_prefix(path).unwrap().display().to_string();
                found.insert(name, fs::read(&entry).unwrap());
            }
        }
    }
    found.remove("timings.json");
    found
}

fn same_files(whole: &Path, killed: &Path) {
    let (whole, killed) = (files(whole), files(killed));
    assert!(whole.keys().eq(killed.keys()));
    for (name, bytes) in &whole {
        assert!(*bytes == killed[name], "{name} differs");
    }
}

#[test]
fn killed_runs_end_in_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let draw = |split, n| digits::draw(3, split, n, &Silent).unwrap();
    write_idx(folder.path(), &draw(Split::Train, 200), "train");
    write_idx(folder.path(), &draw(Split::Test, 30), "t10k");

    let clock = Instant::now();
    let output = command(folder.path(), &whole, 1).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut longest = clock.elapsed().as_secs_f64() / 6.0;

    let (mut n_killed, mut tries) = (0, 0);
    while n_killed < KILLS {
        assert!(tries < 10 * KILLS, "{n_killed} of {tries} runs were killed");
        let mut child = command(folder.path(), &killed, 2).spawn().unwrap();
        // Early and late moments alike: a run goes on where the one before stopped.
        let share = Rng::new(0, "kill", tries).uniform();
        std::thread::sleep(Duration::from_secs_f64(share * longest));
        child.kill().unwrap();
        child.wait().unwrap();
        if killed.join("results.json").exists() {
            // How long a run takes depends on what else the machine does.
            same_files(&whole, &killed);
            fs::remove_dir_all(&killed).unwrap();
            longest /= 2.0;
        } else {
            n_killed += 1;
        }
        tries += 1;
    }
    let output = command(folder.path(), &killed, 2).output().unwrap();
    assert!(output.status.success(), "{output:?}");

    same_files(&whole, &killed);
}
