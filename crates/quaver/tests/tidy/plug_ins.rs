//! Folders in which every file is one of a kind, found by name in a registry.

use std::collections::BTreeSet;

use crate::layers::module_of;
use crate::rust::Code;
use crate::tree;

struct Folder {
    /// Source folder of the crate.
    source: &'static str,
    /// Folder in it.
    folder: &'static str,
    /// The list in the folder's `mod.rs`.
    registry: &'static str,
    /// Files that are no plug-ins but what plug-ins share.
    shared: &'static [&'static str],
    /// Whether plug-ins must not know each other.
    apart: bool,
}

const FOLDERS: &[Folder] = &[
    Folder {
        source: "crates/quaver/src",
        folder: "attack",
        registry: "REGISTRY",
        shared: &[
            "active",
            "adam",
            "ascent",
            "ball",
            "best",
            "descent",
            "dialect",
            "error",
            "hyperplane",
            "noise",
            "oracle",
            "outputs",
            "planes",
            "record",
            "run",
            "saved",
            "smallest",
            "surrogate",
            "walk",
            "weight",
        ],
        apart: true,
    },
    Folder {
        source: "crates/quaver/src",
        folder: "attack/objective",
        registry: "REGISTRY",
        shared: &["loss", "softmax", "tests"],
        apart: true,
    },
    Folder {
        source: "crates/quaver/src",
        folder: "uncertainty",
        registry: "MEASURES",
        shared: &["accumulator", "monte_carlo"],
        apart: true,
    },
    Folder {
        source: "crates/quaver/src",
        folder: "feature",
        registry: "REGISTRY",
        shared: &["hex", "joined", "measure", "seen", "tests"],
        apart: true,
    },
    Folder {
        source: "crates/quaver/src",
        folder: "detect",
        registry: "REGISTRY",
        shared: &["saved"],
        apart: true,
    },
    Folder {
        source: "crates/quaver/src",
        folder: "suite",
        registry: "REGISTRY",
        shared: &["judge", "run", "search", "state"],
        apart: true,
    },
    Folder {
        source: "crates/quaver/src",
        folder: "wrap",
        registry: "REGISTRY",
        shared: &["input", "logits"],
        apart: true,
    },
    Folder {
        source: "crates/quaver/src",
        folder: "evaluate/checks",
        registry: "CHECKS",
        shared: &["evidence"],
        apart: true,
    },
    Folder {
        source: "crates/quaver-paper/src",
        folder: "claims",
        registry: "CLAIMS",
        shared: &["answers", "tests", "trial"],
        apart: true,
    },
    Folder {
        source: "crates/quaver-paper/src",
        folder: "tables",
        registry: "TABLES",
        shared: &["metric", "view"],
        apart: true,
    },
    Folder {
        source: "crates/quaver/src",
        folder: "data/source",
        registry: "REGISTRY",
        shared: &["idx_pairs", "tests"],
        apart: true,
    },
    Folder {
        source: "crates/quaver-nn/src",
        folder: "quantizer",
        registry: "REGISTRY",
        shared: &["surrogate"],
        apart: true,
    },
    Folder {
        source: "crates/quaver-nn/src",
        folder: "op",
        registry: "REGISTRY",
        shared: &["conv_plan", "layer", "pad", "weights"],
        apart: true,
    },
    Folder {
        source: "crates/quaver-nn/src",
        folder: "arch",
        registry: "ARCHITECTURES",
        shared: &["builder", "topology"],
        apart: true,
    },
    Folder {
        source: "crates/quaver-nn/src",
        folder: "optim",
        registry: "OPTIMIZERS",
        shared: &["moments"],
        apart: true,
    },
    Folder {
        source: "crates/quaver-nn/src",
        folder: "train/schedule",
        registry: "SCHEDULES",
        shared: &[],
        apart: true,
    },
    Folder {
        source: "crates/quaver/src",
        folder: "training/step",
        registry: "STEPS",
        shared: &[],
        apart: true,
    },
    Folder {
        source: "crates/quaver/src",
        folder: "training/augment",
        registry: "AUGMENTATIONS",
        shared: &[],
        apart: true,
    },
];

