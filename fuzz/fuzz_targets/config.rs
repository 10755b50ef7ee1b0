//! Files of flags, and the flags that come of them.

#![no_main]

use clap::FromArgMatches;
use libfuzzer_sys::fuzz_target;
use quaver_fuzz::with_file;

/// The command's own sources: it is no library.
#[allow(dead_code)]
#[path = "../../crates/quaver-cli/src"]
mod command {
    pub(crate) mod args;
    pub(crate) mod config_file;
}
use command::{args, config_file};

fuzz_target!(|bytes: &[u8]| {
    with_file(bytes, |path| {
        let flag = std::ffi::OsString::from("--config");
        for words in [&["quaver", "train"][..], &["quaver", "detect", "fit"]] {
            let words = words.iter().map(Into::into);
            let typed = words.chain([flag.clone(), path.into()]).collect();
            if let Ok(all) = config_file::expand(typed)
                && let Ok(matches) = args::command().try_get_matches_from(all)
            {
                let _ = args::Args::from_arg_matches(&matches);
            }
        }
    });
});
