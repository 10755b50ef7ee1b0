//! Outputs that cannot be written: nothing is left, what was there stays.

use crate::fixture::{images, npz, save_model};
use crate::folder::{Folder, refused};

/// Every command that writes a file; `OUT` stands for it.
const WRITERS: [&str; 9] = [
    "train --train-images 40 --epochs 1 --out OUT",
    "evaluate m --input in.npz --passes 2 --out OUT",
    "attack m --attack fgsm --input in.npz --passes 2 --out OUT",
    "detect fit m --clean in.npz --adversarial adv.npz --passes 2 --out OUT",
    "detect score m detector --input in.npz --out OUT",
    "data show --per-class 12 --out OUT",
    "data export --n 40 --out OUT",
    "model import weights --out OUT",
    "model export m --out OUT",
];

fn with_inputs() -> Folder {
    let folder = Folder::new();
    save_model(&folder.path("m"), "full-precision");
    folder.write("in.npz", npz(images(40), &[]));
    folder.done("attack m --attack fgsm --input in.npz --passes 2 --out adv.npz");
    folder.done("model export m --out weights");
    let fit = "detect fit m --clean in.npz --adversarial adv.npz --passes 2 --out detector";
    folder.done(fit);
    folder
}

#[test]
fn places_where_no_file_can_be() {
    let folder = with_inputs();
    folder.write("folder/inside", "");
    for writer in WRITERS {
        let to = |out: &str, part: &str| {
            let line = writer.replace("OUT", out);
            folder.refuses(&line, &[out, part]);
        };
        to("nowhere/out", "No such file or directory");
        to("m/out", "Not a directory");
        to("/proc/out", "cannot write");
        to("folder", "is a folder, expected the name of a file");
        to("folder/..", "is a folder");
        to("/dev/null", "is a device");
    }
}

/// With files limited to 8 blocks the write itself fails, wherever it happens.
#[test]
fn a_write_that_fails_keeps_the_old_file() {
    let folder = with_inputs();
    folder.write("out", "an older file");
    // A detector is smaller than the limit.
    for writer in WRITERS.iter().filter(|line| !line.contains("detect ")) {
        let line = writer.replace("OUT", "out");
        let before = folder.listing();
        let limited = "trap '' XFSZ; ulimit -f 8; exec \"$@\"";
        let mut command = folder.through("bash");
        command.args(["-c", limited, "bash", env!("CARGO_BIN_EXE_quaver")]);
        let output = command.args(line.split(' ')).output().unwrap();
        let told = refused(&output, &line);
        assert!(told.contains("File too large"), "{told}");
        assert!(folder.listing() == before, "{line}: files changed");
    }
}

#[test]
fn a_checkpoint_without_space() {
    let folder = Folder::new();
    std::os::unix::fs::symlink("/dev/full", folder.path("m.checkpoint.partial")).unwrap();
    let line = "train --train-images 40 --epochs 1 --out m";
    let told = refused(&folder.run(line), line);
    assert!(
        told.contains("m.checkpoint") && told.contains("No space left"),
        "{told}"
    );
    assert!(folder.listing().is_empty());
}

/// On a file system of one page, where the system lets a test make one.
#[test]
fn a_full_file_system() {
    let folder = with_inputs();
    folder.write("disk/older", "");
    let mount = "mount -t tmpfs -o size=4k none disk";
    let namespace = |script: &str, words: &[&str]| {
        let mut command = folder.through("unshare");
        command.args(["--map-root-user", "--mount", "bash", "-c", script, "bash"]);
        command.args(words).output()
    };
    let can = namespace(mount, &[]).is_ok_and(|output| output.status.success());
    if !can {
        println!("skipped: no file system can be mounted here");
        return;
    }
    // What the listing prints to standard output would be a file that was left.
    let script = format!("{mount} && \"$@\"; code=$?; ls -A disk; exit $code");
    for writer in WRITERS.iter().filter(|line| !line.contains("detect ")) {
        let line = writer.replace("OUT", "disk/out");
        let words: Vec<&str> = [env!("CARGO_BIN_EXE_quaver")]
            .into_iter()
            .chain(line.split(' '))
            .collect();
        let told = refused(&namespace(&script, &words).unwrap(), &line);
        assert!(told.contains("No space left"), "{line}\n{told}");
    }
}
