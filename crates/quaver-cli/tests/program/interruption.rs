//! Ctrl-C keeps what is finished, and a killed training ends in the same bytes.

use crate::fixture::rows;
use crate::folder::Folder;
use quaver::data::npz::NpzReader;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const TRAIN: &str = "train --topology bnn --train-images 64 --batch-size 16 --epochs 20 --out m";

/// How often a moment is tried anew: how long a run takes depends on what else the machine does.
const TRIES: u32 = 100;

fn start(folder: &Folder, line: &str) -> Child {
    let mut command = folder.command(line);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn interrupt(child: Child) -> Output {
    let id = child.id().to_string();
    Command::new("kill").args(["-INT", &id]).status().unwrap();
    child.wait_with_output().unwrap()
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// A training that Ctrl-C stopped after its first checkpoint.
fn interrupted_training(line: &str) -> (Folder, Output) {
    for _ in 0..TRIES {
        let folder = Folder::new();
        let checkpoint = folder.path("m.checkpoint");
        let mut child = start(&folder, line);
        while !checkpoint.exists() && child.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(1));
        }
        let output = interrupt(child);
        if !output.status.success() {
            return (folder, output);
        }
    }
    panic!("every training ended before it was interrupted");
}

#[test]
fn training_goes_on_after_ctrl_c() {
    let train = TRAIN.replace("--epochs 20", "--epochs 100");
    let whole = Folder::new();
    whole.done(&train);
    let (folder, output) = interrupted_training(&train);
    let checkpoint = folder.path("m.checkpoint");
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(output.stdout.is_empty());
    assert!(
        told.starts_with("interrupted: ") && told.contains("m.checkpoint"),
        "{told}"
    );
    assert_eq!(
        folder.listing().into_keys().collect::<Vec<_>>(),
        [checkpoint]
    );
    // Another run must not take the checkpoint for its own.
    let other = train.replace("bnn", "full-precision");
    let parts = ["m.checkpoint is a checkpoint of another run", "remove it"];
    folder.refuses(&other, &parts);
    folder.refuses(
        &format!("{train} --seed 1"),
        &["info.training.seed is 0, expected 1"],
    );
    folder.refuses(&format!("{train} --data-seed 1"), &["digits(seed=1)"]);
    folder.done(&train);
    assert!(folder.read("m") == whole.read("m"));
    assert_eq!(folder.listing().len(), 1);
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let folder = Folder::new();
    folder.write("m.checkpoint", "half a checkpoint");
    folder.refuses(TRAIN, &["m.checkpoint", "safetensors"]);
}

#[test]
fn attacks_keep_what_is_finished() {
    let folder = Folder::new();
    crate::fixture::save_model(&folder.path("m"), "bnn");
    let line = "attack m --attack pgd(n_steps=40) --n 1024 --passes 5 --json --out";
    let whole = seconds(|| drop(folder.done(&format!("{line} whole.npz"))));
    let read = |file: &str| {
        let npz = NpzReader::open(&folder.path(file)).unwrap();
        rows(&npz.require("x_adv").unwrap())
    };
    let mut moment = 0.6 * whole;
    for _ in 0..TRIES {
        let child = start(&folder, &format!("{line} part.npz"));
        sleep(Duration::from_secs_f64(moment));
        let output = interrupt(child);
        if output.status.success() {
            moment *= 0.8;
            std::fs::remove_file(folder.path("part.npz")).unwrap();
            continue;
        }
        if !folder.path("part.npz").exists() {
            moment *= 1.1;
            continue;
        }
        assert_eq!(output.status.code(), Some(3));
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["record"]["complete"], false);
        let (part, whole) = (read("part.npz"), read("whole.npz"));
        assert!(!part.is_empty() && part.len() < whole.len());
        assert_eq!(document["n"], part.len());
        assert!(part[..] == whole[..part.len()]);
        return;
    }
    panic!("no interruption came while the attack ran");
}

/// Kills at 20 moments spread over the run, checkpoints and the final write among them.
#[test]
fn a_killed_training_ends_in_the_same_folder() {
    let reference = Folder::new();
    let mut longest = seconds(|| drop(reference.done(TRAIN)));
    let expected = reference.read("m");
    let mut killed = 0;
    for moment in 0..TRIES {
        let folder = Folder::new();
        let mut child = start(&folder, TRAIN);
        // Multiples of the golden ratio spread evenly, whatever their number.
        let share = (f64::from(moment) * 0.618_034).fract();
        sleep(Duration::from_secs_f64(share * longest));
        child.kill().unwrap();
        let ended = child.wait().unwrap().success();
        folder.done(TRAIN);
        assert!(
            folder.read("m") == expected,
            "killed after {share} of the run"
        );
        assert_eq!(folder.listing().len(), 1, "killed after {share} of the run");
        killed += u32::from(!ended);
        if killed == 20 {
            return;
        }
        longest *= if ended { 0.9 } else { 1.01 };
    }
    panic!("{killed} of {TRIES} runs were killed");
}
