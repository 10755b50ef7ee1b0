//! `quaver data fetch`: downloads a data set from its mirrors into the cache. A file stands
//! there under its name only after its checksum was right.

use anyhow::{Context, bail};
use quaver::atomic_file;
use quaver::data::source::{self, REGISTRY, RemoteFile};
use quaver::observe::Observer;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::Agent;

/// The largest file of any data set here is 26 MB; a server that sends more sends no such file.
const MAX_BYTES: u64 = 256 << 20;
const CHUNK: usize = 64 << 10;

/// The observer said stop; what was complete by then is kept.
#[derive(Debug, thiserror::Error)]
#[error("download stopped")]
pub(crate) struct Stopped;

/// Downloads the files of `dataset` into the folder `into/dataset` and returns that folder.
/// Files that are there with the right checksum are left alone. `from` takes the place of
/// the known mirrors: base addresses, tried in order for each file.
///
/// # Errors
/// An unknown data set, a folder that cannot be written, a file that no mirror delivers
/// (with each mirror's reason), and [`Stopped`].
pub(crate) fn fetch(
    dataset: &str,
    into: &Path,
    from: Option<&[String]>,
    observer: &dyn Observer,
) -> anyhow::Result<PathBuf> {
    let Some(remote) = source::find(dataset).and_then(|entry| entry.remote()) else {
        let remote = REGISTRY.iter().filter(|entry| entry.remote().is_some());
        let known: Vec<&str> = remote.map(|entry| entry.id).collect();
        bail!(
            "no data set named {dataset:?} to fetch; there are {}",
            known.join(", ")
        );
    };
    let known: Vec<String> = remote.mirrors.iter().map(|&base| base.into()).collect();
    fetch_files(
        dataset,
        remote.files,
        from.unwrap_or(&known),
        into,
        observer,
    )
}

fn fetch_files(
    dataset: &str,
    files: &[RemoteFile],
    from: &[String],
    into: &Path,
    observer: &dyn Observer,
) -> anyhow::Result<PathBuf> {
    let folder = into.join(dataset);
    let is_new = !into.exists();
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let fetched = fetch_into(&folder, files, from, observer);
    if fetched.is_err() {
        // Only what is empty can be removed, and only what was made here is.
        let _ = fs::remove_dir(&folder);
        if is_new {
            let _ = fs::remove_dir(into);
        }
    }
    fetched.map(|()| folder)
}

fn fetch_into(
    folder: &Path,
    files: &[RemoteFile],
    from: &[String],
    observer: &dyn Observer,
) -> anyhow::Result<()> {
    let agent: Agent = Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(15)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_recv_body(Some(Duration::from_secs(1800)))
        .build()
        .into();
    for file in files {
        let path = folder.join(file.name);
        if !is_complete(&path, file)? {
            download(&agent, file, from, &path, observer)?;
        }
    }
    Ok(())
}

fn is_complete(path: &Path, file: &RemoteFile) -> anyhow::Result<bool> {
    let mut sum = Sha256::new();
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened.and_then(|mut there| io::copy(&mut there, &mut Sum(&mut sum))),
    }
    .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(hex(sum) == file.sha256)
}

/// Tries one mirror after the other.
fn download(
    agent: &Agent,
    file: &RemoteFile,
    from: &[String],
    path: &Path,
    observer: &dyn Observer,
) -> anyhow::Result<()> {
    let mut reasons = Vec::new();
    for base in from {
        let url = format!("{}/{}", base.trim_end_matches('/'), file.name);
        match download_from(agent, &url, file, path, observer) {
            Ok(()) => return Ok(()),
            Err(error) if error.is::<Stopped>() => return Err(error),
            Err(error) => reasons.push(format!("{url}: {error:#}")),
        }
    }
    bail!("no mirror delivered {}: {}", file.name, reasons.join("; "))
}

fn download_from(
    agent: &Agent,
    url: &str,
    file: &RemoteFile,
    path: &Path,
    observer: &dyn Observer,
) -> anyhow::Result<()> {
    let mut response = agent.get(url).call()?;
    let total = response.body().content_length().unwrap_or(0);
    let partial = atomic_file::partial_path(path);
    observer.begin(file.name, total);
    let source = response.body_mut().with_config().limit(MAX_BYTES).reader();
    let copied = copy_checked(source, file, &partial, observer);
    observer.end();
    let done = copied.and_then(|()| Ok(fs::rename(&partial, path)?));
    if done.is_err() {
        // The download's failure is the one to report.
        let _ = fs::remove_file(&partial);
    }
    done
}