/// One plug-in: its file's name and the public names in it.
struct PlugIn {
    name: String,
    public: BTreeSet<String>,
}

impl Folder {
    fn problems(&self) -> Vec<String> {
        let prefix = format!("{}/{}/", self.source, self.folder);
        let files: Vec<tree::File> = tree::files(prefix.trim_end_matches('/'))
            .into_iter()
            .filter(tree::File::is_rust)
            .collect();
        let plug_ins: Vec<PlugIn> = files
            .iter()
            .filter_map(|file| {
                let name = file.path.strip_prefix(&prefix)?.strip_suffix(".rs")?;
                let is_one = !name.contains('/') && name != "mod" && !self.shared.contains(&name);
                is_one.then(|| PlugIn {
                    name: name.to_owned(),
                    public: public_names(&Code::new(&file.text)),
                })
            })
            .collect();
        let mut problems = self.unregistered(&prefix, &plug_ins);
        if self.apart {
            let sideways = files
                .iter()
                .flat_map(|file| self.sideways(&prefix, file, &plug_ins));
            problems.extend(sideways);
        }
        problems
    }

    fn unregistered(&self, prefix: &str, plug_ins: &[PlugIn]) -> Vec<String> {
        let path = format!("{prefix}mod.rs");
        let text = tree::read(&path);
        let code = Code::new(&text);
        let listed = registry(&code, self.registry);
        if listed.is_empty() {
            return vec![format!("{path}: no list called {}", self.registry)];
        }
        let is_listed = |one: &PlugIn| {
            listed.contains(one.name.as_str())
                || one.public.iter().any(|name| listed.contains(name.as_str()))
        };
        plug_ins
            .iter()
            .filter(|one| !is_listed(one))
            .map(|one| {
                format!(
                    "{prefix}{}.rs: not in {} of {path}; if others share it, name it in tests/tidy/plug_ins.rs",
                    one.name, self.registry
                )
            })
            .collect()
    }

    /// Imports of one plug-in by another.
    fn sideways(&self, prefix: &str, file: &tree::File, plug_ins: &[PlugIn]) -> Vec<String> {
        let Some(own) = file.path.strip_prefix(prefix) else {
            return Vec::new();
        };
        let own = own.split('/').next().unwrap_or_default();
        let own = own.trim_end_matches(".rs");
        if plug_ins.iter().all(|one| one.name != own) {
            return Vec::new();
        }
        let inner = file.path.trim_start_matches(self.source);
        let module = module_of(inner.trim_start_matches('/'));
        let folder: Vec<&str> = self.folder.split('/').collect();
        let mut problems = Vec::new();
        for path in Code::new(&file.text).paths(&module, &[]) {
            let is_inside = path.segments.len() > folder.len()
                && folder.iter().zip(&path.segments).all(|(a, b)| a == b);
            let Some(what) = path.segments.get(folder.len()).filter(|_| is_inside) else {
                continue;
            };
            let other = plug_ins
                .iter()
                .find(|one| one.name != own && (one.name == *what || one.public.contains(what)));
            if let Some(other) = other {
                problems.push(format!(
                    "{}:{}: {own} imports its sibling {}; move what they share below both",
                    file.path, path.line, other.name
                ));
            }
        }
        problems
    }
}

/// Names declared `pub`, without restriction, at the top of a file.
fn public_names(code: &Code<'_>) -> BTreeSet<String> {
    let kinds = [
        "struct", "enum", "trait", "fn", "const", "static", "type", "mod",
    ];
    (0..code.tokens.len())
        .filter(|&i| code.text(i) == "pub" && kinds.contains(&code.text(i + 1)))
        .map(|i| code.text(i + 2).to_owned())
        .collect()
}

/// Words in the list called `name`.
fn registry<'a>(code: &Code<'a>, name: &str) -> BTreeSet<&'a str> {
    let start = (0..code.tokens.len()).find(|&i| code.reads(i, &["const", name]));
    let from = start.unwrap_or(code.tokens.len());
    code.tokens[from..]
        .iter()
        .map(|token| token.text)
        .take_while(|text| *text != ";")
        .collect()
}

pub(crate) fn problems() -> Vec<String> {
    FOLDERS.iter().flat_map(Folder::problems).collect()
}