/// Writes `source` to `partial` and fails unless its checksum is the file's.
fn copy_checked(
    mut source: impl Read,
    file: &RemoteFile,
    partial: &Path,
    observer: &dyn Observer,
) -> anyhow::Result<()> {
    let mut out =
        File::create(partial).with_context(|| format!("cannot write {}", partial.display()))?;
    let mut sum = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut done = 0;
    loop {
        if !observer.go_on() {
            return Err(Stopped.into());
        }
        let n = source
            .read(&mut chunk)
            .with_context(|| format!("broke off after {done} bytes"))?;
        if n == 0 {
            break;
        }
        out.write_all(&chunk[..n])?;
        sum.update(&chunk[..n]);
        done += n as u64;
        observer.progress(done, "");
    }
    out.sync_all()?;
    let got = hex(sum);
    if got != file.sha256 {
        bail!("expected SHA-256 {}, got {got} ({done} bytes)", file.sha256);
    }
    Ok(())
}

/// Feeds what is written to it into a checksum.
struct Sum<'a>(&'a mut Sha256);

impl Write for Sum<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hex(sum: Sha256) -> String {
    sum.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quaver::observe::Silent;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    const CONTENT: &str = "hello";
    const HELLO: RemoteFile = RemoteFile {
        name: "hello.gz",
        sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    };

    /// Serves the same response to every request, each on a connection of its own.
    fn serve(response: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let request: Vec<String> = lines
                    .map(Result::unwrap)
                    .take_while(|line| !line.is_empty())
                    .collect();
                assert!(request[0].starts_with("GET /data/hello.gz "), "{request:?}");
                stream.write_all(response.as_bytes()).unwrap();
            }
        });
        format!("http://{address}/data/")
    }

    fn response(status: &str, declared: usize, body: &str) -> String {
        format!(
            "HTTP/1.1 {status}\r\nContent-Length: {declared}\r\nConnection: close\r\n\r\n{body}"
        )
    }

    fn good() -> String {
        serve(response("200 OK", 5, CONTENT))
    }

    fn fetch_hellos(into: &Path, from: &[String]) -> anyhow::Result<PathBuf> {
        fetch_files("hellos", &[HELLO; 4], from, into, &Silent)
    }

    /// Fetches from one mirror that is no good; nothing of it may stay.
    fn refusal(base: String) -> String {
        let into = tempfile::tempdir().unwrap();
        let error = fetch_hellos(into.path(), &[base]).unwrap_err();
        assert_eq!(fs::read_dir(into.path()).unwrap().count(), 0);
        error.to_string()
    }

    #[test]
    fn what_arrives_stands_in_the_cache() {
        let into = tempfile::tempdir().unwrap();
        let folder = fetch_hellos(into.path(), &[good()]).unwrap();
        assert_eq!(
            fs::read_to_string(folder.join("hello.gz")).unwrap(),
            CONTENT
        );
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        // A second time nothing is asked of any mirror; a damaged file is fetched again.
        fetch_hellos(into.path(), &[]).unwrap();
        fs::write(folder.join("hello.gz"), "hullo").unwrap();
        assert!(fetch_hellos(into.path(), &[]).is_err());
        fetch_hellos(into.path(), &[good()]).unwrap();
        assert_eq!(
            fs::read_to_string(folder.join("hello.gz")).unwrap(),
            CONTENT
        );
    }

    #[test]
    fn the_second_mirror_serves_when_the_first_does_not() {
        let into = tempfile::tempdir().unwrap();
        let absent = serve(response("404 Not Found", 0, ""));
        fetch_hellos(into.path(), &[absent, good()]).unwrap();
    }

    #[test]
    fn a_wrong_checksum_is_refused() {
        let text = refusal(serve(response("200 OK", 5, "hullo")));
        assert!(
            text.starts_with("no mirror delivered hello.gz: http://127.0.0.1:"),
            "{text}"
        );
        assert!(
            text.contains("expected SHA-256 2cf24dba") && text.contains("(5 bytes)"),
            "{text}"
        );
    }

    #[test]
    fn a_truncated_body_is_refused() {
        let text = refusal(serve(response("200 OK", 50, CONTENT)));
        assert!(text.contains("broke off after 5 bytes"), "{text}");
    }

    #[test]
    fn an_absent_file_names_the_status() {
        let text = refusal(serve(response("404 Not Found", 0, "")));
        assert!(text.contains("404"), "{text}");
    }

    #[test]
    fn stopping_leaves_no_part() {
        struct AfterOne(AtomicUsize);
        impl Observer for AfterOne {
            fn go_on(&self) -> bool {
                self.0.fetch_add(1, Ordering::Relaxed) == 0
            }
        }
        let into = tempfile::tempdir().unwrap();
        let stop = AfterOne(AtomicUsize::new(0));
        let error = fetch_files("hellos", &[HELLO; 4], &[good()], into.path(), &stop).unwrap_err();
        assert!(error.is::<Stopped>());
        assert_eq!(fs::read_dir(into.path()).unwrap().count(), 0);
    }

    #[test]
    fn unknown_data_sets_are_named() {
        let error = fetch("digits", Path::new("unused"), None, &Silent)
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "no data set named \"digits\" to fetch; there are mnist, fashion-mnist"
        );
    }
}
